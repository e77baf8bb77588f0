/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/verify_names.h"

#include <string.h>
#include <strings.h>

#include "core/trust/identity/der.h"

enum {
    VERIFY_NAME_DNS = CBS_ASN1_CONTEXT_SPECIFIC | 2,
    VERIFY_NAME_DIRECTORY = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 4,
    VERIFY_NAME_URI = CBS_ASN1_CONTEXT_SPECIFIC | 6,
    VERIFY_SUBTREES_PERMITTED = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0,
    VERIFY_SUBTREES_EXCLUDED = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 1,
};

struct verify_name {
    CBS_ASN1_TAG tag;
    struct bytes text;
};

struct verify_names {
    struct bytes permitted; /* GeneralSubtrees' content; empty when absent */
    struct bytes excluded;
    unsigned compared; /* so far, of VERIFY_NAMES_COMPARED_MAX */
};

static bool verify_names_same(struct bytes a, struct bytes b)
{
    return a.len == b.len &&
           (a.len == 0 || strncasecmp((const char *)a.at, (const char *)b.at, a.len) == 0);
}

/* `host` ends with `suffix` and has something before it. */
static bool verify_names_below(struct bytes host, struct bytes suffix)
{
    return host.len > suffix.len &&
           verify_names_same(bytes_skip(host, host.len - suffix.len), suffix);
}

/* The host of scheme://user@host:port/path. Empty when there is none: such a name obeys nothing. */
static struct bytes verify_names_host(struct bytes uri)
{
    const uint8_t *colon = uri.len == 0 ? NULL : memchr(uri.at, ':', uri.len);
    struct bytes rest = bytes_skip(uri, colon == NULL ? uri.len : (size_t)(colon - uri.at) + 1);
    const uint8_t *at_sign;
    size_t len = 0;

    if (!bytes_starts(rest, bytes_of("//"))) {
        return bytes_make(NULL, 0);
    }
    rest = bytes_skip(rest, 2);
    while (len < rest.len && rest.at[len] != '/' && rest.at[len] != '?' && rest.at[len] != '#') {
        len++;
    }
    rest.len = len;
    at_sign = len == 0 ? NULL : memchr(rest.at, '@', len);
    if (at_sign != NULL) {
        rest = bytes_skip(rest, (size_t)(at_sign - rest.at) + 1);
    }
    for (len = 0; len < rest.len && rest.at[len] != ':'; len++) {
    }
    rest.len = len;
    return rest;
}

/* ".example.org" allows what lies below; "example.org" that host alone. */
static bool verify_names_uri_within(struct bytes uri, struct bytes base)
{
    struct bytes host = verify_names_host(uri);

    if (host.len == 0) {
        return false;
    }
    if (base.len > 0 && base.at[0] == '.') {
        return verify_names_below(host, base);
    }
    return verify_names_same(host, base);
}

/* "example.org" allows that host and what lies below; "" allows all. */
static bool verify_names_dns_within(struct bytes dns, struct bytes base)
{
    if (base.len == 0 || verify_names_same(dns, base)) {
        return true;
    }
    if (base.at[0] == '.') {
        return verify_names_below(dns, base);
    }
    return verify_names_below(dns, base) && dns.at[dns.len - base.len - 1] == '.';
}

/*
 * Is `name` under the constraint's list? *out_applies: some constraint is of the name's kind. False
 * when the list is malformed or asks for what we do not judge.
 */
static bool verify_names_in(struct verify_names *names, struct bytes list,
                            const struct verify_name *name, bool *out_applies, bool *out_within)
{
    CBS rest = der_cbs(list);

    *out_applies = false;
    *out_within = false;
    while (CBS_len(&rest) > 0) {
        CBS tree;
        CBS base;
        CBS_ASN1_TAG tag;

        if (names->compared++ == VERIFY_NAMES_COMPARED_MAX ||
            !CBS_get_asn1(&rest, &tree, CBS_ASN1_SEQUENCE) ||
            !CBS_get_any_asn1(&tree, &base, &tag) || CBS_len(&tree) != 0) {
            return false;
        }
        if (tag != name->tag) {
            continue;
        }
        *out_applies = true;
        if (tag == VERIFY_NAME_URI) {
            *out_within = *out_within || verify_names_uri_within(name->text, der_bytes(&base));
        } else if (tag == VERIFY_NAME_DNS) {
            *out_within = *out_within || verify_names_dns_within(name->text, der_bytes(&base));
        } else {
            return false; /* a kind that we cannot judge, and the certificate has a name of it */
        }
    }
    return true;
}

static bool verify_names_check(struct verify_names *names, const struct verify_name *name)
{
    bool applies;
    bool within;

    if (!verify_names_in(names, names->excluded, name, &applies, &within) || within) {
        return false;
    }
    /* A URI without a host cannot be seen to lie outside of what is excluded. */
    if (applies && name->tag == VERIFY_NAME_URI && verify_names_host(name->text).len == 0) {
        return false;
    }
    return verify_names_in(names, names->permitted, name, &applies, &within) &&
           (!applies || within);
}

static bool verify_names_cut(struct bytes constraints, struct verify_names *out)
{
    CBS all = der_cbs(constraints);
    CBS whole;
    CBS list;
    int present;

    if (!CBS_get_asn1(&all, &whole, CBS_ASN1_SEQUENCE) ||
        !CBS_get_optional_asn1(&whole, &list, &present, VERIFY_SUBTREES_PERMITTED)) {
        return false;
    }
    out->permitted = present ? der_bytes(&list) : bytes_make(NULL, 0);
    if (!CBS_get_optional_asn1(&whole, &list, &present, VERIFY_SUBTREES_EXCLUDED) ||
        CBS_len(&whole) != 0) {
        return false;
    }
    out->excluded = present ? der_bytes(&list) : bytes_make(NULL, 0);
    return true;
}

bool verify_names_allowed(const struct certificate *authority, const struct certificate *subject)
{
    struct verify_names names = {.compared = 0};
    struct verify_name directory = {.tag = VERIFY_NAME_DIRECTORY, .text = subject->subject};
    CBS all = der_cbs(subject->alternative_names);
    CBS list;

    if (authority->name_constraints.len == 0) {
        return true;
    }
    if (!verify_names_cut(authority->name_constraints, &names) ||
        (!subject->subject_empty && !verify_names_check(&names, &directory))) {
        return false;
    }
    if (subject->alternative_names.len == 0) {
        return true;
    }
    if (!CBS_get_asn1(&all, &list, CBS_ASN1_SEQUENCE)) {
        return false;
    }
    while (CBS_len(&list) > 0) {
        struct verify_name name;
        CBS text;

        if (!CBS_get_any_asn1(&list, &text, &name.tag)) {
            return false;
        }
        name.text = der_bytes(&text);
        if (!verify_names_check(&names, &name)) {
            return false;
        }
    }
    return true;
}
