/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/svid.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/runtime/base/memory.h"
#include "core/trust/identity/pem.h"

enum { SVID_PEM_MAX = 2 * SVID_CHAIN_MAX };

struct svid {
    atomic_uint refs;
    size_t num_certs;
    struct certificate certs[SVID_CERTS_MAX]; /* slices of chain_der */
    struct buffer chain_der;                  /* owned */
    struct buffer chain_pem;                  /* owned */
    struct key *key;                          /* a reference; NULL for a peer's */
    int64_t expires_at;                       /* Unix s */
    struct spiffe_id id;
    char serial_hex[CERTIFICATE_SERIAL_HEX];
    char issuer_hex[CERTIFICATE_KEY_ID_HEX];
};

/* Cuts the chain and takes each certificate apart. */
static enum status svid_read_chain(struct svid *svid, struct failure *why)
{
    struct bytes rest = buffer_bytes(&svid->chain_der);

    while (rest.len > 0) {
        struct certificate *next = &svid->certs[svid->num_certs];
        struct failure inner = {0};
        struct bytes der;

        if (svid->num_certs == SVID_CERTS_MAX) {
            return fail(why, STATUS_LIMIT, "svid/too-long", "a chain has at most %d certificates",
                        SVID_CERTS_MAX);
        }
        if (!certificate_next(&rest, &der) || certificate_parse(der, next, &inner) != STATUS_OK) {
            return fail(why, STATUS_PROTOCOL, "svid/der", "certificate %zu of the chain: %s",
                        svid->num_certs + 1,
                        inner.reason == NULL ? "not a whole DER element" : inner.detail);
        }
        if (svid->num_certs == 0 || next->not_after < svid->expires_at) {
            svid->expires_at = next->not_after;
        }
        svid->num_certs++;
    }
    return STATUS_OK;
}

static enum status svid_check_leaf(struct svid *svid, struct failure *why)
{
    const struct certificate *leaf = &svid->certs[0];
    struct failure inner = {0};

    if (leaf->num_uris != 1) {
        return fail(why, STATUS_PROTOCOL, "svid/uri-san-count",
                    "the leaf has %u URI names; a SVID has one", leaf->num_uris);
    }
    if (spiffe_id_parse(leaf->uri, &svid->id, &inner) != STATUS_OK) {
        return fail(why, STATUS_PROTOCOL, "svid/leaf-id", "the leaf's URI: %s (%s)", inner.detail,
                    inner.reason);
    }
    if (spiffe_id_path(&svid->id).len == 0) {
        return fail(why, STATUS_PROTOCOL, "svid/leaf-id",
                    "the leaf's SPIFFE ID has no path: it names a trust domain, not a workload");
    }
    if (leaf->is_ca) {
        return fail(why, STATUS_PROTOCOL, "svid/leaf-is-ca", "the leaf has the CA flag");
    }
    if (!leaf->has_key_usage || !leaf->key_usage_critical ||
        (leaf->key_usage & CERTIFICATE_DIGITAL_SIGNATURE) == 0 ||
        (leaf->key_usage & (CERTIFICATE_KEY_CERT_SIGN | CERTIFICATE_CRL_SIGN)) != 0) {
        return fail(why, STATUS_PROTOCOL, "svid/key-usage",
                    "the leaf's keyUsage must be critical, with digitalSignature and without "
                    "keyCertSign and cRLSign");
    }
    return STATUS_OK;
}

static enum status svid_check(struct svid *svid, struct failure *why)
{
    TRY(svid_read_chain(svid, why));
    TRY(svid_check_leaf(svid, why));
    for (size_t i = 1; i < svid->num_certs; i++) {
        if (!svid->certs[i].has_key_usage || !certificate_may_sign(&svid->certs[i])) {
            return fail(why, STATUS_PROTOCOL, "svid/chain",
                        "certificate %zu of the chain may not sign certificates", i + 1);
        }
    }
    if (svid->key != NULL && !bytes_equal(key_public_spki(svid->key), svid->certs[0].spki)) {
        return fail(why, STATUS_PROTOCOL, "svid/key-mismatch",
                    "the private key is not that of the leaf");
    }
    return STATUS_OK;
}

static enum status svid_write_pem(struct svid *svid)
{
    for (size_t i = 0; i < svid->num_certs; i++) {
        TRY(pem_add(&svid->chain_pem, "CERTIFICATE", svid->certs[i].der));
    }
    return STATUS_OK;
}

enum status svid_parse(struct bytes chain_der, struct key *key, struct svid **out_svid,
                       struct failure *why)
{
    OWNED(svid) *svid = NULL;

    if (chain_der.len == 0) {
        return fail(why, STATUS_PROTOCOL, "svid/empty", "there is no certificate");
    }
    if (chain_der.len > SVID_CHAIN_MAX) {
        return fail(why, STATUS_LIMIT, "svid/too-long", "%zu bytes; a chain has at most %d",
                    chain_der.len, SVID_CHAIN_MAX);
    }
    svid = memory_make(sizeof *svid);
    atomic_init(&svid->refs, 1);
    buffer_init(&svid->chain_der, chain_der.len);
    buffer_init(&svid->chain_pem, SVID_PEM_MAX);
    svid->key = key == NULL ? NULL : key_ref(key);
    TRY(buffer_add(&svid->chain_der, chain_der));
    TRY(svid_check(svid, why));
    if (svid_write_pem(svid) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "svid/too-long", "the chain is too long in PEM");
    }
    certificate_serial_hex(&svid->certs[0], svid->serial_hex);
    certificate_issuer_hex(&svid->certs[0], svid->issuer_hex);
    *out_svid = TAKE(svid);
    return STATUS_OK;
}

enum status svid_parse_pem(struct bytes chain_pem, struct bytes key_pem, struct svid **out_svid,
                           struct failure *why)
{
    CLEARED(buffer) chain_der;
    OWNED(key) *key = NULL;
    struct failure inner = {0};

    buffer_init(&chain_der, SVID_CHAIN_MAX);
    if (chain_pem.len > SVID_PEM_MAX) {
        return fail(why, STATUS_LIMIT, "svid/too-long", "%zu bytes of PEM; at most %d are read",
                    chain_pem.len, SVID_PEM_MAX);
    }
    switch (pem_certificates(chain_pem, &chain_der, &inner)) {
    case STATUS_OK:
        break;
    case STATUS_LIMIT:
        return fail(why, STATUS_LIMIT, "svid/too-long", "%s", inner.detail);
    default:
        return fail(why, STATUS_PROTOCOL, "svid/pem", "the chain: %s", inner.detail);
    }
    if (key_pem.len > 0) {
        TRY(key_parse(key_pem, &key, why));
    }
    return svid_parse(buffer_bytes(&chain_der), key, out_svid, why);
}

struct svid *svid_ref(struct svid *svid)
{
    atomic_fetch_add_explicit(&svid->refs, 1, memory_order_relaxed);
    return svid;
}

void svid_drop(struct svid **svid)
{
    struct svid *gone = TAKE(*svid);

    if (gone != NULL && atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) == 1) {
        buffer_clear(&gone->chain_der);
        buffer_clear(&gone->chain_pem);
        key_drop(&gone->key);
        free(gone);
    }
}

const struct spiffe_id *svid_id(const struct svid *svid)
{
    return &svid->id;
}

int64_t svid_expires_at(const struct svid *svid)
{
    return svid->expires_at;
}

int64_t svid_starts_at(const struct svid *svid)
{
    return svid->certs[0].not_before;
}

const char *svid_serial_hex(const struct svid *svid)
{
    return svid->serial_hex;
}

const char *svid_issuer_hex(const struct svid *svid)
{
    return svid->issuer_hex;
}

size_t svid_num_certs(const struct svid *svid)
{
    return svid->num_certs;
}

struct bytes svid_cert_der(const struct svid *svid, size_t index)
{
    return svid->certs[index].der;
}

struct bytes svid_leaf_der(const struct svid *svid)
{
    return svid->certs[0].der;
}

const struct certificate *svid_certificate(const struct svid *svid, size_t index)
{
    return &svid->certs[index];
}

struct bytes svid_chain_der(const struct svid *svid)
{
    return buffer_bytes(&svid->chain_der);
}

struct bytes svid_chain_pem(const struct svid *svid)
{
    return buffer_bytes(&svid->chain_pem);
}

struct key *svid_key(const struct svid *svid)
{
    return svid->key;
}
