/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/rpc/credentials_tls.h"

#include "core/trust/identity/pem.h"

/* A chain in PEM, with a root added. */
enum { CREDENTIALS_PEM_MAX = 2 * SVID_CHAIN_MAX };

enum status credentials_chain_read(struct bytes leaf_pem, struct bytes rest_pem,
                                   struct credentials_chain *chain, struct failure *why)
{
    struct bytes left;
    struct bytes cert;
    enum status status = STATUS_OK;

    buffer_init(&chain->der, SVID_CHAIN_MAX);
    chain->num_certs = 0;
    if (leaf_pem.len > 0) {
        status = pem_certificates(leaf_pem, &chain->der, NULL);
    }
    if (status == STATUS_OK && rest_pem.len > 0) {
        status = pem_certificates(rest_pem, &chain->der, NULL);
    }
    if (status != STATUS_OK) {
        return fail(why, status == STATUS_LIMIT ? STATUS_LIMIT : STATUS_PROTOCOL, "rpc/peer-pem",
                    "the certificates shown cannot be read");
    }
    left = buffer_bytes(&chain->der);
    while (chain->num_certs <= VERIFY_CERTS_MAX && certificate_next(&left, &cert)) {
        if (chain->num_certs == 1 && bytes_equal(cert, chain->certs[0])) {
            continue; /* the leaf again */
        }
        chain->certs[chain->num_certs++] = cert;
    }
    return STATUS_OK;
}

void credentials_chain_clear(struct credentials_chain *chain)
{
    buffer_clear(&chain->der);
    chain->num_certs = 0;
}

void credentials_tls_posture(grpc_tls_credentials_options *options)
{
    static const grpc_tls_key_exchange_group groups[] = {
        GRPC_TLS_GROUP_X25519_MLKEM768,
        GRPC_TLS_GROUP_X25519,
        GRPC_TLS_GROUP_SECP256R1,
    };

    grpc_tls_credentials_options_set_min_tls_version(options, TLS1_3);
    grpc_tls_credentials_options_set_max_tls_version(options, TLS1_3);
    grpc_tls_credentials_options_set_key_exchange_groups(options, groups,
                                                         sizeof groups / sizeof groups[0]);
}

enum status credentials_tls_provide(grpc_tls_certificate_provider *provider,
                                    const struct svid *svid, struct bytes more_pem,
                                    struct failure *why)
{
    CLEARED(secret) key_pem = {0};
    CLEARED(buffer) chain_pem = {0};
    grpc_tls_identity_pairs *pairs;

    if (svid_key(svid) == NULL) {
        return fail(why, STATUS_CONFIG, "rpc/identity", "there is no private key");
    }
    if (key_to_pem(svid_key(svid), &key_pem, why) != STATUS_OK) {
        return fail(why, STATUS_CONFIG, "rpc/identity", "the private key cannot be written");
    }
    buffer_init(&chain_pem, CREDENTIALS_PEM_MAX);
    if (buffer_add(&chain_pem, svid_chain_pem(svid)) != STATUS_OK ||
        buffer_add(&chain_pem, more_pem) != STATUS_OK ||
        buffer_add(&chain_pem, bytes_make("", 1)) != STATUS_OK) {
        return fail(why, STATUS_CONFIG, "rpc/identity", "the chain is too long");
    }
    pairs = grpc_tls_identity_pairs_create();
    grpc_tls_identity_pairs_add_pair(pairs, (const char *)key_pem.at, (const char *)chain_pem.at);
    if (!grpc_tls_certificate_provider_in_memory_set_identity_certificate(provider, pairs)) {
        return fail(why, STATUS_CONFIG, "rpc/identity", "gRPC refused the chain or the key");
    }
    return STATUS_OK;
}
