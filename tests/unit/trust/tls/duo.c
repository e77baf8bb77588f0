/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/trust/tls/duo.h"

#include <criterion/criterion.h>
#include <openssl/err.h>
#include <openssl/pool.h>
#include <string.h>

enum { DUO_TURNS = 200000 };

uint32_t duo_records_per_key;

static void duo_ready(void *user, unsigned events)
{
    struct duo_end *end = user;

    (void)events;
    if (end->handshaking) {
        enum status status = tls_stream_handshake(end->stream, &end->why);

        if (status == STATUS_WAIT) {
            return;
        }
        end->handshaking = false;
        end->status = status;
        end->answers++;
        stream_interest(end->stream, 0);
        if (status != STATUS_OK) {
            return;
        }
    }
    if (end->after != NULL && end->status == STATUS_OK) {
        end->after(end);
    }
}

static void duo_make(struct duo *duo, unsigned which, struct stream *lower, const char *expected_id)
{
    struct duo_end *end = &duo->ends[which];

    duo->lower[which] = lower;
    end->stream = tls_stream_start(&duo->worker, &duo->slots[which],
                                   which == 1 ? TLS_SERVER : TLS_CLIENT, lower, expected_id);
    end->handshaking = true;
    stream_own(end->stream, duo_ready, end);
    duo_ready(end, 0);
}

static void duo_init(struct duo *duo)
{
    static const char *const ids[2] = {DUO_CLIENT_ID, DUO_SERVER_ID};
    struct posture posture = posture_default();

    posture.records_per_key =
        duo_records_per_key == 0 ? posture.records_per_key : duo_records_per_key;
    *duo = (struct duo){0};
    worker_init_main(&duo->worker);
    duo->root = test_ca_root("example.org");
    for (unsigned i = 0; i < 2; i++) {
        OWNED(identity_set) *set = test_ca_identity_set(duo->root, ids[i], 1);

        cr_assert_eq(tls_context_make(set, &posture, &duo->slots[i].current, NULL), STATUS_OK);
    }
}

void duo_open(struct duo *duo, const struct memory_stream_plan *plan, const char *expected_id)
{
    struct stream *lower[2];

    duo_init(duo);
    memory_stream_pair(&duo->worker, plan, lower);
    duo_make(duo, 0, lower[0], expected_id);
    duo_make(duo, 1, lower[1], NULL);
}

void duo_open_one(struct duo *duo, enum tls_role role, struct stream **out_far)
{
    struct memory_stream_plan plan = {.room = 300000, .chunk = 300000};
    struct stream *lower[2];

    duo_init(duo);
    memory_stream_pair(&duo->worker, &plan, lower);
    *out_far = lower[1];
    duo_make(duo, role == TLS_SERVER ? 1 : 0, lower[0], NULL);
}

void duo_turn(struct duo *duo)
{
    (void)uv_run(&duo->worker.loop, UV_RUN_NOWAIT);
}

void duo_handshake(struct duo *duo)
{
    for (int i = 0; i < DUO_TURNS && (duo->ends[0].handshaking || duo->ends[1].handshaking); i++) {
        duo_turn(duo);
    }
    cr_assert(!duo->ends[0].handshaking && !duo->ends[1].handshaking, "no end of the handshake");
}

void duo_close(struct duo *duo)
{
    for (unsigned i = 0; i < 2; i++) {
        stream_close(&duo->ends[i].stream, false);
        tls_context_drop(&duo->slots[i].current);
    }
    test_ca_drop(&duo->root);
    worker_stop(&duo->worker);
    worker_run_main(&duo->worker);
    worker_clear(&duo->worker);
}

/* ---- a peer of the library alone ---- */

void duo_raw_flush(struct duo_raw *raw)
{
    uint8_t block[32768];
    int len;

    while ((len = BIO_read(raw->out, block, sizeof block)) > 0) {
        size_t sent = 0;

        (void)stream_write(raw->stream, bytes_make(block, (size_t)len), &sent, NULL);
    }
}

static void duo_raw_note(struct duo_raw *raw)
{
    uint32_t error;

    while ((error = ERR_get_error()) != 0) {
        int reason = ERR_GET_REASON(error);

        if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET && raw->alert == 0) {
            raw->alert = reason - SSL_AD_REASON_OFFSET;
        }
    }
}

static void duo_raw_go(struct duo_raw *raw)
{
    uint8_t block[32768];
    int got;

    ERR_clear_error();
    if (!raw->up) {
        raw->up = SSL_do_handshake(raw->ssl) == 1;
    }
    if (raw->up) {
        while ((got = SSL_read(raw->ssl, block, sizeof block)) > 0) {
            raw->received += (size_t)got;
        }
    }
    duo_raw_note(raw);
    duo_raw_flush(raw);
}

static void duo_raw_ready(void *user, unsigned events)
{
    struct duo_raw *raw = user;
    uint8_t *scratch = worker_scratch(&raw->duo->worker, 1);
    size_t got = 0;
    enum status status = stream_read(raw->stream, scratch, WORKER_SCRATCH_SIZE, &got, NULL);

    (void)events;
    if (status == STATUS_OK) {
        (void)BIO_write(raw->in, scratch, (int)got);
        duo_raw_go(raw);
    } else if (status != STATUS_WAIT) {
        raw->ended = true;
        stream_interest(raw->stream, 0);
    }
}

static enum ssl_verify_result_t duo_raw_trust(SSL *ssl, uint8_t *out_alert)
{
    (void)ssl;
    (void)out_alert;
    return ssl_verify_ok;
}

static int duo_raw_session(SSL *ssl, SSL_SESSION *session)
{
    struct duo_raw *raw = SSL_get_app_data(ssl);

    (void)session;
    raw->sessions++;
    return 0;
}

static void duo_raw_show(struct duo_raw *raw, const struct duo_raw_manner *manner)
{
    CRYPTO_BUFFER *shown[128];

    cr_assert_leq(manner->num_certs, 128);
    for (size_t i = 0; i < manner->num_certs; i++) {
        shown[i] = CRYPTO_BUFFER_new(manner->chain[i].at, manner->chain[i].len, NULL);
    }
    if (manner->num_certs > 0) {
        cr_assert_eq(SSL_CTX_set_chain_and_key(raw->library, shown, manner->num_certs,
                                               key_evp(test_ca_key(manner->leaf)), NULL),
                     1);
    }
    for (size_t i = 0; i < manner->num_certs; i++) {
        CRYPTO_BUFFER_free(shown[i]);
    }
}

void duo_raw_open(struct duo_raw *raw, struct duo *duo, struct stream *stream,
                  const struct duo_raw_manner *manner)
{
    *raw = (struct duo_raw){.duo = duo, .stream = stream};
    raw->library = SSL_CTX_new(TLS_with_buffers_method());
    cr_assert(SSL_CTX_set_min_proto_version(raw->library, manner->least) == 1 &&
              SSL_CTX_set_max_proto_version(raw->library, manner->most) == 1);
    SSL_CTX_set_custom_verify(raw->library,
                              manner->asks_nothing ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                              duo_raw_trust);
    (void)SSL_CTX_set_session_cache_mode(raw->library, SSL_SESS_CACHE_BOTH);
    SSL_CTX_sess_set_new_cb(raw->library, duo_raw_session);
    duo_raw_show(raw, manner);
    raw->ssl = SSL_new(raw->library);
    raw->in = BIO_new(BIO_s_mem());
    raw->out = BIO_new(BIO_s_mem());
    (void)BIO_set_mem_eof_return(raw->in, -1);
    (void)BIO_set_mem_eof_return(raw->out, -1);
    SSL_set_bio(raw->ssl, raw->in, raw->out);
    (void)SSL_set_app_data(raw->ssl, raw);
    if (manner->as_server) {
        SSL_set_accept_state(raw->ssl);
    } else {
        SSL_set_connect_state(raw->ssl);
    }
    stream_own(stream, duo_raw_ready, raw);
}

void duo_raw_begin(struct duo_raw *raw)
{
    stream_interest(raw->stream, STREAM_READABLE);
    duo_raw_go(raw);
}

void duo_raw_close(struct duo_raw *raw)
{
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->library);
    stream_close(&raw->stream, false);
}
