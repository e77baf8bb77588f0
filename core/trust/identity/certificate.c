/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/certificate.h"

#include <openssl/posix_time.h>
#include <string.h>

#include "core/trust/identity/certificate_extensions.h"
#include "core/trust/identity/der.h"

enum {
    CERTIFICATE_SERIAL_MAX = 21
}; /* RFC 5280 4.1.2.2 says 20; a leading zero may precede them */

static enum status certificate_refuse(struct failure *why, const char *what)
{
    return fail(why, STATUS_PROTOCOL, "certificate/der", "%s is not strict DER", what);
}

static enum status certificate_read_time(CBS *cbs, int64_t *out_time, struct failure *why)
{
    struct tm tm;
    CBS time;
    bool good = false;

    memset(&tm, 0, sizeof tm);
    if (CBS_peek_asn1_tag(cbs, CBS_ASN1_UTCTIME)) {
        good = CBS_get_asn1(cbs, &time, CBS_ASN1_UTCTIME) && CBS_parse_utc_time(&time, &tm, 0);
    } else if (CBS_peek_asn1_tag(cbs, CBS_ASN1_GENERALIZEDTIME)) {
        good = CBS_get_asn1(cbs, &time, CBS_ASN1_GENERALIZEDTIME) &&
               CBS_parse_generalized_time(&time, &tm, 0);
    }
    if (!good || !OPENSSL_tm_to_posix(&tm, out_time)) {
        return fail(why, STATUS_PROTOCOL, "certificate/time", "a date is malformed");
    }
    return STATUS_OK;
}

/* A Name is a SEQUENCE OF SET OF SEQUENCE { OID, value }. Its text is never looked at. */
static bool certificate_read_name(CBS *cbs, struct bytes *out_name, bool *out_empty)
{
    CBS whole;
    CBS name;

    if (!CBS_get_asn1_element(cbs, &whole, CBS_ASN1_SEQUENCE)) {
        return false;
    }
    *out_name = der_bytes(&whole);
    if (!CBS_get_asn1(&whole, &name, CBS_ASN1_SEQUENCE)) {
        return false;
    }
    *out_empty = CBS_len(&name) == 0;
    while (CBS_len(&name) > 0) {
        CBS part;

        if (!CBS_get_asn1(&name, &part, CBS_ASN1_SET) || CBS_len(&part) == 0) {
            return false;
        }
        while (CBS_len(&part) > 0) {
            CBS pair;
            CBS_ASN1_TAG tag;

            if (!CBS_get_asn1(&part, &pair, CBS_ASN1_SEQUENCE) ||
                !CBS_get_asn1(&pair, NULL, CBS_ASN1_OBJECT) ||
                !CBS_get_any_asn1(&pair, NULL, &tag) || CBS_len(&pair) != 0) {
                return false;
            }
        }
    }
    return true;
}

static enum status certificate_read_version_and_serial(CBS *tbs, struct certificate *out,
                                                       struct failure *why)
{
    CBS wrapped;
    CBS serial;
    uint64_t version;
    int negative;

    if (!CBS_get_asn1(tbs, &wrapped, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) ||
        !CBS_get_asn1_uint64(&wrapped, &version) || CBS_len(&wrapped) != 0 || version != 2) {
        return fail(why, STATUS_PROTOCOL, "certificate/version", "it is not of version 3");
    }
    if (!CBS_get_asn1(tbs, &serial, CBS_ASN1_INTEGER) ||
        !CBS_is_valid_asn1_integer(&serial, &negative) || negative ||
        CBS_len(&serial) > CERTIFICATE_SERIAL_MAX) {
        return fail(why, STATUS_PROTOCOL, "certificate/serial",
                    "the serial number is negative, malformed or too long");
    }
    out->serial = der_bytes(&serial);
    return STATUS_OK;
}

static enum status certificate_read_validity(CBS *tbs, struct certificate *out, struct failure *why)
{
    CBS validity;

    if (!CBS_get_asn1(tbs, &validity, CBS_ASN1_SEQUENCE)) {
        return certificate_refuse(why, "the validity");
    }
    TRY(certificate_read_time(&validity, &out->not_before, why));
    TRY(certificate_read_time(&validity, &out->not_after, why));
    return CBS_len(&validity) == 0 ? STATUS_OK : certificate_refuse(why, "the validity");
}

/* What follows the public key: unique identifiers, which nobody uses, and the extensions. */
static enum status certificate_read_rest(CBS *tbs, struct certificate *out, struct failure *why)
{
    CBS wrapped;
    CBS extensions;
    int present;

    if (!CBS_get_optional_asn1(tbs, NULL, NULL, CBS_ASN1_CONTEXT_SPECIFIC | 1) ||
        !CBS_get_optional_asn1(tbs, NULL, NULL, CBS_ASN1_CONTEXT_SPECIFIC | 2) ||
        !CBS_get_optional_asn1(tbs, &wrapped, &present,
                               CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 3) ||
        CBS_len(tbs) != 0) {
        return certificate_refuse(why, "what follows the public key");
    }
    if (!present) {
        return STATUS_OK;
    }
    if (!CBS_get_asn1(&wrapped, &extensions, CBS_ASN1_SEQUENCE) || CBS_len(&wrapped) != 0 ||
        CBS_len(&extensions) == 0) {
        return certificate_refuse(why, "the list of extensions");
    }
    return certificate_extensions_parse(der_bytes(&extensions), out, why);
}

/* `algorithm` is what stands outside of the signed part; it must be what stands inside. */
static enum status certificate_read_tbs(CBS tbs, const CBS *algorithm, struct certificate *out,
                                        struct failure *why)
{
    CBS inner_algorithm;
    CBS spki;
    bool issuer_empty;

    TRY(certificate_read_version_and_serial(&tbs, out, why));
    if (!CBS_get_asn1_element(&tbs, &inner_algorithm, CBS_ASN1_SEQUENCE) ||
        !bytes_equal(der_bytes(&inner_algorithm), der_bytes(algorithm))) {
        return certificate_refuse(why, "the signature algorithm");
    }
    if (!certificate_read_name(&tbs, &out->issuer, &issuer_empty)) {
        return certificate_refuse(why, "the issuer");
    }
    if (issuer_empty) {
        return fail(why, STATUS_PROTOCOL, "certificate/issuer", "the issuer's name is empty");
    }
    TRY(certificate_read_validity(&tbs, out, why));
    if (!certificate_read_name(&tbs, &out->subject, &out->subject_empty)) {
        return certificate_refuse(why, "the subject");
    }
    if (!CBS_get_asn1_element(&tbs, &spki, CBS_ASN1_SEQUENCE)) {
        return certificate_refuse(why, "the public key");
    }
    out->spki = der_bytes(&spki);
    return certificate_read_rest(&tbs, out, why);
}

enum status certificate_parse(struct bytes der, struct certificate *out, struct failure *why)
{
    struct certificate made = {.der = der, .path_len = -1};
    CBS all = der_cbs(der);
    CBS outer;
    CBS whole_tbs;
    CBS tbs;
    CBS algorithm;
    CBS signature;
    uint8_t unused_bits;

    if (der.len > CERTIFICATE_MAX) {
        return fail(why, STATUS_LIMIT, "certificate/too-long",
                    "%zu bytes; a certificate has at most %d", der.len, CERTIFICATE_MAX);
    }
    if (!CBS_get_asn1(&all, &outer, CBS_ASN1_SEQUENCE) || CBS_len(&all) != 0 ||
        !CBS_get_asn1_element(&outer, &whole_tbs, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1_element(&outer, &algorithm, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&outer, &signature, CBS_ASN1_BITSTRING) || CBS_len(&outer) != 0 ||
        !CBS_get_u8(&signature, &unused_bits) || unused_bits != 0) {
        return certificate_refuse(why, "the certificate");
    }
    made.tbs = der_bytes(&whole_tbs);
    made.signature = der_bytes(&signature);
    made.algorithm = signature_algorithm_parse(der_bytes(&algorithm));
    if (!CBS_get_asn1(&whole_tbs, &tbs, CBS_ASN1_SEQUENCE)) {
        return certificate_refuse(why, "the signed part");
    }
    TRY(certificate_read_tbs(tbs, &algorithm, &made, why));
    *out = made;
    return STATUS_OK;
}

bool certificate_next(struct bytes *rest, struct bytes *out_der)
{
    CBS cbs = der_cbs(*rest);
    CBS element;

    if (!CBS_get_asn1_element(&cbs, &element, CBS_ASN1_SEQUENCE)) {
        return false;
    }
    *out_der = der_bytes(&element);
    *rest = der_bytes(&cbs);
    return true;
}

void certificate_serial_hex(const struct certificate *certificate, char out[CERTIFICATE_SERIAL_HEX])
{
    struct bytes serial = certificate->serial;

    if (serial.len > 1 && serial.at[0] == 0) { /* it only keeps the number positive */
        serial = bytes_skip(serial, 1);
    }
    bytes_to_hex(serial, out);
}

void certificate_issuer_hex(const struct certificate *certificate, char out[CERTIFICATE_KEY_ID_HEX])
{
    struct bytes id = certificate->authority_key_id;

    if (id.len > (CERTIFICATE_KEY_ID_HEX - 1) / 2) {
        id.len = (CERTIFICATE_KEY_ID_HEX - 1) / 2;
    }
    bytes_to_hex(id, out);
}

bool certificate_may_sign(const struct certificate *certificate)
{
    return certificate->is_ca && (!certificate->has_key_usage ||
                                  (certificate->key_usage & CERTIFICATE_KEY_CERT_SIGN) != 0);
}
