/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's half: who we are to new handshakes, and the judge of callers.
 */
#include <grpc/credentials.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/rpc/credentials.h"
#include "core/runtime/rpc/credentials_handshake.h"
#include "core/runtime/rpc/credentials_tls.h"
#include "core/trust/identity/pem.h"

struct rpc_server_credentials {
    grpc_tls_certificate_provider *provider; /* owned; new handshakes take what it holds */
    grpc_server_credentials *raw;            /* owned */
    struct bundle *roots;                    /* reference; judges callers */
    struct credentials_handshake *handshake; /* owned; judges what is shown, when it is shown */
};

/* The root that our own chain ends in, in DER: it goes with the chain, so that a client can pin it. */
static enum status rpc_server_credentials_root(const struct svid *svid, const struct bundle *bundle,
                                               struct bytes *out_der, struct failure *why)
{
    struct bytes chain[SVID_CERTS_MAX];
    const struct bundle_domain *domain = bundle_find(bundle, spiffe_id_trust_domain(svid_id(svid)));
    struct verified_peer self;
    size_t num_certs = svid_num_certs(svid);

    for (size_t i = 0; i < num_certs; i++) {
        chain[i] = svid_cert_der(svid, i);
    }
    TRY(verify_peer(bundle, chain, num_certs, VERIFY_SERVER, clock_unix_s(), &self, why));
    for (size_t i = 0; domain != NULL && i < bundle_num_roots(domain); i++) {
        if (memcmp(bundle_root_sha256(domain, i), self.root_sha256, BUNDLE_SHA256_LEN) == 0) {
            *out_der = bundle_root(domain, i)->der;
            return STATUS_OK;
        }
    }
    return fail(why, STATUS_CONFIG, "rpc/identity", "our own root is not in the bundle");
}

enum status rpc_server_credentials_set(struct rpc_server_credentials *credentials,
                                       struct identity_set *set, struct failure *why)
{
    CLEARED(buffer) root_pem = {0};
    struct bytes root_der;
    struct failure cause = {0};

    buffer_init(&root_pem, 2 * CERTIFICATE_MAX);
    if (rpc_server_credentials_root(identity_set_svid(set), identity_set_bundle(set), &root_der,
                                    &cause) != STATUS_OK ||
        pem_add(&root_pem, "CERTIFICATE", root_der) != STATUS_OK) {
        return fail(why, STATUS_CONFIG, "rpc/identity", "our own chain does not verify: %s: %.120s",
                    cause.reason, cause.detail);
    }
    TRY(credentials_tls_provide(credentials->provider, identity_set_svid(set),
                                buffer_bytes(&root_pem), why));
    bundle_drop(&credentials->roots);
    credentials->roots = bundle_ref(identity_set_bundle(set));
    credentials_handshake_set(credentials->handshake, identity_set_svid(set), root_der);
    return STATUS_OK;
}

enum status rpc_server_credentials_make(struct identity_set *set,
                                        struct rpc_server_credentials **out_credentials,
                                        struct failure *why)
{
    struct rpc_server_credentials *credentials = memory_make(sizeof *credentials);
    grpc_tls_credentials_options *options;
    enum status status;

    credentials->provider = grpc_tls_certificate_provider_in_memory_create();
    credentials->handshake = credentials_handshake_make();
    status = rpc_server_credentials_set(credentials, set, why);
    if (status != STATUS_OK) {
        rpc_server_credentials_drop(&credentials);
        return status;
    }
    options = grpc_tls_credentials_options_create();
    credentials_tls_posture(options);
    /* Not demanded: a first contact has none. Not checked by gRPC: the judge does it for each call. */
    grpc_tls_credentials_options_set_cert_request_type(
        options, GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
    grpc_tls_credentials_options_set_identity_certificate_provider(options, credentials->provider);
    credentials->raw = grpc_tls_server_credentials_create(options); /* takes the options over */
    *out_credentials = credentials;
    return STATUS_OK;
}

void rpc_server_credentials_on_stale(struct rpc_server_credentials *credentials,
                                     struct worker *home, void (*stale)(void *user), void *user)
{
    credentials_handshake_ask(credentials->handshake, home, stale, user);
}

void rpc_server_credentials_drop(struct rpc_server_credentials **credentials)
{
    struct rpc_server_credentials *gone = TAKE(*credentials);

    if (gone == NULL) {
        return;
    }
    if (gone->raw != NULL) {
        grpc_server_credentials_release(gone->raw);
    }
    grpc_tls_certificate_provider_release(gone->provider);
    credentials_handshake_drop(&gone->handshake);
    bundle_drop(&gone->roots);
    free(gone);
}

struct grpc_server_credentials *
rpc_server_credentials_raw(const struct rpc_server_credentials *credentials)
{
    return credentials->raw;
}

static enum status rpc_server_credentials_judge_caller(void *user,
                                                       const struct rpc_presented *presented,
                                                       void **out_peer, struct failure *why)
{
    struct rpc_server_credentials *credentials = user;
    __attribute__((cleanup(credentials_chain_clear))) struct credentials_chain chain = {0};
    struct verified_peer *peer;
    enum status status;

    if (presented->leaf_pem == NULL) {
        *out_peer = NULL;
        return STATUS_OK;
    }
    TRY(credentials_chain_read(bytes_make(presented->leaf_pem, presented->leaf_pem_len),
                               bytes_make(presented->chain_pem, presented->chain_pem_len), &chain,
                               why));
    peer = memory_make(sizeof *peer);
    status = verify_peer(credentials->roots, chain.certs, chain.num_certs, VERIFY_CLIENT,
                         clock_unix_s(), peer, why);
    if (status != STATUS_OK) {
        free(peer);
        return status;
    }
    *out_peer = peer;
    return STATUS_OK;
}

struct rpc_judge rpc_server_credentials_judge(struct rpc_server_credentials *credentials)
{
    return (struct rpc_judge){
        .judge = rpc_server_credentials_judge_caller,
        .peer_drop = free,
        .user = credentials,
    };
}

const struct verified_peer *rpc_credentials_peer(const struct rpc_exchange *exchange)
{
    return rpc_exchange_peer(exchange);
}
