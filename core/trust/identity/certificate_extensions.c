/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/certificate_extensions.h"

#include "core/trust/identity/der.h"

enum { CERTIFICATE_PATH_LEN_MAX = 255, CERTIFICATE_USAGE_BITS = 9 };

/* One extension's reader; false when its value is malformed. */
typedef bool (*certificate_extension_fn)(CBS value, struct certificate *out);

static bool certificate_read_basic_constraints(CBS value, struct certificate *out)
{
    CBS basic;
    uint64_t path_len = 0;
    int is_ca = 0;
    bool has_path_len;

    if (!CBS_get_asn1(&value, &basic, CBS_ASN1_SEQUENCE) || CBS_len(&value) != 0) {
        return false;
    }
    /* FALSE is the default, and DER leaves a default out. */
    if (CBS_peek_asn1_tag(&basic, CBS_ASN1_BOOLEAN) &&
        (!CBS_get_asn1_bool(&basic, &is_ca) || !is_ca)) {
        return false;
    }
    has_path_len = CBS_len(&basic) > 0;
    if (has_path_len && (!is_ca || !CBS_get_asn1_uint64(&basic, &path_len))) {
        return false;
    }
    if (CBS_len(&basic) != 0) {
        return false;
    }
    out->is_ca = is_ca != 0;
    if (has_path_len) {
        out->path_len =
            (int16_t)(path_len > CERTIFICATE_PATH_LEN_MAX ? CERTIFICATE_PATH_LEN_MAX : path_len);
    }
    return true;
}

static bool certificate_read_key_usage(CBS value, struct certificate *out)
{
    CBS bits;

    if (!CBS_get_asn1(&value, &bits, CBS_ASN1_BITSTRING) || CBS_len(&value) != 0 ||
        !CBS_is_valid_asn1_bitstring(&bits)) {
        return false;
    }
    out->has_key_usage = true;
    for (unsigned bit = 0; bit < CERTIFICATE_USAGE_BITS; bit++) {
        if (CBS_asn1_bitstring_has_bit(&bits, bit)) {
            out->key_usage = (uint16_t)(out->key_usage | 1u << bit);
        }
    }
    return true;
}

static bool certificate_read_extended_usage(CBS value, struct certificate *out)
{
    static const uint8_t server[] = {0x2b, 6, 1, 5, 5, 7, 3, 1};
    static const uint8_t client[] = {0x2b, 6, 1, 5, 5, 7, 3, 2};
    CBS list;

    if (!CBS_get_asn1(&value, &list, CBS_ASN1_SEQUENCE) || CBS_len(&value) != 0 ||
        CBS_len(&list) == 0) {
        return false;
    }
    out->has_extended_usage = true;
    while (CBS_len(&list) > 0) {
        CBS usage;

        if (!CBS_get_asn1(&list, &usage, CBS_ASN1_OBJECT)) {
            return false;
        }
        out->for_server = out->for_server || CBS_mem_equal(&usage, server, sizeof server);
        out->for_client = out->for_client || CBS_mem_equal(&usage, client, sizeof client);
    }
    return true;
}

static bool certificate_is_name_tag(CBS_ASN1_TAG tag)
{
    switch (tag) {
    case CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0: /* otherName */
    case CBS_ASN1_CONTEXT_SPECIFIC | 1:                        /* rfc822Name */
    case CBS_ASN1_CONTEXT_SPECIFIC | 2:                        /* dNSName */
    case CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 3: /* x400Address */
    case CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 4: /* directoryName */
    case CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 5: /* ediPartyName */
    case CBS_ASN1_CONTEXT_SPECIFIC | 6:                        /* uniformResourceIdentifier */
    case CBS_ASN1_CONTEXT_SPECIFIC | 7:                        /* iPAddress */
    case CBS_ASN1_CONTEXT_SPECIFIC | 8:                        /* registeredID */
        return true;
    default:
        return false;
    }
}

static bool certificate_read_alternative_names(CBS value, struct certificate *out)
{
    struct bytes whole = der_bytes(&value);
    CBS list;

    if (!CBS_get_asn1(&value, &list, CBS_ASN1_SEQUENCE) || CBS_len(&value) != 0 ||
        CBS_len(&list) == 0) {
        return false;
    }
    while (CBS_len(&list) > 0) {
        CBS name;
        CBS_ASN1_TAG tag;

        if (!CBS_get_any_asn1(&list, &name, &tag) || !certificate_is_name_tag(tag)) {
            return false;
        }
        if (tag == (CBS_ASN1_CONTEXT_SPECIFIC | 6)) {
            if (out->num_uris == 0) {
                out->uri = der_bytes(&name);
            }
            out->num_uris++; /* a certificate has no room for 65,536 of them */
        }
    }
    out->alternative_names = whole;
    return true;
}

static bool certificate_read_subject_key_id(CBS value, struct certificate *out)
{
    CBS id;

    if (!CBS_get_asn1(&value, &id, CBS_ASN1_OCTETSTRING) || CBS_len(&value) != 0 ||
        CBS_len(&id) == 0) {
        return false;
    }
    out->subject_key_id = der_bytes(&id);
    return true;
}

static bool certificate_read_authority_key_id(CBS value, struct certificate *out)
{
    CBS list;
    CBS id;
    int has_id;

    if (!CBS_get_asn1(&value, &list, CBS_ASN1_SEQUENCE) || CBS_len(&value) != 0 ||
        !CBS_get_optional_asn1(&list, &id, &has_id, CBS_ASN1_CONTEXT_SPECIFIC | 0) ||
        !CBS_get_optional_asn1(&list, NULL, NULL,
                               CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 1) ||
        !CBS_get_optional_asn1(&list, NULL, NULL, CBS_ASN1_CONTEXT_SPECIFIC | 2) ||
        CBS_len(&list) != 0) {
        return false;
    }
    if (has_id) {
        out->authority_key_id = der_bytes(&id);
    }
    return true;
}

/* Kept whole: they are judged along a path, in verify_names.c. */
static bool certificate_read_name_constraints(CBS value, struct certificate *out)
{
    struct bytes whole = der_bytes(&value);

    if (!CBS_get_asn1(&value, NULL, CBS_ASN1_SEQUENCE) || CBS_len(&value) != 0) {
        return false;
    }
    out->name_constraints = whole;
    return true;
}

/* The extensions that we know are all 2.5.29.N, which is 55 1d N. */
struct certificate_extension {
    uint8_t number;
    certificate_extension_fn read;
};

static const struct certificate_extension certificate_known[] = {
    {14, certificate_read_subject_key_id},    {15, certificate_read_key_usage},
    {17, certificate_read_alternative_names}, {19, certificate_read_basic_constraints},
    {30, certificate_read_name_constraints},  {35, certificate_read_authority_key_id},
    {37, certificate_read_extended_usage},
};

enum { CERTIFICATE_KNOWN = sizeof certificate_known / sizeof certificate_known[0] };

static const struct certificate_extension *certificate_extension_find(const CBS *oid)
{
    const uint8_t *at = CBS_data(oid);

    if (CBS_len(oid) == 3 && at[0] == 0x55 && at[1] == 0x1d) {
        for (size_t i = 0; i < CERTIFICATE_KNOWN; i++) {
            if (certificate_known[i].number == at[2]) {
                return &certificate_known[i];
            }
        }
    }
    return NULL;
}

static bool certificate_read_extension(CBS *list, struct certificate *out, struct bytes *out_oid)
{
    const struct certificate_extension *known;
    CBS extension;
    CBS oid;
    CBS value;
    int critical = 0;

    if (!CBS_get_asn1(list, &extension, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&extension, &oid, CBS_ASN1_OBJECT) ||
        (CBS_peek_asn1_tag(&extension, CBS_ASN1_BOOLEAN) &&
         !CBS_get_asn1_bool(&extension, &critical)) ||
        !CBS_get_asn1(&extension, &value, CBS_ASN1_OCTETSTRING) || CBS_len(&extension) != 0) {
        return false;
    }
    *out_oid = der_bytes(&oid);
    known = certificate_extension_find(&oid);
    if (known == NULL) {
        out->unknown_critical = out->unknown_critical || critical;
        return true;
    }
    if (known->read == certificate_read_key_usage) {
        out->key_usage_critical = critical != 0;
    }
    if (known->read == certificate_read_alternative_names) {
        out->names_critical = critical != 0;
    }
    return known->read(value, out);
}

enum status certificate_extensions_parse(struct bytes list, struct certificate *out,
                                         struct failure *why)
{
    struct bytes seen[CERTIFICATE_EXTENSIONS_MAX];
    size_t num_seen = 0;
    CBS rest = der_cbs(list);

    while (CBS_len(&rest) > 0) {
        if (num_seen == CERTIFICATE_EXTENSIONS_MAX) {
            return fail(why, STATUS_PROTOCOL, "certificate/extension", "more than %d extensions",
                        CERTIFICATE_EXTENSIONS_MAX);
        }
        if (!certificate_read_extension(&rest, out, &seen[num_seen])) {
            return fail(why, STATUS_PROTOCOL, "certificate/extension", "extension %zu is malformed",
                        num_seen + 1);
        }
        for (size_t i = 0; i < num_seen; i++) {
            if (bytes_equal(seen[i], seen[num_seen])) {
                return fail(why, STATUS_PROTOCOL, "certificate/extension",
                            "extension %zu was there before", num_seen + 1);
            }
        }
        num_seen++;
    }
    return STATUS_OK;
}
