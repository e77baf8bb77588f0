/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/tls/posture.h"

#include <openssl/ssl.h>
#include <string.h>

/* Eight certificates of a few kB fit; a longer list is refused before it is read. */
enum { POSTURE_CERT_LIST_MAX = 48 * 1024 };

/* AES-GCM is safe for 2^24.5 full records (RFC 8446 section 5.5). */
enum { POSTURE_RECORDS_PER_KEY = 1 << 23 };

static const struct posture_group {
    const char *name;
    uint16_t id;
} posture_groups[] = {
    {"X25519MLKEM768", SSL_GROUP_X25519_MLKEM768},
    {"X25519", SSL_GROUP_X25519},
    {"P-256", SSL_GROUP_SECP256R1},
    {"P-384", SSL_GROUP_SECP384R1},
};

/* Own leaves are P-256; foreign authorities may bring P-384 and RSA. */
static const uint16_t posture_signatures[] = {
    SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA256,
    SSL_SIGN_RSA_PSS_RSAE_SHA384,    SSL_SIGN_RSA_PSS_RSAE_SHA512,
};

/* Between sidecars, most wanted first. Never istio-peer-exchange: it changes what follows on the wire. */
static const char *const posture_protocols[] = {"signet", "istio"};

enum { POSTURE_PROTOCOLS = sizeof posture_protocols / sizeof posture_protocols[0] };

struct posture posture_default(void)
{
    return (struct posture){
        .groups = {SSL_GROUP_X25519_MLKEM768, SSL_GROUP_X25519, SSL_GROUP_SECP256R1},
        .num_groups = 3,
        .records_per_key = POSTURE_RECORDS_PER_KEY,
    };
}

static const struct posture_group *posture_group_named(struct bytes name)
{
    for (size_t i = 0; i < sizeof posture_groups / sizeof posture_groups[0]; i++) {
        if (bytes_equal_text(name, posture_groups[i].name)) {
            return &posture_groups[i];
        }
    }
    return NULL;
}

enum status posture_parse_groups(struct bytes text, struct posture *out_posture,
                                 struct failure *why)
{
    struct posture posture = {.records_per_key = POSTURE_RECORDS_PER_KEY};

    while (text.at != NULL) {
        struct bytes name = bytes_trim(bytes_split(&text, ','));
        const struct posture_group *group = posture_group_named(name);
        bool again = false;

        for (size_t i = 0; group != NULL && i < posture.num_groups; i++) {
            again = again || posture.groups[i] == group->id;
        }
        if (group == NULL || again || posture.num_groups == POSTURE_GROUPS_MAX) {
            return fail(why, STATUS_CONFIG, "posture/group",
                        "\"%.*s\" is not a group, or named twice; there are X25519MLKEM768, "
                        "X25519, P-256 and P-384",
                        (int)(name.len > 40 ? 40 : name.len), (const char *)name.at);
        }
        posture.groups[posture.num_groups++] = group->id;
    }
    if (posture.num_groups == 0) {
        return fail(why, STATUS_CONFIG, "posture/group", "at least one group is needed");
    }
    *out_posture = posture;
    return STATUS_OK;
}

/* Walks a ProtocolNameList. False at its end, and where it is malformed. */
static bool posture_next_protocol(struct bytes *rest, struct bytes *out_name)
{
    if (rest->len < 2 || rest->at[0] == 0 || (size_t)rest->at[0] + 1 > rest->len) {
        return false;
    }
    *out_name = bytes_make(rest->at + 1, rest->at[0]);
    *rest = bytes_skip(*rest, (size_t)rest->at[0] + 1);
    return true;
}

/* Our most wanted protocol that the peer offers; NULL when there is none. */
static const char *posture_choose(struct bytes offered)
{
    for (size_t i = 0; i < POSTURE_PROTOCOLS; i++) {
        struct bytes rest = offered;
        struct bytes name;

        while (posture_next_protocol(&rest, &name)) {
            if (bytes_equal_text(name, posture_protocols[i])) {
                return posture_protocols[i];
            }
        }
    }
    return NULL;
}

bool posture_is_mesh_alpn(struct bytes protocols)
{
    return posture_choose(protocols) != NULL;
}

/* A server on a strict port takes TLS without our ALPN too: the certificate decides, not a label. */
static int posture_select(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                          unsigned in_len, void *argument)
{
    const char *chosen = posture_choose(bytes_make(in, in_len));

    (void)ssl;
    (void)argument;
    if (chosen == NULL) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = (const uint8_t *)chosen;
    *out_len = (uint8_t)strlen(chosen);
    return SSL_TLSEXT_ERR_OK;
}

static bool posture_offer(SSL_CTX *on)
{
    uint8_t list[64];
    size_t used = 0;

    for (size_t i = 0; i < POSTURE_PROTOCOLS; i++) {
        size_t len = strlen(posture_protocols[i]);

        list[used++] = (uint8_t)len;
        memcpy(list + used, posture_protocols[i], len);
        used += len;
    }
    return SSL_CTX_set_alpn_protos(on, list, used) == 0; /* 0 is success here */
}

enum status posture_apply(const struct posture *posture, struct ssl_ctx_st *on, bool as_server,
                          struct failure *why)
{
    size_t num_signatures = sizeof posture_signatures / sizeof posture_signatures[0];

    if (SSL_CTX_set_min_proto_version(on, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(on, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set1_group_ids(on, posture->groups, posture->num_groups) != 1 ||
        SSL_CTX_set_signing_algorithm_prefs(on, posture_signatures, num_signatures) != 1 ||
        SSL_CTX_set_verify_algorithm_prefs(on, posture_signatures, num_signatures) != 1 ||
        SSL_CTX_set_num_tickets(on, 0) != 1) {
        return fail(why, STATUS_IO, "posture/apply", "the TLS library refuses the posture");
    }
    (void)SSL_CTX_set_session_cache_mode(on, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(on, SSL_OP_NO_TICKET);
    SSL_CTX_set_early_data_enabled(on, 0);
    SSL_CTX_set_max_cert_list(on, POSTURE_CERT_LIST_MAX);
    if (as_server) {
        SSL_CTX_set_alpn_select_cb(on, posture_select, NULL);
        /* The identity is taken out during verification; the chain itself need not stay in memory. */
        SSL_CTX_set_retain_only_sha256_of_client_certs(on, 1);
    } else if (!posture_offer(on)) {
        return fail(why, STATUS_IO, "posture/apply", "the TLS library refuses the protocol list");
    }
    return STATUS_OK;
}

enum status posture_print(const struct posture *posture, struct buffer *out)
{
    TRY(buffer_add_text(out, "version TLS 1.3\n"));
    for (size_t i = 0; i < posture->num_groups; i++) {
        TRY(buffer_add_format(out, "group %s\n", SSL_get_group_name(posture->groups[i])));
    }
    for (size_t i = 0; i < sizeof posture_signatures / sizeof posture_signatures[0]; i++) {
        TRY(buffer_add_format(out, "signature %s\n",
                              SSL_get_signature_algorithm_name(posture_signatures[i], 1)));
    }
    for (size_t i = 0; i < POSTURE_PROTOCOLS; i++) {
        TRY(buffer_add_format(out, "alpn %s\n", posture_protocols[i]));
    }
    return buffer_add_format(out,
                             "ciphers AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305 (TLS 1.3's own)\n"
                             "key update after %u records sealed\n"
                             "certificate list at most %d bytes\n"
                             "resumption off\nearly data off\nrenegotiation none\n"
                             "client certificate required\n",
                             posture->records_per_key, POSTURE_CERT_LIST_MAX);
}
