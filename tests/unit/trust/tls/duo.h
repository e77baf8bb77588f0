/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two TLS sessions over a pair of memory streams, or one of ours against a peer made of the library
 * alone, which may show any certificate and break any rule.
 */
#ifndef SIGNET_TESTS_UNIT_TRUST_TLS_DUO_H
#define SIGNET_TESTS_UNIT_TRUST_TLS_DUO_H

#include <openssl/ssl.h>

#include "core/trust/tls/tls_stream.h"
#include "tests/support/memory_stream.h"
#include "tests/support/test_ca.h"

#define DUO_CLIENT_ID "spiffe://example.org/ns/shop/sa/web"
#define DUO_SERVER_ID "spiffe://example.org/ns/shop/sa/pay"

/* One session of ours, driven by its events. */
struct duo_end {
    struct stream *stream;
    bool handshaking;
    int answers; /* how often the handshake came to an end */
    enum status status;
    struct failure why;
    void (*after)(
        struct duo_end *end); /* runs at each event once the handshake is through; or NULL */
    void *user;
};

struct duo {
    struct worker worker;
    struct test_ca *root;
    struct tls_slot slots[2]; /* 0: of the client, 1: of the server */
    struct duo_end ends[2];   /* likewise */
    struct stream *lower[2];  /* borrowed by the ends */
};

/* Records that our sessions seal with one key; 0, as at the start: as many as the posture says. */
extern uint32_t duo_records_per_key;

/* duo_open makes both sessions; the client expects `expected_id` (NULL: anybody). */
void duo_open(struct duo *duo, const struct memory_stream_plan *plan, const char *expected_id);

/* duo_open_one makes only our end of `role`; *out_far is the raw other end. */
void duo_open_one(struct duo *duo, enum tls_role role, struct stream **out_far);

/* duo_end drives the loop a turn; duo_handshake until both ends have an answer. */
void duo_turn(struct duo *duo);
void duo_handshake(struct duo *duo);

/* duo_close ends all and frees it. */
void duo_close(struct duo *duo);

/* A peer made of the library alone. */
struct duo_raw {
    struct duo *duo;
    struct stream *stream; /* owned */
    SSL_CTX *library;
    SSL *ssl;
    BIO *in, *out;   /* of ssl */
    bool up;         /* its handshake is through */
    int alert;       /* that it was sent; 0: none */
    bool ended;      /* the stream has ended */
    size_t received; /* plaintext bytes */
    int sessions;    /* tickets that it was given */
};

/* How it behaves; all borrowed for duo_raw_open(). */
struct duo_raw_manner {
    bool as_server;
    const struct test_ca *leaf; /* whose key it has */
    const struct bytes *chain;  /* what it shows */
    size_t num_certs;           /* 0: nothing */
    uint16_t least, most;       /* versions of TLS */
    bool asks_nothing;          /* as a server: no CertificateRequest */
};

/* duo_raw_open makes one at the far end of `stream`, which it then owns. */
void duo_raw_open(struct duo_raw *raw, struct duo *duo, struct stream *stream,
                  const struct duo_raw_manner *manner);

/* duo_raw_begin lets it speak; after that it follows its stream's events. */
void duo_raw_begin(struct duo_raw *raw);

/* duo_raw_flush hands what the library wrote to the stream. */
void duo_raw_flush(struct duo_raw *raw);

/* duo_raw_close frees it. */
void duo_raw_close(struct duo_raw *raw);

#endif
