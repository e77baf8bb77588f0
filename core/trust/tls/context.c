/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/tls/context.h"

#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/runtime/base/memory.h"
#include "core/trust/tls/tls_stream.h"

struct tls_context {
    atomic_uint references;
    struct identity_set *identities; /* reference */
    CRYPTO_BUFFER_POOL *pool;        /* equal certificates of many peers are kept once */
    SSL_CTX *server;
    SSL_CTX *client;
    uint32_t records_per_key;
};

struct tls_context *tls_context_ref(struct tls_context *context)
{
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void tls_context_drop(struct tls_context **context)
{
    struct tls_context *gone = TAKE(*context);

    if (gone != NULL &&
        atomic_fetch_sub_explicit(&gone->references, 1, memory_order_acq_rel) == 1) {
        SSL_CTX_free(gone->server);
        SSL_CTX_free(gone->client);
        CRYPTO_BUFFER_POOL_free(gone->pool);
        identity_set_drop(&gone->identities);
        free(gone);
    }
}

struct identity_set *tls_context_identities(const struct tls_context *context)
{
    return context->identities;
}

uint32_t tls_context_records_per_key(const struct tls_context *context)
{
    return context->records_per_key;
}

struct ssl_ctx_st *tls_context_server(const struct tls_context *context)
{
    return context->server;
}

struct ssl_ctx_st *tls_context_client(const struct tls_context *context)
{
    return context->client;
}

static bool tls_context_set_chain(SSL_CTX *on, CRYPTO_BUFFER_POOL *pool, const struct svid *svid)
{
    CRYPTO_BUFFER *chain[SVID_CERTS_MAX];
    size_t count = svid_num_certs(svid);
    bool made = true;

    for (size_t i = 0; i < count; i++) {
        struct bytes der = svid_cert_der(svid, i);

        chain[i] = CRYPTO_BUFFER_new(der.at, der.len, pool);
        made = made && chain[i] != NULL;
    }
    made = made && SSL_CTX_set_chain_and_key(on, chain, count, key_evp(svid_key(svid)), NULL) == 1;
    for (size_t i = 0; i < count; i++) {
        CRYPTO_BUFFER_free(chain[i]);
    }
    return made;
}

static SSL_CTX *tls_context_build(struct tls_context *context, const struct posture *posture,
                                  bool as_server, struct failure *why)
{
    SSL_CTX *made = SSL_CTX_new(TLS_with_buffers_method());

    if (made == NULL) {
        (void)fail(why, STATUS_IO, "tls/context", "the TLS library gives no context");
        return NULL;
    }
    SSL_CTX_set0_buffer_pool(made, context->pool);
    tls_stream_install(made);
    if (posture_apply(posture, made, as_server, why) == STATUS_OK) {
        if (tls_context_set_chain(made, context->pool, identity_set_svid(context->identities))) {
            return made;
        }
        ERR_clear_error();
        (void)fail(why, STATUS_IO, "tls/context", "the TLS library refuses the chain or its key");
    }
    SSL_CTX_free(made);
    return NULL;
}

enum status tls_context_make(struct identity_set *set, const struct posture *posture,
                             struct tls_context **out_context, struct failure *why)
{
    OWNED(tls_context) *context = memory_make(sizeof *context);

    atomic_init(&context->references, 1);
    context->identities = identity_set_ref(set);
    context->records_per_key = posture->records_per_key;
    context->pool = CRYPTO_BUFFER_POOL_new();
    context->server = tls_context_build(context, posture, true, why);
    context->client =
        context->server == NULL ? NULL : tls_context_build(context, posture, false, why);
    if (context->client == NULL) {
        return STATUS_IO;
    }
    *out_context = TAKE(context);
    return STATUS_OK;
}
