/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/tls/tls_stream.h"

#include <assert.h>
#include <openssl/bio.h>
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

/* A read leaves this much of the owner's room for a record that was half read before. */
enum { TLS_STREAM_RECORD_MAX = 17 * 1024, TLS_STREAM_SCRATCH_IN = 0, TLS_STREAM_SCRATCH_OUT = 2 };

/* Whole records of 16 KiB. */
enum { TLS_STREAM_WRITE_MAX = 7 * 16 * 1024 };

struct tls_stream {
    struct stream stream;
    struct worker *worker;       /* borrowed */
    struct stream *lower;        /* owned */
    struct tls_context *context; /* reference: of our side of the session */
    const struct tls_slot *slot; /* borrowed: of the bundle that judges the peer; NULL once it has */
    SSL *ssl;
    const char *expected_id; /* borrowed; NULL: none, or it was judged */
    struct tls_peer *peer;   /* owned; NULL until verified */
    uint8_t *kept;           /* owned: ciphertext that `lower` did not take; NULL nearly always */
    size_t kept_len;
    size_t kept_used;

    /* Only within one call: what the BIO reads from, and how much it has put into scratch memory. */
    size_t in_used;
    size_t in_len;
    size_t out_len;
    size_t in_room;      /* how much may be read from below in this call; 0: no more */
    enum status in_said; /* what reading from below last said */
    struct failure io;   /* why it, or writing, failed */

    struct failure verdict; /* of verification, for the handshake's answer */
    unsigned wanted;        /* the owner's interest */
    bool done;              /* handshake */
    bool ended;             /* we have said close_notify */
};

static struct tls_stream *tls_stream_of(const struct stream *stream)
{
    return LIST_OF(stream, struct tls_stream, stream);
}

/* ---- the library's side: a BIO over scratch memory ---- */

static int tls_stream_bio_read(BIO *bio, char *out, int len)
{
    struct tls_stream *tls = BIO_get_data(bio);
    uint8_t *scratch = worker_scratch(tls->worker, TLS_STREAM_SCRATCH_IN);
    size_t have;

    if (tls->in_used == tls->in_len && tls->in_room > 0) {
        size_t got = 0;

        tls->in_said = stream_read(tls->lower, scratch, tls->in_room, &got, &tls->io);
        tls->in_room = 0;
        tls->in_used = 0;
        tls->in_len = tls->in_said == STATUS_OK ? got : 0;
    }
    have = tls->in_len - tls->in_used;
    if (have == 0) {
        BIO_clear_retry_flags(bio);
        if (tls->in_said == STATUS_CLOSED) {
            return 0;
        }
        if (tls->in_said == STATUS_OK || tls->in_said == STATUS_WAIT) {
            BIO_set_retry_read(bio);
        }
        return -1;
    }
    have = have < (size_t)len ? have : (size_t)len;
    memcpy(out, scratch + tls->in_used, have);
    tls->in_used += have;
    return (int)have;
}

static int tls_stream_bio_write(BIO *bio, const char *from, int len)
{
    struct tls_stream *tls = BIO_get_data(bio);
    uint8_t *scratch = worker_scratch(tls->worker, TLS_STREAM_SCRATCH_OUT);
    size_t room = WORKER_SCRATCH_SIZE - tls->out_len;
    size_t take = (size_t)len < room ? (size_t)len : room;

    BIO_clear_retry_flags(bio);
    if (take == 0) { /* cannot be: the owner writes at most RELAY_CHUNK at once */
        BIO_set_retry_write(bio);
        return -1;
    }
    memcpy(scratch + tls->out_len, from, take);
    tls->out_len += take;
    return (int)take;
}

static long tls_stream_bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *tls_stream_bio_method;
static int tls_stream_ssl_index;
static pthread_once_t tls_stream_once = PTHREAD_ONCE_INIT;

static void tls_stream_prepare(void)
{
    tls_stream_bio_method = BIO_meth_new(0, "stream");
    tls_stream_ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    if (tls_stream_bio_method == NULL || tls_stream_ssl_index < 0 ||
        BIO_meth_set_read(tls_stream_bio_method, tls_stream_bio_read) != 1 ||
        BIO_meth_set_write(tls_stream_bio_method, tls_stream_bio_write) != 1 ||
        BIO_meth_set_ctrl(tls_stream_bio_method, tls_stream_bio_control) != 1) {
        abort();
    }
}

/* ---- who is this peer ---- */

static void tls_stream_keep_peer(struct tls_stream *tls, const struct verified_peer *verified)
{
    struct tls_peer *peer = memory_make(sizeof *peer + verified->id.len + 1u);

    peer->expires_at = verified->expires_at;
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
    tls_stream_keep_peer(tls, &verified);
    return STATUS_OK;
}

static enum ssl_verify_result_t tls_stream_verify(SSL *ssl, uint8_t *out_alert)
{
    struct tls_stream *tls = SSL_get_ex_data(ssl, tls_stream_ssl_index);

    if (tls_stream_judge(tls, SSL_get0_peer_certificates(ssl), &tls->verdict) == STATUS_OK) {
        return ssl_verify_ok;
    }
    *out_alert = reason_alert_of_verify(tls->verdict.reason);
    return ssl_verify_invalid;
}

void tls_stream_install(struct ssl_ctx_st *on)
{
    SSL_CTX_set_custom_verify(on, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                              tls_stream_verify);
}

/* ---- moving ciphertext ---- */

/* Sends what is kept, then what this call has sealed; what the stream below refuses is kept. */
static enum status tls_stream_flush(struct tls_stream *tls, struct failure *why)
{
    while (tls->kept != NULL) {
        size_t sent = 0;

        TRY(stream_write(tls->lower,
                         bytes_make(tls->kept + tls->kept_used, tls->kept_len - tls->kept_used),
                         &sent, why));
        tls->kept_used += sent;
        if (tls->kept_used == tls->kept_len) {
            free(tls->kept);
            tls->kept = NULL;
        }
    }
    return STATUS_OK;
}

static enum status tls_stream_send(struct tls_stream *tls, struct failure *why)
{
    const uint8_t *at = worker_scratch(tls->worker, TLS_STREAM_SCRATCH_OUT);
    size_t left = tls->out_len;
    enum status status = STATUS_OK;

    tls->out_len = 0;
    if (tls->kept == NULL) {
        while (left > 0 && status == STATUS_OK) {
            size_t sent = 0;

            status = stream_write(tls->lower, bytes_make(at, left), &sent, why);
            if (status == STATUS_OK) {
                at += sent;
                left -= sent;
            }
        }
    } else {
        status = STATUS_WAIT;
    }
    if (left > 0 && status == STATUS_WAIT) {
        /* Behind what is kept already: at most an alert or a KeyUpdate is added to a full chunk. */
        size_t before = tls->kept == NULL ? 0 : tls->kept_len - tls->kept_used;
        uint8_t *all = memory_make(before + left);

        if (before > 0) {
            memcpy(all, tls->kept + tls->kept_used, before);
        }
        memcpy(all + before, at, left);
        free(tls->kept);
        tls->kept = all;
        tls->kept_len = before + left;
        tls->kept_used = 0;
        return STATUS_OK;
    }
    return status;
}

static void tls_stream_watch(struct tls_stream *tls)
{
    unsigned wanted = tls->wanted;

    if (tls->kept != NULL) {
        wanted |= STREAM_WRITABLE;
    }
    stream_interest(tls->lower, wanted);
}

/*
 * Before each call of the library: empty scratch, one read of `room` bytes. The library clears its error
 * queue itself at each of the calls that follow.
 */
static void tls_stream_begin(struct tls_stream *tls, size_t room)
{
    tls->in_used = 0;
    tls->in_len = 0;
    tls->in_room = room;
    tls->in_said = STATUS_WAIT;
    tls->out_len = 0;
    tls->io.reason = NULL;
}

/* Why the library stopped, when it was not for want of bytes. */
static enum status tls_stream_broken(struct tls_stream *tls, int answer, struct failure *why)
{
    int error = SSL_get_error(tls->ssl, answer);

    if (error == SSL_ERROR_ZERO_RETURN) {
        return STATUS_CLOSED;
    }
    if (tls->verdict.reason != NULL) {
        if (why != NULL) {
            *why = tls->verdict;
        }
        return reason_status_of_verify(tls->verdict.reason);
    }
    if (error == SSL_ERROR_SYSCALL && tls->in_said == STATUS_CLOSED) {
        return fail(why, STATUS_PROTOCOL, tls->done ? "tls/truncated" : "tls/closed-early",
                    tls->done ? "the peer's connection ended without close_notify"
                              : "the peer ended the connection within the handshake");
    }
    if (error == SSL_ERROR_SYSCALL && tls->io.reason != NULL) {
        if (why != NULL) {
            *why = tls->io;
        }
        return STATUS_IO;
    }
    return reason_of_library(ERR_peek_error(), why);
}

enum status tls_stream_handshake(struct stream *stream, struct failure *why)
{
    struct tls_stream *tls = tls_stream_of(stream);
    struct failure unsent = {0};
    enum status status;
    int answer;

    status = tls_stream_flush(tls, why);
    if (status == STATUS_WAIT) {
        tls->wanted = 0;
        tls_stream_watch(tls);
        return STATUS_WAIT;
    }
    TRY(status);
    tls_stream_begin(tls, WORKER_SCRATCH_SIZE);
    answer = SSL_do_handshake(tls->ssl);
    if (answer == 1) {
        tls->done = true;
        tls->slot = NULL;
        tls->expected_id = NULL;
        if (tls->in_used < tls->in_len) {
            /* Application bytes came right behind the handshake: they are read again later. */
            const uint8_t *in = worker_scratch(tls->worker, TLS_STREAM_SCRATCH_IN);

            stream_unread(tls->lower, bytes_make(in + tls->in_used, tls->in_len - tls->in_used));
        }
        status = tls_stream_send(tls, why);
        if (tls->kept != NULL) {
            tls_stream_watch(tls);
        }
        return status;
    }
    if (SSL_get_error(tls->ssl, answer) == SSL_ERROR_WANT_READ) {
        TRY(tls_stream_send(tls, why));
        tls->wanted = STREAM_READABLE;
        tls_stream_watch(tls);
        return STATUS_WAIT;
    }
    status = tls_stream_broken(tls, answer, why);
    (void)tls_stream_send(tls, &unsent); /* the alert */
    return status == STATUS_CLOSED
               ? fail(why, STATUS_PROTOCOL, "tls/closed-early",
                      "the peer closed within the handshake")
               : status;
}

static enum status tls_stream_read(struct stream *stream, uint8_t *into, size_t room,
                                   size_t *out_len, struct failure *why)
{
    struct tls_stream *tls = tls_stream_of(stream);
    size_t got = 0;
    bool drained = false;
    int answer = 1;

    assert(room >= STREAM_ROOM_MIN);
    /* Plaintext is never longer than its ciphertext, so all that is read fits, and nothing stays in. */
    tls_stream_begin(tls, room - TLS_STREAM_RECORD_MAX < WORKER_SCRATCH_SIZE
                              ? room - TLS_STREAM_RECORD_MAX
                              : WORKER_SCRATCH_SIZE);
    while (got < room) {
        answer = SSL_read(tls->ssl, into + got, (int)(room - got));
        if (answer <= 0) {
            break;
        }
        got += (size_t)answer;
        if (tls->in_used == tls->in_len && tls->in_room == 0 && SSL_pending(tls->ssl) == 0) {
            /* All that was read from below is used up: asking again would only say so. */
            drained = true;
            break;
        }
    }
    if (tls->out_len > 0) { /* an answer to a KeyUpdate */
        TRY(tls_stream_send(tls, why));
    }
    stream->holds = tls->lower->holds;
    if (got > 0) {
        /*
         * An end or an error behind the bytes shows again at the next read: the library keeps it. What
         * it was made of has left the socket, so no event would tell of it.
         */
        stream->holds =
            stream->holds ||
            (!drained && SSL_get_error(tls->ssl, answer) != SSL_ERROR_WANT_READ);
        *out_len = got;
        tls->in_len = tls->in_used = 0;
        return STATUS_OK;
    }
    if (SSL_get_error(tls->ssl, answer) == SSL_ERROR_WANT_READ) {
        return STATUS_WAIT;
    }
    return tls_stream_broken(tls, answer, why);
}

static enum status tls_stream_write(struct stream *stream, struct bytes from, size_t *out_len,
                                    struct failure *why)
{
    struct tls_stream *tls = tls_stream_of(stream);
    int answer;

    TRY(tls_stream_flush(tls, why));
    tls_stream_begin(tls, 0);
    /* Sealed, it must fit into scratch memory. */
    answer = SSL_write(tls->ssl, from.at,
                       (int)(from.len < TLS_STREAM_WRITE_MAX ? from.len : TLS_STREAM_WRITE_MAX));
    if (answer <= 0) {
        return tls_stream_broken(tls, answer, why);
    }
    TRY(tls_stream_send(tls, why));
    if (tls->kept != NULL) {
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
        tls_stream_begin(tls, 0);
        (void)SSL_shutdown(tls->ssl);
        tls->ended = true;
        TRY(tls_stream_send(tls, why));
        TRY(tls_stream_flush(tls, why));
    }
    return stream_shutdown(tls->lower, why);
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

    if ((events & STREAM_WRITABLE) != 0 && tls->kept != NULL && tls->done) {
        struct failure ignored = {0};
        enum status status = tls_stream_flush(tls, &ignored);

        if (status == STATUS_WAIT) {
            events &= ~(unsigned)STREAM_WRITABLE;
        } else if (status == STATUS_OK) {
            tls_stream_watch(tls);
            events &= tls->wanted;
        } /* a failure: the owner meets it at its next read or write */
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
    free(tls->kept);
    free(tls);
}

static void tls_stream_close(struct stream *stream, bool reset)
{
    struct tls_stream *tls = tls_stream_of(stream);

    stream_close(&tls->lower, reset);
    tls_stream_free(tls);
}

static const struct stream_ops tls_stream_ops = {
    .read = tls_stream_read,
    .write = tls_stream_write,
    .shutdown = tls_stream_shutdown,
    .interest = tls_stream_interest,
    .unread = tls_stream_unread,
    .close = tls_stream_close,
};

struct stream *tls_stream_start(struct worker *worker, const struct tls_slot *slot,
                                enum tls_role role, struct stream *lower, const char *expected_id)
{
    struct tls_context *context = slot->current;
    struct tls_stream *tls = memory_make(sizeof *tls);
    BIO *bio;

    (void)pthread_once(&tls_stream_once, tls_stream_prepare);
    tls->stream.ops = &tls_stream_ops;
    tls->worker = worker;
    tls->lower = lower;
    tls->context = tls_context_ref(context);
    tls->slot = slot;
    tls->expected_id = expected_id;
    tls->ssl =
        SSL_new(role == TLS_SERVER ? tls_context_server(context) : tls_context_client(context));
    bio = BIO_new(tls_stream_bio_method);
    if (tls->ssl == NULL || bio == NULL ||
        SSL_set_ex_data(tls->ssl, tls_stream_ssl_index, tls) != 1) {
        abort(); /* small fixed objects */
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_shed_handshake_config(tls->ssl, 1);
    if (role == TLS_SERVER) {
        SSL_set_accept_state(tls->ssl);
    } else {
        SSL_set_connect_state(tls->ssl);
    }
    stream_own(lower, tls_stream_ready, tls);
    return &tls->stream;
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

    tls_stream_begin(tls, 0);
    (void)SSL_send_fatal_alert(tls->ssl, (uint8_t)alert);
    (void)tls_stream_send(tls, &unsent);
}

struct stream *tls_stream_unwrap(struct stream **stream)
{
    struct tls_stream *tls = tls_stream_of(TAKE(*stream));
    struct stream *lower = TAKE(tls->lower);

    tls_stream_free(tls);
    return lower;
}
