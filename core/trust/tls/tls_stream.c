/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/tls/tls_stream.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/base/list.h"
#include "core/runtime/base/memory.h"
#include "core/trust/tls/reason.h"
#include "core/trust/tls/tls_pipe.h"
#include "core/trust/tls/update_rate.h"

enum {
    TLS_STREAM_RECORD = 16 * 1024,       /* a record's plaintext at most */
    TLS_STREAM_OVERHEAD = 22,            /* what sealing adds to a record at least */
    TLS_STREAM_WRITE_MAX = SLABS_MOST * 16 * 1024, /* whole records: sealed they fit into the slabs */
    TLS_STREAM_TRIES = 2,
};

/*
 * What a session costs beside what it keeps, in bytes: once it is up, as `signet bench data` measures an
 * idle connection (README.md, "Speed and memory"); more while it shakes hands: 1,000 half-sent
 * ClientHellos of 15 KB took 24 MB; and while the library holds a part of a record: its buffer, which
 * takes the longest record and its head.
 */
enum {
    TLS_STREAM_COST_UP = 4 * 1024,
    TLS_STREAM_COST_HANDSHAKE = TLS_STREAM_COST_HALF_OPEN - TLS_STREAM_COST_UP,
    TLS_STREAM_COST_PART = 16 * 1024 + 512,
};

struct tls_stream {
    struct stream stream;
    struct tls_pipe pipe;        /* its stream is owned */
    struct tls_context *context; /* reference: of our side of the session */
    const struct tls_slot *slot; /* borrowed: of the bundle that judges the peer; NULL once it has */
    SSL *ssl;
    const char *expected_id; /* borrowed; NULL: none, or it was judged */
    struct tls_peer *peer;   /* owned; NULL until verified */
    struct slab_chain kept;  /* ciphertext that `lower` did not take; empty nearly always */
    struct update_rate updates; /* the peer's new keys */
    unsigned wanted;         /* the owner's interest */
    uint32_t sealed;         /* records since our last key update */
    int flush_error;         /* errno of a flush that nobody was told of yet; 0: none */
    bool flooded;            /* by new keys */
    bool takes_one_way;      /* a server need not ask for our certificate */
    bool done;               /* handshake */
    bool ended;              /* we have said close_notify */
};

static int tls_stream_ssl_index;
static pthread_once_t tls_stream_once = PTHREAD_ONCE_INIT;

static void tls_stream_prepare(void)
{
    tls_stream_ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    if (tls_stream_ssl_index < 0) {
        abort();
    }
}

static struct tls_stream *tls_stream_of(const struct stream *stream)
{
    return LIST_OF(stream, struct tls_stream, stream);
}

/* ---- who is this peer ---- */

/*
 * Has the server asked for no certificate? In TLS 1.3 a CertificateRequest names the signatures that
 * the server can verify, at least one; without it there are none. True during verification only.
 * Source: RFC 8446 4.3.2.
 */
static bool tls_stream_is_one_way(const struct tls_stream *tls)
{
    const uint16_t *algorithms;

    return !SSL_is_server(tls->ssl) && SSL_get0_peer_verify_algorithms(tls->ssl, &algorithms) == 0;
}

static void tls_stream_keep_peer(struct tls_stream *tls, const struct verified_peer *verified)
{
    struct tls_peer *peer = memory_make(sizeof *peer + verified->id.len + 1u);

    peer->expires_at = verified->expires_at;
    peer->one_way = tls_stream_is_one_way(tls);
    memcpy(peer->serial_hex, verified->serial_hex, sizeof peer->serial_hex);
    peer->trust_domain_len = verified->id.trust_domain_len;
    peer->id_len = verified->id.len;
    memcpy(peer->id, verified->id.text, verified->id.len + 1u);
    free(tls->peer);
    tls->peer = peer;
}

static enum status tls_stream_judge(struct tls_stream *tls, const STACK_OF(CRYPTO_BUFFER) *shown,
                                    struct failure *why)
{
    /* One more than is allowed is enough for verify_peer() to refuse the length. */
    struct bytes chain[VERIFY_CERTS_MAX + 1];
    size_t count = shown == NULL ? 0 : sk_CRYPTO_BUFFER_num(shown);
    struct verified_peer verified;

    count = count > VERIFY_CERTS_MAX + 1 ? VERIFY_CERTS_MAX + 1 : count;
    for (size_t i = 0; i < count; i++) {
        const CRYPTO_BUFFER *one = sk_CRYPTO_BUFFER_value(shown, i);

        chain[i] = bytes_make(CRYPTO_BUFFER_data(one), CRYPTO_BUFFER_len(one));
    }
    /* I10: a handshake may be held open while a root is taken away. */
    TRY(verify_peer(identity_set_bundle(tls_context_identities(tls->slot->current)), chain, count,
                    SSL_is_server(tls->ssl) ? VERIFY_CLIENT : VERIFY_SERVER, clock_unix_s(),
                    &verified, why));
    if (tls->expected_id != NULL && strcmp(tls->expected_id, verified.id.text) != 0) {
        return fail(why, STATUS_UNTRUSTED, "tls/peer-identity", "expected %s, the peer is %s",
                    tls->expected_id, verified.id.text);
    }
    if (tls_stream_is_one_way(tls) && !tls->takes_one_way) {
        return fail(why, STATUS_PROTOCOL, "tls/not-mutual",
                    "%s asks for no certificate, so it would not know who calls; if that is meant, "
                    "the mesh says tls: one-way for it", verified.id.text);
    }
    tls_stream_keep_peer(tls, &verified);
    return STATUS_OK;
}

static enum ssl_verify_result_t tls_stream_verify(SSL *ssl, uint8_t *out_alert)
{
    struct tls_stream *tls = SSL_get_ex_data(ssl, tls_stream_ssl_index);
    struct failure *verdict = tls->pipe.call->verdict;

    if (tls_stream_judge(tls, SSL_get0_peer_certificates(ssl), verdict) == STATUS_OK) {
        return ssl_verify_ok;
    }
    *out_alert = reason_alert_of_verify(verdict->reason);
    return ssl_verify_invalid;
}

/* The library tells every message; a key update is the only one of interest. */
static void tls_stream_message(int is_write, int version, int type, const void *at, size_t len,
                               SSL *ssl, void *argument)
{
    (void)version;
    (void)argument;
    if (is_write == 0 && type == SSL3_RT_HANDSHAKE && len > 0 &&
        *(const uint8_t *)at == SSL3_MT_KEY_UPDATE) {
        struct tls_stream *tls = SSL_get_ex_data(ssl, tls_stream_ssl_index);

        tls->flooded = !update_rate_allows(&tls->updates, clock_mono_ms()) || tls->flooded;
    }
}

void tls_stream_install(struct ssl_ctx_st *on)
{
    SSL_CTX_set_custom_verify(on, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                              tls_stream_verify);
    SSL_CTX_set_msg_callback(on, tls_stream_message);
}

/* ---- moving ciphertext ---- */

static struct slabs *tls_stream_slabs(const struct tls_stream *tls)
{
    return &tls->pipe.worker->slabs;
}

/* Sends what is kept. STATUS_OK when nothing is left. */
static enum status tls_stream_flush(struct tls_stream *tls, struct failure *why)
{
    while (tls->kept.len > 0) {
        size_t sent = 0;

        TRY(stream_write(tls->pipe.lower, slab_chain_head(&tls->kept), &sent, why));
        slab_chain_use(&tls->kept, tls_stream_slabs(tls), sent);
        tls->stream.owes = tls->kept.len;
    }
    return STATUS_OK;
}

/* Sends what this call has sealed; what the stream below does not take is kept behind the rest. */
static enum status tls_stream_send(struct tls_stream *tls, struct failure *why)
{
    const uint8_t *at = worker_scratch(tls->pipe.worker, TLS_PIPE_SCRATCH_OUT);
    size_t left = tls->pipe.call->out_len;
    enum status status = tls->kept.len == 0 ? STATUS_OK : STATUS_WAIT;

    tls->pipe.call->out_len = 0;
    while (left > 0 && status == STATUS_OK) {
        size_t sent = 0;

        status = stream_write(tls->pipe.lower, bytes_make(at, left), &sent, why);
        if (status == STATUS_OK) {
            at += sent;
            left -= sent;
        }
    }
    if (left == 0 || status != STATUS_WAIT) {
        return left == 0 ? STATUS_OK : status;
    }
    if (!slab_chain_add(&tls->kept, tls_stream_slabs(tls), bytes_make(at, left))) {
        return fail(why, STATUS_LIMIT, "limit/memory", "no memory for %zu sealed bytes", left);
    }
    tls->stream.owes = tls->kept.len;
    return STATUS_OK;
}

static void tls_stream_watch(struct tls_stream *tls)
{
    unsigned wanted = tls->wanted;

    if (tls->kept.len > 0) {
        wanted |= STREAM_WRITABLE;
    }
    stream_interest(tls->pipe.lower, wanted);
}

/*
 * The peer has said its end. A reset that comes after that is below, and the library will never look
 * there again; bytes that come are no part of the session.
 */
static enum status tls_stream_look_below(struct tls_stream *tls, struct failure *why)
{
    uint8_t *scratch = worker_scratch(tls->pipe.worker, TLS_PIPE_SCRATCH_IN);
    size_t thrown_away = 0;
    enum status status = stream_read(tls->pipe.lower, scratch, STREAM_ROOM_MIN, &thrown_away, why);

    return status == STATUS_IO ? STATUS_IO : STATUS_CLOSED;
}

/* Why the library stopped, when it was not for want of bytes. */
static enum status tls_stream_broken(struct tls_stream *tls, int answer, struct failure *why)
{
    const struct tls_pipe_call *call = tls->pipe.call;
    int error = SSL_get_error(tls->ssl, answer);

    if (error == SSL_ERROR_ZERO_RETURN) {
        return tls_stream_look_below(tls, why);
    }
    if (call->verdict != NULL && call->verdict->reason != NULL) {
        if (why != NULL) {
            *why = *call->verdict;
        }
        return reason_status_of_verify(call->verdict->reason);
    }
    if (error == SSL_ERROR_SYSCALL && call->in_said == STATUS_CLOSED) {
        tls->stream.cut = tls->done && SSL_has_pending(tls->ssl) == 0;
        return fail(why, STATUS_PROTOCOL, tls->done ? "tls/truncated" : "tls/closed-early",
                    tls->done ? "the peer's connection ended without close_notify"
                              : "the peer ended the connection within the handshake");
    }
    if (error == SSL_ERROR_SYSCALL && call->io.reason != NULL) {
        if (why != NULL) {
            *why = call->io;
        }
        return call->in_said;
    }
    return reason_of_library(ERR_peek_error(), why);
}

/* The session is up: the handshake's memory is gone, and the application's first bytes may be here. */
static enum status tls_stream_up(struct tls_stream *tls, struct failure *why)
{
    const struct tls_pipe_call *call = tls->pipe.call;

    tls->done = true;
    tls->slot = NULL;
    tls->expected_id = NULL;
    memory_account_add(&tls_stream_slabs(tls)->account, -TLS_STREAM_COST_HANDSHAKE);
    if (call->in_used < call->in_len) {
        /* Application bytes came right behind the handshake: they are read again later. */
        const uint8_t *in = worker_scratch(tls->pipe.worker, TLS_PIPE_SCRATCH_IN);

        stream_unread(tls->pipe.lower,
                      bytes_make(in + call->in_used, call->in_len - call->in_used));
    }
    TRY(tls_stream_send(tls, why));
    if (tls->kept.len > 0) {
        tls_stream_watch(tls);
    }
    return STATUS_OK;
}

enum status tls_stream_handshake(struct stream *stream, struct failure *why)
{
    struct tls_stream *tls = tls_stream_of(stream);
    struct failure unsent = {0};
    struct failure verdict = {0};
    struct tls_pipe_call call;
    enum status status;
    int answer;

    status = tls_stream_flush(tls, why);
    if (status == STATUS_WAIT) {
        tls->wanted = 0;
        tls_stream_watch(tls);
        return STATUS_WAIT;
    }
    TRY(status);
    do {
        tls_pipe_begin(&tls->pipe, &call, STREAM_ROOM_MIN);
        call.verdict = &verdict;
        answer = SSL_do_handshake(tls->ssl);
        if (answer == 1) {
            return tls_stream_up(tls, why);
        }
        if (SSL_get_error(tls->ssl, answer) != SSL_ERROR_WANT_READ) {
            status = tls_stream_broken(tls, answer, why);
            (void)tls_stream_send(tls, &unsent); /* the alert */
            return status == STATUS_CLOSED
                       ? fail(why, STATUS_PROTOCOL, "tls/closed-early",
                              "the peer closed within the handshake")
                       : status;
        }
        TRY(tls_stream_send(tls, why));
    } while (tls->pipe.lower->holds); /* no event tells of those bytes */
    tls->wanted = STREAM_READABLE;
    tls_stream_watch(tls);
    return STATUS_WAIT;
}

/*
 * How much to read from below, so that all of it, opened, fits into `room` and nothing stays in our hands:
 * plaintext is shorter than its ciphertext, but for a record that is half read already.
 */
static size_t tls_stream_in_room(const struct tls_stream *tls, size_t room)
{
    size_t records = (room + TLS_STREAM_RECORD - 1) / TLS_STREAM_RECORD;
    size_t most = SSL_has_pending(tls->ssl) == 0
                      ? room + records * TLS_STREAM_OVERHEAD
                      : tls->pipe.missing + (room - TLS_STREAM_RECORD);

    return most < WORKER_SCRATCH_SIZE ? most : WORKER_SCRATCH_SIZE;
}

/* Counts the part of a record that the library holds, while it does. */
static void tls_stream_count_part(struct tls_stream *tls, bool part)
{
    if (tls->stream.part != part) {
        tls->stream.part = part;
        memory_account_add(&tls_stream_slabs(tls)->account,
                           part ? TLS_STREAM_COST_PART : -TLS_STREAM_COST_PART);
    }
}

static enum status tls_stream_refuse_updates(struct tls_stream *tls, struct failure *why)
{
    struct failure unsent = {0};

    (void)SSL_send_fatal_alert(tls->ssl, SSL_AD_UNEXPECTED_MESSAGE);
    (void)tls_stream_send(tls, &unsent);
    return fail(why, STATUS_PROTOCOL, "tls/key-updates",
                "the peer sends key updates without end: more than %u at once and one a second",
                UPDATE_RATE_BURST);
}

/* Opens what comes into `into`. *out_drained: all that was read from below is used up. */
static int tls_stream_open(struct tls_stream *tls, uint8_t *into, size_t room, size_t *out_got,
                           bool *out_drained)
{
    const struct tls_pipe_call *call = tls->pipe.call;
    int answer = 1;

    *out_got = 0;
    *out_drained = false;
    while (*out_got < room && !tls->flooded) {
        answer = SSL_read(tls->ssl, into + *out_got, (int)(room - *out_got));
        if (answer <= 0) {
            break;
        }
        *out_got += (size_t)answer;
        if (call->in_used == call->in_len && call->in_room == 0 && SSL_pending(tls->ssl) == 0) {
            /* Asking again would only say so. */
            *out_drained = true;
            break;
        }
    }
    return answer;
}

static enum status tls_stream_read(struct stream *stream, uint8_t *into, size_t room,
                                   size_t *out_len, struct failure *why)
{
    struct tls_stream *tls = tls_stream_of(stream);
    struct tls_pipe_call call;
    size_t got = 0;
    bool drained = false;
    int tries = 0;
    int answer;

    assert(room >= STREAM_ROOM_MIN);
    stream->cut = false;
    if (tls->flush_error != 0) {
        return fail_os(why, tls->flush_error, "tcp/reset", "writing");
    }
    do { /* once more when it was no whole record: the rest of it may be there */
        tls_pipe_begin(&tls->pipe, &call, tls_stream_in_room(tls, room));
        answer = tls_stream_open(tls, into, room, &got, &drained);
    } while (got == 0 && call.in_len > 0 && ++tries < TLS_STREAM_TRIES &&
             SSL_get_error(tls->ssl, answer) == SSL_ERROR_WANT_READ && call.out_len == 0);
    tls_stream_count_part(tls, !drained && SSL_has_pending(tls->ssl) != 0);
    if (tls->flooded) {
        return tls_stream_refuse_updates(tls, why);
    }
    if (call.out_len > 0) { /* an answer to a KeyUpdate */
        TRY(tls_stream_send(tls, why));
    }
    stream->holds = tls->pipe.lower->holds;
    if (got > 0) {
        /*
         * An end or an error behind the bytes shows again at the next read: the library keeps it. What
         * it was made of has left the socket, so no event would tell of it.
         */
        stream->holds =
            stream->holds ||
            (!drained && SSL_get_error(tls->ssl, answer) != SSL_ERROR_WANT_READ);
        *out_len = got;
        return STATUS_OK;
    }
    if (SSL_get_error(tls->ssl, answer) == SSL_ERROR_WANT_READ) {
        return STATUS_WAIT;
    }
    return tls_stream_broken(tls, answer, why);
}

/* New keys for what we send, long before AES-GCM's limit (RFC 8446 section 5.5: 2^24.5 records). */
static void tls_stream_renew_key(struct tls_stream *tls, size_t records)
{
    if (tls->sealed >= tls_context_records_per_key(tls->context) &&
        SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1) {
        tls->sealed = 0;
    }
    tls->sealed += (uint32_t)records;
}

static enum status tls_stream_write(struct stream *stream, struct bytes from, size_t *out_len,
                                    struct failure *why)
{
    struct tls_stream *tls = tls_stream_of(stream);
    size_t len = from.len < TLS_STREAM_WRITE_MAX ? from.len : TLS_STREAM_WRITE_MAX;
    struct tls_pipe_call call;
    int answer;

    if (tls->flush_error != 0) {
        return fail_os(why, tls->flush_error, "tcp/reset", "writing");
    }
    TRY(tls_stream_flush(tls, why));
    tls_pipe_begin(&tls->pipe, &call, 0);
    tls_stream_renew_key(tls, (len + TLS_STREAM_RECORD - 1) / TLS_STREAM_RECORD);
    answer = SSL_write(tls->ssl, from.at, (int)len);
    if (answer <= 0) {
        return tls_stream_broken(tls, answer, why);
    }
    TRY(tls_stream_send(tls, why));
    if (tls->kept.len > 0) {
        tls_stream_watch(tls);
    }
    *out_len = (size_t)answer;
    return STATUS_OK;
}

static enum status tls_stream_shutdown(struct stream *stream, struct failure *why)
{
    struct tls_stream *tls = tls_stream_of(stream);

    TRY(tls_stream_flush(tls, why));
    if (!tls->ended) {
        struct tls_pipe_call call;

        tls_pipe_begin(&tls->pipe, &call, 0);
        (void)SSL_shutdown(tls->ssl);
        tls->ended = true;
        TRY(tls_stream_send(tls, why));
        TRY(tls_stream_flush(tls, why));
    }
    return stream_shutdown(tls->pipe.lower, why);
}

static void tls_stream_interest(struct stream *stream, unsigned events)
{
    struct tls_stream *tls = tls_stream_of(stream);

    tls->wanted = events;
    tls_stream_watch(tls);
}

static void tls_stream_unread(struct stream *stream, struct bytes bytes)
{
    (void)stream;
    (void)bytes;
    abort(); /* whoever reads plaintext knows what it is */
}

static void tls_stream_ready(void *user, unsigned events)
{
    struct tls_stream *tls = user;

    if ((events & STREAM_WRITABLE) != 0 && tls->kept.len > 0 && tls->done) {
        struct failure why = {0};
        enum status status = tls_stream_flush(tls, &why);

        if (status == STATUS_WAIT) {
            events &= ~(unsigned)STREAM_WRITABLE;
        } else if (status == STATUS_OK) {
            tls_stream_watch(tls);
            events &= tls->wanted;
        } else { /* the owner meets it at its next read or write: an error is told as both */
            tls->flush_error = why.os_error == 0 ? EPIPE : why.os_error;
            events = STREAM_READABLE | STREAM_WRITABLE;
        }
        if (events == 0) {
            return;
        }
    }
    tls->stream.ready(tls->stream.user, events);
}

static void tls_stream_free(struct tls_stream *tls)
{
    ERR_clear_error();
    SSL_free(tls->ssl);
    tls_context_drop(&tls->context);
    free(tls->peer);
    slab_chain_clear(&tls->kept, tls_stream_slabs(tls));
    tls_stream_count_part(tls, false);
    memory_account_add(&tls_stream_slabs(tls)->account,
                       tls->done ? -TLS_STREAM_COST_UP
                                 : -(TLS_STREAM_COST_UP + TLS_STREAM_COST_HANDSHAKE));
    free(tls);
}

static void tls_stream_close(struct stream *stream, bool reset)
{
    struct tls_stream *tls = tls_stream_of(stream);

    stream_close(&tls->pipe.lower, reset);
    tls_stream_free(tls);
}

static bool tls_stream_silence(struct stream *stream, uint64_t *out_ms)
{
    return stream_silence(tls_stream_of(stream)->pipe.lower, out_ms);
}

static void tls_stream_pinch(struct stream *stream)
{
    stream_pinch(tls_stream_of(stream)->pipe.lower);
}

static const struct stream_ops tls_stream_ops = {
    .read = tls_stream_read,
    .write = tls_stream_write,
    .shutdown = tls_stream_shutdown,
    .interest = tls_stream_interest,
    .unread = tls_stream_unread,
    .close = tls_stream_close,
    .silence = tls_stream_silence,
    .pinch = tls_stream_pinch,
};

struct stream *tls_stream_start(struct worker *worker, const struct tls_slot *slot,
                                enum tls_role role, struct stream *lower, const char *expected_id)
{
    struct tls_context *context = slot->current;
    struct tls_stream *tls = memory_make(sizeof *tls);
    BIO *bio;

    (void)pthread_once(&tls_stream_once, tls_stream_prepare);
    tls->stream.ops = &tls_stream_ops;
    tls->pipe.worker = worker;
    tls->pipe.lower = lower;
    tls->context = tls_context_ref(context);
    tls->slot = slot;
    tls->expected_id = expected_id;
    tls->ssl =
        SSL_new(role == TLS_SERVER ? tls_context_server(context) : tls_context_client(context));
    bio = tls_pipe_bio(&tls->pipe);
    if (tls->ssl == NULL || bio == NULL ||
        SSL_set_ex_data(tls->ssl, tls_stream_ssl_index, tls) != 1) {
        abort(); /* small fixed objects */
    }
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_shed_handshake_config(tls->ssl, 1);
    if (role == TLS_SERVER) {
        SSL_set_accept_state(tls->ssl);
    } else {
        SSL_set_connect_state(tls->ssl);
    }
    stream_own(lower, tls_stream_ready, tls);
    memory_account_add(&tls_stream_slabs(tls)->account,
                       TLS_STREAM_COST_UP + TLS_STREAM_COST_HANDSHAKE);
    return &tls->stream;
}

void tls_stream_take_one_way(struct stream *stream)
{
    struct tls_stream *tls = tls_stream_of(stream);

    assert(!SSL_is_server(tls->ssl) && !tls->done);
    tls->takes_one_way = true;
}

const struct tls_peer *tls_stream_peer(const struct stream *stream)
{
    return tls_stream_of(stream)->peer;
}

void tls_stream_agreed(const struct stream *stream, struct tls_agreed *out_agreed)
{
    const struct tls_stream *tls = tls_stream_of(stream);
    const uint8_t *protocol = NULL;
    unsigned len = 0;

    memset(out_agreed, 0, sizeof *out_agreed);
    out_agreed->version = SSL_get_version(tls->ssl);
    out_agreed->cipher = SSL_CIPHER_standard_name(SSL_get_current_cipher(tls->ssl));
    out_agreed->group = SSL_get_group_name(SSL_get_group_id(tls->ssl));
    SSL_get0_alpn_selected(tls->ssl, &protocol, &len);
    len = len < sizeof out_agreed->protocol ? len : (unsigned)sizeof out_agreed->protocol - 1;
    if (len > 0) {
        memcpy(out_agreed->protocol, protocol, len);
    }
}

void tls_stream_refuse(struct stream *stream, enum tls_alert alert)
{
    struct tls_stream *tls = tls_stream_of(stream);
    struct failure unsent = {0};
    struct tls_pipe_call call;

    tls_pipe_begin(&tls->pipe, &call, 0);
    (void)SSL_send_fatal_alert(tls->ssl, (uint8_t)alert);
    (void)tls_stream_send(tls, &unsent);
}

struct stream *tls_stream_unwrap(struct stream **stream)
{
    struct tls_stream *tls = tls_stream_of(TAKE(*stream));
    struct stream *lower = TAKE(tls->pipe.lower);

    tls_stream_free(tls);
    return lower;
}
