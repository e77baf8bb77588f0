/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS as a stream over another stream. The session lives in memory: ciphertext comes from the stream
 * below into the worker's scratch, BoringSSL takes it from there, and what it seals leaves the same
 * way, many records in one write. An idle session holds no buffer of ours.
 *
 * Verification is ours alone (identity/verify.h), against the bundle in force when the peer's
 * certificate is judged, however long the handshake was held open; the library's own is never asked.
 * Not resumed, ever: see posture.h.
 *
 * Source: RFC 8446. Alerts to the peer: RFC 8446 section 6.2.
 */
#ifndef SIGNET_CORE_TRUST_TLS_TLS_STREAM_H
#define SIGNET_CORE_TRUST_TLS_TLS_STREAM_H

#include "core/runtime/loop/worker.h"
#include "core/runtime/net/stream.h"
#include "core/trust/identity/verify.h"
#include "core/trust/tls/slot.h"

struct ssl_ctx_st;

/* What a session that shakes hands is reckoned at in the process's memory ledger, in bytes. */
#define TLS_STREAM_COST_HALF_OPEN (28 * 1024)

enum tls_role {
    TLS_SERVER, /* the peer is a client and must show a certificate */
    TLS_CLIENT,
};

/* Alerts that we may send on purpose. Source: RFC 8446 section 6. */
enum tls_alert {
    TLS_ALERT_ACCESS_DENIED = 49,
};

/* Who the peer proved to be. Lives as long as the stream. */
struct tls_peer {
    int64_t expires_at; /* least notAfter of his chain, Unix s */
    char serial_hex[CERTIFICATE_SERIAL_HEX];
    bool one_way;              /* a server that asked for no certificate: who we are it does not know */
    uint16_t trust_domain_len; /* bytes, from id + 9 */
    uint16_t id_len;           /* bytes */
    char id[];                 /* the SPIFFE ID, NUL-terminated */
};

/* What was agreed, for the log. Texts are literals of the library. */
struct tls_agreed {
    const char *version;
    const char *cipher;
    const char *group;
    char protocol[32]; /* ALPN, or "" */
};

/*
 * tls_stream_start makes a session over `lower`, which it takes over.
 *   slot         borrowed until the handshake has ended, and not empty: we show the identity that is in
 *                it now, the peer is judged by the bundle that is in it then
 *   expected_id  borrowed likewise: the only identity the peer may have; NULL: any of the bundle's trust
 *                domains (policy then judges it)
 * Own the stream (stream_own), then call tls_stream_handshake().
 */
struct stream *tls_stream_start(struct worker *worker, const struct tls_slot *slot,
                                enum tls_role role, struct stream *lower,
                                const char *expected_id);

/*
 * tls_stream_take_one_way lets a server be that asks for no certificate of ours; without it such a one
 * is refused. Before the handshake, TLS_CLIENT only.
 */
void tls_stream_take_one_way(struct stream *stream);

/*
 * tls_stream_handshake goes as far as it can. STATUS_OK: the peer is verified; STATUS_WAIT: call again
 * at the next event (it sets the interest itself). Else the session is over; the peer was sent the
 * alert that fits, as far as the socket took it.
 *
 * STATUS_PROTOCOL   "tls/not-tls", "tls/version", "tls/no-certificate", "tls/closed-early",
 *                   "tls/protocol", "tls/group", "tls/not-mutual" (a server that asks for no
 *                   certificate of ours), and those of verify_peer()
 * STATUS_UNTRUSTED  "tls/peer-identity" (verified, but not the expected one), and verify_peer()'s
 * STATUS_DENIED     "peer/access-denied": the peer's policy refused us
 * STATUS_CLOSED     never; STATUS_IO as the stream below
 * Other alerts of the peer: STATUS_PROTOCOL "peer/alert", "peer/unknown-ca",
 * "peer/certificate-expired", "peer/certificate-required", "peer/bad-certificate".
 */
enum status tls_stream_handshake(struct stream *stream, struct failure *why) MUST_USE;

/* tls_stream_peer is who the peer is, after STATUS_OK of the handshake; NULL before. */
const struct tls_peer *tls_stream_peer(const struct stream *stream);

/* tls_stream_agreed fills what was agreed; after the handshake. */
void tls_stream_agreed(const struct stream *stream, struct tls_agreed *out_agreed);

/* tls_stream_refuse sends a fatal alert, as far as the socket takes it now. The owner then closes. */
void tls_stream_refuse(struct stream *stream, enum tls_alert alert);

/*
 * tls_stream_unwrap gives up the session at *stream, sets the pointer to NULL and gives the stream
 * below to the caller: after a fatal alert, to linger on it.
 */
struct stream *tls_stream_unwrap(struct stream **stream);

/* tls_stream_install makes our verification the only one of a library's context; context.c calls it. */
void tls_stream_install(struct ssl_ctx_st *on);

#endif
