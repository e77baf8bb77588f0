/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/csr.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/trust/identity/der.h"

/* All that we keep of a request. */
struct csr {
    size_t spki_len;
    uint8_t spki[PUBLIC_KEY_SPKI_MAX];
};

/* CertificationRequestInfo: version 0, an empty Name, the key, no attributes. */
static bool csr_write_body(const struct key *key, CBB *to)
{
    CBB body;
    CBB name;
    CBB attributes;

    return CBB_add_asn1(to, &body, CBS_ASN1_SEQUENCE) && CBB_add_asn1_uint64(&body, 0) &&
           CBB_add_asn1(&body, &name, CBS_ASN1_SEQUENCE) && der_add(&body, key_public_spki(key)) &&
           CBB_add_asn1(&body, &attributes, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) &&
           CBB_flush(to);
}

static bool csr_write(const struct key *key, struct bytes body, struct bytes signature, CBB *to)
{
    CBB whole;
    CBB bits;

    return CBB_add_asn1(to, &whole, CBS_ASN1_SEQUENCE) && der_add(&whole, body) &&
           signature_algorithm_add(&whole, key_signature(key)) &&
           CBB_add_asn1(&whole, &bits, CBS_ASN1_BITSTRING) && CBB_add_u8(&bits, 0) &&
           der_add(&bits, signature) && CBB_flush(to);
}

enum status csr_make(const struct key *key, struct buffer *out_der, struct failure *why)
{
    CLEARED(buffer) signature;
    uint8_t body[PUBLIC_KEY_SPKI_MAX + 64];
    uint8_t whole[CSR_MAX];
    CBB body_cbb;
    CBB whole_cbb;
    struct bytes written;

    buffer_init(&signature, SIGNATURE_MAX);
    if (!CBB_init_fixed(&body_cbb, body, sizeof body) || !csr_write_body(key, &body_cbb)) {
        return fail(why, STATUS_IO, "csr/make", "the request did not fit");
    }
    written = bytes_make(CBB_data(&body_cbb), CBB_len(&body_cbb));
    TRY(key_sign(key, written, &signature, why));
    if (!CBB_init_fixed(&whole_cbb, whole, sizeof whole) ||
        !csr_write(key, written, buffer_bytes(&signature), &whole_cbb)) {
        return fail(why, STATUS_IO, "csr/make", "the request did not fit");
    }
    if (buffer_add(out_der, bytes_make(CBB_data(&whole_cbb), CBB_len(&whole_cbb))) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "buffer/full", "no room for the request");
    }
    return STATUS_OK;
}

struct csr_parts {
    struct bytes body;      /* what is signed */
    struct bytes spki;      /* within it */
    struct bytes algorithm; /* AlgorithmIdentifier */
    struct bytes signature;
};

static bool csr_cut(struct bytes der, struct csr_parts *out)
{
    CBS all = der_cbs(der);
    CBS whole;
    CBS body;
    CBS algorithm;
    CBS bits;
    uint8_t unused_bits;

    if (!CBS_get_asn1(&all, &whole, CBS_ASN1_SEQUENCE) || CBS_len(&all) != 0 ||
        !CBS_get_asn1_element(&whole, &body, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1_element(&whole, &algorithm, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&whole, &bits, CBS_ASN1_BITSTRING) || CBS_len(&whole) != 0 ||
        !CBS_get_u8(&bits, &unused_bits) || unused_bits != 0) {
        return false;
    }
    out->body = der_bytes(&body);
    out->algorithm = der_bytes(&algorithm);
    out->signature = der_bytes(&bits);
    return true;
}

/* Names and attributes are stepped over: nothing in them is ever read (I1). */
static enum status csr_cut_body(struct csr_parts *parts, struct failure *why)
{
    CBS whole = der_cbs(parts->body);
    CBS body;
    CBS spki;
    uint64_t version;

    if (!CBS_get_asn1(&whole, &body, CBS_ASN1_SEQUENCE) || !CBS_get_asn1_uint64(&body, &version)) {
        return fail(why, STATUS_PROTOCOL, "csr/der", "the request is not strict DER");
    }
    if (version != 0) {
        return fail(why, STATUS_PROTOCOL, "csr/version", "the request's version is not 0");
    }
    if (!CBS_get_asn1(&body, NULL, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1_element(&body, &spki, CBS_ASN1_SEQUENCE) ||
        !CBS_get_optional_asn1(&body, NULL, NULL,
                               CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) ||
        CBS_len(&body) != 0) {
        return fail(why, STATUS_PROTOCOL, "csr/der", "the request is not strict DER");
    }
    parts->spki = der_bytes(&spki);
    return STATUS_OK;
}

enum status csr_parse(struct bytes der, struct csr **out_csr, struct failure *why)
{
    struct csr_parts parts = {.body = {0}};
    enum signature_algorithm algorithm;
    EVP_PKEY *key;
    bool proved;
    struct csr *csr;

    if (der.len > CSR_MAX) {
        return fail(why, STATUS_LIMIT, "csr/too-long", "%zu bytes; a request has at most %d",
                    der.len, CSR_MAX);
    }
    if (!csr_cut(der, &parts)) {
        return fail(why, STATUS_PROTOCOL, "csr/der", "the request is not strict DER");
    }
    TRY(csr_cut_body(&parts, why));
    algorithm = signature_algorithm_parse(parts.algorithm);
    if (algorithm == SIGNATURE_NONE) {
        return fail(why, STATUS_PROTOCOL, "csr/algorithm",
                    "signed with an algorithm that is not accepted");
    }
    TRY(public_key_parse(parts.spki, &key, why));
    proved = public_key_verify(key, algorithm, parts.body, parts.signature);
    EVP_PKEY_free(key);
    if (!proved) {
        return fail(why, STATUS_PROTOCOL, "csr/signature",
                    "the request is not signed by the key that is in it");
    }
    csr = memory_make(sizeof *csr); /* public_key_parse saw to it that the key fits */
    memcpy(csr->spki, parts.spki.at, parts.spki.len);
    csr->spki_len = parts.spki.len;
    *out_csr = csr;
    return STATUS_OK;
}

struct bytes csr_public_key(const struct csr *csr)
{
    return bytes_make(csr->spki, csr->spki_len);
}

void csr_drop(struct csr **csr)
{
    free(TAKE(*csr));
}
