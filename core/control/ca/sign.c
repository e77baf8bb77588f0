/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/ca/sign.h"

#include <openssl/posix_time.h>
#include <stdio.h>
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/trust/identity/der.h"

enum { SIGN_TIME_MAX = 24, SIGN_GENERALIZED_FROM_YEAR = 150 /* since 1900 */ };

/* What a certificate says, whoever it is for. Made only by sign_leaf and sign_authority. */
struct sign_blanks {
    struct bytes issuer_name;
    struct bytes authority_key_id;
    struct bytes uri;
    struct bytes spki_der;
    const uint8_t *serial; /* SERIAL_LEN bytes, as drawn */
    enum signature_algorithm algorithm;
    int64_t not_before, not_after;
    const struct sign_authority_order *authority; /* NULL: a leaf */
};

/* Object identifiers and constant extension values, DER. */
static const uint8_t sign_oid_organization[] = {6, 3, 0x55, 4, 10};
static const uint8_t sign_oid_common_name[] = {6, 3, 0x55, 4, 3};
static const uint8_t sign_oid_serial_number[] = {6, 3, 0x55, 4, 5};
static const uint8_t sign_digital_signature[] = {3, 2, 7, 0x80};
static const uint8_t sign_cert_and_crl_sign[] = {3, 2, 1, 0x06};
static const uint8_t sign_server_and_client[] = {0x30, 20, 6, 8,    0x2b, 6, 1, 5, 5, 7, 3,
                                                 1,    6,  8, 0x2b, 6,    1, 5, 5, 7, 3, 2};
static const uint8_t sign_not_a_ca[] = {0x30, 0};

enum { /* 2.5.29.N */
       SIGN_SUBJECT_KEY_ID = 14,
       SIGN_KEY_USAGE = 15,
       SIGN_ALTERNATIVE_NAMES = 17,
       SIGN_BASIC_CONSTRAINTS = 19,
       SIGN_NAME_CONSTRAINTS = 30,
       SIGN_AUTHORITY_KEY_ID = 35,
       SIGN_EXTENDED_USAGE = 37,
};

/* A positive INTEGER of one length for all: the first bit is 0, the second 1. */
static bool sign_add_serial(CBB *to, const uint8_t serial[SERIAL_LEN])
{
    CBB number;

    return CBB_add_asn1(to, &number, CBS_ASN1_INTEGER) &&
           CBB_add_u8(&number, (uint8_t)((serial[0] & 0x3f) | 0x40)) &&
           CBB_add_bytes(&number, serial + 1, SERIAL_LEN - 1) && CBB_flush(to);
}

static void sign_serial_hex(const uint8_t serial[SERIAL_LEN],
                            char out[2 * SERIAL_LEN + 1])
{
    uint8_t shown[SERIAL_LEN];

    memcpy(shown, serial, sizeof shown);
    shown[0] = (uint8_t)((shown[0] & 0x3f) | 0x40);
    bytes_to_hex(bytes_make(shown, sizeof shown), out);
}

/* RFC 5280 4.1.2.5: two digits of the year until 2049, four from then on. */
static bool sign_add_time(CBB *to, int64_t at)
{
    char text[SIGN_TIME_MAX];
    struct tm tm;
    bool four_digits;
    CBB time;

    if (!OPENSSL_posix_to_tm(at, &tm) || tm.tm_year < 50 || tm.tm_year > 8099 ||
        strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &tm) == 0) {
        return false;
    }
    four_digits = tm.tm_year >= SIGN_GENERALIZED_FROM_YEAR;
    return CBB_add_asn1(to, &time, four_digits ? CBS_ASN1_GENERALIZEDTIME : CBS_ASN1_UTCTIME) &&
           der_add(&time, bytes_skip(bytes_of(text), four_digits ? 0 : 2)) && CBB_flush(to);
}

static bool sign_add_attribute(CBB *name, const uint8_t *oid, size_t oid_len, CBS_ASN1_TAG kind,
                               const char *text)
{
    CBB set;
    CBB pair;
    CBB value;

    return CBB_add_asn1(name, &set, CBS_ASN1_SET) && CBB_add_asn1(&set, &pair, CBS_ASN1_SEQUENCE) &&
           CBB_add_bytes(&pair, oid, oid_len) && CBB_add_asn1(&pair, &value, kind) &&
           der_add(&value, bytes_of(text)) && CBB_flush(name);
}

/*
 * A leaf has no name but its URI; an authority's name carries its serial number, so that no two are
 * alike.
 */
static bool sign_add_subject(CBB *to, const struct sign_blanks *blanks)
{
    char serial[2 * SERIAL_LEN + 1];
    CBB name;

    if (!CBB_add_asn1(to, &name, CBS_ASN1_SEQUENCE)) {
        return false;
    }
    if (blanks->authority == NULL) {
        return CBB_flush(to) == 1;
    }
    sign_serial_hex(blanks->serial, serial);
    return sign_add_attribute(&name, sign_oid_organization, sizeof sign_oid_organization,
                              CBS_ASN1_UTF8STRING, "Signet") &&
           sign_add_attribute(&name, sign_oid_common_name, sizeof sign_oid_common_name,
                              CBS_ASN1_UTF8STRING, blanks->authority->common_name) &&
           sign_add_attribute(&name, sign_oid_serial_number, sizeof sign_oid_serial_number,
                              CBS_ASN1_PRINTABLESTRING, serial) &&
           CBB_flush(to);
}

static bool sign_add_extension(CBB *list, uint8_t number, bool critical, struct bytes value)
{
    const uint8_t oid[] = {6, 3, 0x55, 0x1d, number};
    CBB extension;

    return CBB_add_asn1(list, &extension, CBS_ASN1_SEQUENCE) &&
           CBB_add_bytes(&extension, oid, sizeof oid) &&
           (!critical || CBB_add_asn1_bool(&extension, 1)) &&
           CBB_add_asn1_octet_string(&extension, value.at, value.len) && CBB_flush(list);
}

/* Room for the value of an extension that is not constant. */
struct sign_value {
    uint8_t at[SPIFFE_ID_MAX + 32];
    CBB cbb;
};

static bool sign_value_open(struct sign_value *value, CBB *out_sequence)
{
    return CBB_init_fixed(&value->cbb, value->at, sizeof value->at) &&
           CBB_add_asn1(&value->cbb, out_sequence, CBS_ASN1_SEQUENCE);
}

static bool sign_value_close(struct sign_value *value, CBB *list, uint8_t number, bool critical)
{
    return CBB_flush(&value->cbb) &&
           sign_add_extension(list, number, critical,
                              bytes_make(CBB_data(&value->cbb), CBB_len(&value->cbb)));
}

static bool sign_add_uri(CBB *list, struct bytes uri, bool critical)
{
    struct sign_value value;
    CBB names;
    CBB name;

    return sign_value_open(&value, &names) &&
           CBB_add_asn1(&names, &name, CBS_ASN1_CONTEXT_SPECIFIC | 6) && der_add(&name, uri) &&
           sign_value_close(&value, list, SIGN_ALTERNATIVE_NAMES, critical);
}

static bool sign_add_key_ids(CBB *list, const struct sign_blanks *blanks)
{
    uint8_t own[2 + PUBLIC_KEY_ID_LEN] = {CBS_ASN1_OCTETSTRING, PUBLIC_KEY_ID_LEN};
    struct sign_value value;
    CBB ids;
    CBB id;

    return public_key_id(blanks->spki_der, own + 2) &&
           sign_add_extension(list, SIGN_SUBJECT_KEY_ID, false, bytes_make(own, sizeof own)) &&
           sign_value_open(&value, &ids) &&
           CBB_add_asn1(&ids, &id, CBS_ASN1_CONTEXT_SPECIFIC | 0) &&
           der_add(&id, blanks->authority_key_id) &&
           sign_value_close(&value, list, SIGN_AUTHORITY_KEY_ID, false);
}

static bool sign_add_ca_constraints(CBB *list, const struct sign_authority_order *order)
{
    struct sign_value value;
    CBB basic;
    CBB constraints;
    CBB trees;
    CBB tree;
    CBB base;

    if (!sign_value_open(&value, &basic) || !CBB_add_asn1_bool(&basic, 1) ||
        (order->path_len >= 0 && !CBB_add_asn1_uint64(&basic, (uint64_t)order->path_len)) ||
        !sign_value_close(&value, list, SIGN_BASIC_CONSTRAINTS, true)) {
        return false;
    }
    if (!order->constrain_names) {
        return true;
    }
    return sign_value_open(&value, &constraints) &&
           CBB_add_asn1(&constraints, &trees,
                        CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) &&
           CBB_add_asn1(&trees, &tree, CBS_ASN1_SEQUENCE) &&
           CBB_add_asn1(&tree, &base, CBS_ASN1_CONTEXT_SPECIFIC | 6) &&
           der_add(&base, spiffe_id_trust_domain(order->domain_id)) &&
           sign_value_close(&value, list, SIGN_NAME_CONSTRAINTS, true);
}

static bool sign_add_extensions(CBB *tbs, const struct sign_blanks *blanks)
{
    const bool leaf = blanks->authority == NULL;
    struct bytes usage = leaf ? bytes_make(sign_digital_signature, sizeof sign_digital_signature)
                              : bytes_make(sign_cert_and_crl_sign, sizeof sign_cert_and_crl_sign);
    CBB wrapped;
    CBB list;

    if (!CBB_add_asn1(tbs, &wrapped, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 3) ||
        !CBB_add_asn1(&wrapped, &list, CBS_ASN1_SEQUENCE) ||
        !sign_add_extension(&list, SIGN_KEY_USAGE, true, usage)) {
        return false;
    }
    if (leaf) {
        if (!sign_add_extension(
                &list, SIGN_EXTENDED_USAGE, false,
                bytes_make(sign_server_and_client, sizeof sign_server_and_client)) ||
            !sign_add_extension(&list, SIGN_BASIC_CONSTRAINTS, true,
                                bytes_make(sign_not_a_ca, sizeof sign_not_a_ca))) {
            return false;
        }
    } else if (!sign_add_ca_constraints(&list, blanks->authority)) {
        return false;
    }
    return sign_add_key_ids(&list, blanks) && sign_add_uri(&list, blanks->uri, leaf) &&
           CBB_flush(tbs);
}

static bool sign_add_tbs(CBB *to, const struct sign_blanks *blanks)
{
    CBB tbs;
    CBB version;
    CBB validity;

    return CBB_add_asn1(to, &tbs, CBS_ASN1_SEQUENCE) &&
           CBB_add_asn1(&tbs, &version, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) &&
           CBB_add_asn1_uint64(&version, 2) && sign_add_serial(&tbs, blanks->serial) &&
           signature_algorithm_add(&tbs, blanks->algorithm) && der_add(&tbs, blanks->issuer_name) &&
           CBB_add_asn1(&tbs, &validity, CBS_ASN1_SEQUENCE) &&
           sign_add_time(&validity, blanks->not_before) &&
           sign_add_time(&validity, blanks->not_after) && sign_add_subject(&tbs, blanks) &&
           der_add(&tbs, blanks->spki_der) && sign_add_extensions(&tbs, blanks) && CBB_flush(to);
}

static bool sign_add_whole(CBB *to, struct bytes tbs, enum signature_algorithm algorithm,
                           struct bytes signature)
{
    CBB whole;
    CBB bits;

    return CBB_add_asn1(to, &whole, CBS_ASN1_SEQUENCE) && der_add(&whole, tbs) &&
           signature_algorithm_add(&whole, algorithm) &&
           CBB_add_asn1(&whole, &bits, CBS_ASN1_BITSTRING) && CBB_add_u8(&bits, 0) &&
           der_add(&bits, signature) && CBB_flush(to);
}

/* Fills the template, has it signed, appends the certificate. */
static enum status sign_blanks(struct signer *signer, const struct sign_blanks *blanks,
                               struct buffer *out_der, struct failure *why)
{
    CLEARED(buffer) signature;
    uint8_t tbs[SIGN_CERTIFICATE_MAX];
    uint8_t whole[SIGN_CERTIFICATE_MAX];
    struct bytes written;
    CBB cbb;

    buffer_init(&signature, SIGNATURE_MAX);
    if (!CBB_init_fixed(&cbb, tbs, sizeof tbs) || !sign_add_tbs(&cbb, blanks)) {
        return fail(why, STATUS_CONFIG, "sign/template",
                    "the certificate cannot be written: a date out of range, or too long");
    }
    written = bytes_make(CBB_data(&cbb), CBB_len(&cbb));
    TRY(signer_sign(signer, written, &signature, why));
    if (!CBB_init_fixed(&cbb, whole, sizeof whole) ||
        !sign_add_whole(&cbb, written, blanks->algorithm, buffer_bytes(&signature))) {
        return fail(why, STATUS_CONFIG, "sign/template", "the certificate is too long");
    }
    if (buffer_add(out_der, bytes_make(CBB_data(&cbb), CBB_len(&cbb))) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "buffer/full", "no room for the certificate");
    }
    return STATUS_OK;
}

/* I11: nobody signs outside of the life of his own chain, and nothing outlives it. */
static enum status sign_dates(const struct sign_issuer *issuer, int64_t issued_at,
                              struct sign_blanks *blanks, struct failure *why)
{
    if (issued_at >= issuer->not_after) {
        return fail(why, STATUS_DENIED, "sign/issuer-expired",
                    "the authority's chain ended at %s, our clock says %s: our clock is ahead, or "
                    "the chain is old",
                    clock_utc(issuer->not_after).text, clock_utc(issued_at).text);
    }
    if (issued_at < issuer->not_before) {
        return fail(why, STATUS_DENIED, "sign/issuer-not-yet-valid",
                    "the authority's chain begins at %s, our clock says %s: our clock is behind, "
                    "or was ahead when the chain was made",
                    clock_utc(issuer->not_before).text, clock_utc(issued_at).text);
    }
    if (blanks->not_before < issuer->not_before) {
        blanks->not_before = issuer->not_before;
    }
    if (blanks->not_after > issuer->not_after - SIGN_MARGIN_S) {
        blanks->not_after = issuer->not_after - SIGN_MARGIN_S;
    }
    return STATUS_OK;
}

static enum status sign_check_life(int64_t issued_at, const struct sign_blanks *blanks,
                                   struct failure *why)
{
    if (blanks->not_after <= issued_at) {
        return fail(why, STATUS_DENIED, "sign/no-life",
                    "the certificate would end at %s, and it is %s by our clock",
                    clock_utc(blanks->not_after).text, clock_utc(issued_at).text);
    }
    return STATUS_OK;
}

enum status sign_leaf(const struct sign_issuer *issuer, const struct sign_leaf_order *order,
                      struct buffer *out_der, int64_t *out_not_after, struct failure *why)
{
    struct sign_blanks blanks = {
        .issuer_name = issuer->name,
        .authority_key_id = bytes_make(issuer->key_id, sizeof issuer->key_id),
        .uri = spiffe_id_text(order->id),
        .spki_der = order->spki_der,
        .serial = order->serial,
        .algorithm = signer_algorithm(issuer->signer),
        .not_before = order->issued_at - SIGN_BACKDATE_S,
        .not_after = order->not_after,
    };

    if (spiffe_id_path(order->id).len == 0) {
        return fail(why, STATUS_CONFIG, "sign/leaf-id",
                    "an identity without a path names a trust domain, not a workload");
    }
    TRY(public_key_check(order->spki_der, why));
    TRY(sign_dates(issuer, order->issued_at, &blanks, why));
    TRY(sign_check_life(order->issued_at, &blanks, why));
    TRY(sign_blanks(issuer->signer, &blanks, out_der, why));
    *out_not_after = blanks.not_after;
    return STATUS_OK;
}

/* A root names itself as its issuer, so its name is written first. */
static enum status sign_root(struct signer *self, struct sign_blanks *blanks,
                             struct buffer *out_der, struct failure *why)
{
    uint8_t key_id[PUBLIC_KEY_ID_LEN];
    uint8_t name[512];
    CBB cbb;

    if (!public_key_id(blanks->spki_der, key_id) || !CBB_init_fixed(&cbb, name, sizeof name) ||
        !sign_add_subject(&cbb, blanks)) {
        return fail(why, STATUS_CONFIG, "sign/template", "the root's name cannot be written");
    }
    blanks->issuer_name = bytes_make(CBB_data(&cbb), CBB_len(&cbb));
    blanks->authority_key_id = bytes_make(key_id, sizeof key_id);
    blanks->algorithm = signer_algorithm(self);
    return sign_blanks(self, blanks, out_der, why);
}

enum status sign_authority(const struct sign_issuer *issuer, struct signer *self,
                           const struct sign_authority_order *order, struct buffer *out_der,
                           struct failure *why)
{
    struct sign_blanks blanks = {
        .uri = spiffe_id_text(order->domain_id),
        .spki_der = order->spki_der,
        .serial = order->serial,
        .not_before = order->issued_at - SIGN_BACKDATE_S,
        .not_after = order->not_after,
        .authority = order,
    };

    TRY(public_key_check(order->spki_der, why));
    if (issuer == NULL) {
        TRY(sign_check_life(order->issued_at, &blanks, why));
        return sign_root(self, &blanks, out_der, why);
    }
    TRY(sign_dates(issuer, order->issued_at, &blanks, why));
    TRY(sign_check_life(order->issued_at, &blanks, why));
    blanks.issuer_name = issuer->name;
    blanks.authority_key_id = bytes_make(issuer->key_id, sizeof issuer->key_id);
    blanks.algorithm = signer_algorithm(issuer->signer);
    return sign_blanks(issuer->signer, &blanks, out_der, why);
}
