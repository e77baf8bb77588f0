/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/bundle.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/trust/identity/pem.h"

struct bundle_root {
    struct certificate certificate; /* slices of the domain's roots_der */
    EVP_PKEY *key;                  /* owned */
    uint8_t sha256[BUNDLE_SHA256_LEN];
};

struct bundle_domain {
    char name[SPIFFE_ID_TRUST_DOMAIN_MAX + 1];
    size_t name_len;
    struct buffer roots_der; /* owned */
    struct vouched *vouched; /* owned */
    size_t num_roots;
    struct bundle_root *roots[BUNDLE_ROOTS_MAX]; /* owned */
};

struct bundle {
    atomic_uint refs;
    uint64_t sequence;
    size_t num_domains;
    struct bundle_domain *domains[BUNDLE_DOMAINS_MAX]; /* owned */
};

static bool bundle_has_root(const struct bundle_domain *domain, const uint8_t *sha256)
{
    for (size_t i = 0; i < domain->num_roots; i++) {
        if (memcmp(domain->roots[i]->sha256, sha256, BUNDLE_SHA256_LEN) == 0) {
            return true;
        }
    }
    return false;
}

static enum status bundle_read_root(struct bundle_domain *domain, struct bytes der,
                                    struct failure *why)
{
    struct bundle_root *root;
    uint8_t sha256[BUNDLE_SHA256_LEN];
    struct failure inner = {0};

    (void)SHA256(der.at, der.len, sha256);
    if (bundle_has_root(domain, sha256)) {
        return STATUS_OK;
    }
    if (domain->num_roots == BUNDLE_ROOTS_MAX) {
        return fail(why, STATUS_LIMIT, "bundle/too-many", "%s has more than %d roots", domain->name,
                    BUNDLE_ROOTS_MAX);
    }
    root = memory_make(sizeof *root); /* the domain frees it, whatever comes */
    domain->roots[domain->num_roots++] = root;
    memcpy(root->sha256, sha256, sizeof sha256);
    if (certificate_parse(der, &root->certificate, &inner) != STATUS_OK) {
        return fail(why, STATUS_PROTOCOL, "bundle/der", "root %zu of %s: %s", domain->num_roots,
                    domain->name, inner.detail);
    }
    if (!certificate_may_sign(&root->certificate) || root->certificate.unknown_critical) {
        return fail(why, STATUS_PROTOCOL, "bundle/root",
                    "root %zu of %s is not a certificate authority's that we can judge by",
                    domain->num_roots, domain->name);
    }
    return public_key_parse(root->certificate.spki, &root->key, why);
}

static enum status bundle_read_roots(struct bundle_domain *domain, struct failure *why)
{
    struct bytes rest = buffer_bytes(&domain->roots_der);

    while (rest.len > 0) {
        struct bytes der;

        if (!certificate_next(&rest, &der)) {
            return fail(why, STATUS_PROTOCOL, "bundle/der",
                        "after %zu roots of %s comes something that is not DER", domain->num_roots,
                        domain->name);
        }
        TRY(bundle_read_root(domain, der, why));
    }
    return STATUS_OK;
}

static enum status bundle_add_domain(struct bundle *bundle, const struct bundle_part *part,
                                     struct failure *why)
{
    struct spiffe_id id; /* only to have the name judged where names are judged */
    struct failure inner = {0};
    struct bundle_domain *domain;

    if (spiffe_id_of_domain(part->trust_domain, &id, &inner) != STATUS_OK) {
        return fail(why, STATUS_PROTOCOL, "bundle/trust-domain", "%s", inner.detail);
    }
    if (bundle_find(bundle, part->trust_domain) != NULL) {
        return fail(why, STATUS_PROTOCOL, "bundle/twice", "a trust domain is given twice");
    }
    if (part->roots_der.len > BUNDLE_MAX) {
        return fail(why, STATUS_LIMIT, "bundle/too-long", "%zu bytes of roots; at most %d are read",
                    part->roots_der.len, BUNDLE_MAX);
    }
    domain = memory_make(sizeof *domain);
    bundle->domains[bundle->num_domains++] = domain;
    memcpy(domain->name, part->trust_domain.at, part->trust_domain.len);
    domain->vouched = vouched_make();
    domain->name_len = part->trust_domain.len;
    buffer_init(&domain->roots_der, BUNDLE_MAX);
    TRY(buffer_add(&domain->roots_der, part->roots_der));
    return bundle_read_roots(domain, why);
}

enum status bundle_make(const struct bundle_part *parts, size_t num_parts, uint64_t sequence,
                        struct bundle **out_bundle, struct failure *why)
{
    OWNED(bundle) *bundle = NULL;

    if (num_parts > BUNDLE_DOMAINS_MAX) {
        return fail(why, STATUS_LIMIT, "bundle/too-many", "%zu trust domains; at most %d are held",
                    num_parts, BUNDLE_DOMAINS_MAX);
    }
    bundle = memory_make(sizeof *bundle);
    atomic_init(&bundle->refs, 1);
    bundle->sequence = sequence;
    for (size_t i = 0; i < num_parts; i++) {
        TRY(bundle_add_domain(bundle, &parts[i], why));
    }
    *out_bundle = TAKE(bundle);
    return STATUS_OK;
}

enum status bundle_parse_der(struct bytes trust_domain, struct bytes roots_der, uint64_t sequence,
                             struct bundle **out_bundle, struct failure *why)
{
    struct bundle_part part = {.trust_domain = trust_domain, .roots_der = roots_der};

    return bundle_make(&part, 1, sequence, out_bundle, why);
}

enum status bundle_parse_pem(struct bytes trust_domain, struct bytes pem, uint64_t sequence,
                             struct bundle **out_bundle, struct failure *why)
{
    CLEARED(buffer) roots_der;
    struct failure inner = {0};

    buffer_init(&roots_der, BUNDLE_MAX);
    if (pem.len > BUNDLE_MAX) {
        return fail(why, STATUS_LIMIT, "bundle/too-long", "%zu bytes of PEM; at most %d are read",
                    pem.len, BUNDLE_MAX);
    }
    switch (pem_certificates(pem, &roots_der, &inner)) {
    case STATUS_OK:
        return bundle_parse_der(trust_domain, buffer_bytes(&roots_der), sequence, out_bundle, why);
    case STATUS_NOT_FOUND:
        return fail(why, STATUS_PROTOCOL, "bundle/empty", "there is no certificate in it");
    default:
        return fail(why, STATUS_PROTOCOL, "bundle/pem", "%s", inner.detail);
    }
}

struct bundle *bundle_ref(struct bundle *bundle)
{
    atomic_fetch_add_explicit(&bundle->refs, 1, memory_order_relaxed);
    return bundle;
}

static void bundle_free_domain(struct bundle_domain *domain)
{
    for (size_t i = 0; i < domain->num_roots; i++) {
        EVP_PKEY_free(domain->roots[i]->key);
        free(domain->roots[i]);
    }
    vouched_drop(&domain->vouched);
    buffer_clear(&domain->roots_der);
    free(domain);
}

void bundle_drop(struct bundle **bundle)
{
    struct bundle *gone = TAKE(*bundle);

    if (gone != NULL && atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) == 1) {
        for (size_t i = 0; i < gone->num_domains; i++) {
            bundle_free_domain(gone->domains[i]);
        }
        free(gone);
    }
}

uint64_t bundle_sequence(const struct bundle *bundle)
{
    return bundle->sequence;
}

bool bundle_same_roots(const struct bundle *a, const struct bundle *b)
{
    if (a->num_domains != b->num_domains) {
        return false;
    }
    for (size_t i = 0; i < a->num_domains; i++) {
        const struct bundle_domain *here = a->domains[i];
        const struct bundle_domain *there = bundle_find(b, bundle_domain_name(here));

        if (there == NULL || there->num_roots != here->num_roots) {
            return false;
        }
        for (size_t k = 0; k < here->num_roots; k++) {
            if (!bundle_has_root(there, here->roots[k]->sha256)) {
                return false;
            }
        }
    }
    return true;
}

size_t bundle_num_domains(const struct bundle *bundle)
{
    return bundle->num_domains;
}

const struct bundle_domain *bundle_domain(const struct bundle *bundle, size_t index)
{
    return bundle->domains[index];
}

const struct bundle_domain *bundle_find(const struct bundle *bundle, struct bytes trust_domain)
{
    for (size_t i = 0; i < bundle->num_domains; i++) {
        if (bytes_equal(bundle_domain_name(bundle->domains[i]), trust_domain)) {
            return bundle->domains[i];
        }
    }
    return NULL;
}

struct bytes bundle_domain_name(const struct bundle_domain *domain)
{
    return bytes_make(domain->name, domain->name_len);
}

size_t bundle_num_roots(const struct bundle_domain *domain)
{
    return domain->num_roots;
}

const struct certificate *bundle_root(const struct bundle_domain *domain, size_t index)
{
    return &domain->roots[index]->certificate;
}

EVP_PKEY *bundle_root_key(const struct bundle_domain *domain, size_t index)
{
    return domain->roots[index]->key;
}

const uint8_t *bundle_root_sha256(const struct bundle_domain *domain, size_t index)
{
    return domain->roots[index]->sha256;
}

struct vouched *bundle_vouched(const struct bundle_domain *domain)
{
    return domain->vouched;
}

enum status bundle_pem(const struct bundle_domain *domain, struct buffer *out_pem)
{
    for (size_t i = 0; i < domain->num_roots; i++) {
        TRY(pem_add(out_pem, "CERTIFICATE", domain->roots[i]->certificate.der));
    }
    return STATUS_OK;
}

enum status bundle_der(const struct bundle_domain *domain, struct buffer *out_der)
{
    for (size_t i = 0; i < domain->num_roots; i++) {
        TRY(buffer_add(out_der, domain->roots[i]->certificate.der));
    }
    return STATUS_OK;
}
