/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/spiffe_id.h"

#include <string.h>

static const char spiffe_id_scheme[] = "spiffe://";

enum { SPIFFE_ID_SCHEME_LEN = sizeof spiffe_id_scheme - 1 };

static bool spiffe_id_is_domain_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

static bool spiffe_id_is_path_char(uint8_t c)
{
    return spiffe_id_is_domain_char(c) || (c >= 'A' && c <= 'Z');
}

/* Where `mark` first stands; text.len when nowhere. */
static size_t spiffe_id_find(struct bytes text, char mark)
{
    const uint8_t *found = text.len == 0 ? NULL : memchr(text.at, mark, text.len);

    return found == NULL ? text.len : (size_t)(found - text.at);
}

static enum status spiffe_id_check_domain(struct bytes domain, struct failure *why)
{
    if (domain.len == 0) {
        return fail(why, STATUS_PROTOCOL, "spiffe-id/trust-domain", "the trust domain is missing");
    }
    if (domain.len > SPIFFE_ID_TRUST_DOMAIN_MAX) {
        return fail(why, STATUS_PROTOCOL, "spiffe-id/trust-domain",
                    "a trust domain has at most %d bytes, not %zu", SPIFFE_ID_TRUST_DOMAIN_MAX,
                    domain.len);
    }
    for (size_t i = 0; i < domain.len; i++) {
        if (!spiffe_id_is_domain_char(domain.at[i])) {
            return fail(why, STATUS_PROTOCOL, "spiffe-id/trust-domain",
                        "byte 0x%02x in the trust domain; a-z 0-9 . - _ are allowed", domain.at[i]);
        }
    }
    return STATUS_OK;
}

static enum status spiffe_id_check_segment(struct bytes segment, struct failure *why)
{
    if (segment.len == 0) {
        return fail(why, STATUS_PROTOCOL, "spiffe-id/path", "an empty segment or a trailing slash");
    }
    if (bytes_equal_text(segment, ".") || bytes_equal_text(segment, "..")) {
        return fail(why, STATUS_PROTOCOL, "spiffe-id/path", "a dot segment");
    }
    for (size_t i = 0; i < segment.len; i++) {
        if (!spiffe_id_is_path_char(segment.at[i])) {
            return fail(why, STATUS_PROTOCOL, "spiffe-id/path",
                        "byte 0x%02x in the path; a-z A-Z 0-9 . - _ are allowed", segment.at[i]);
        }
    }
    return STATUS_OK;
}

/* The path begins with a slash or is empty. */
static enum status spiffe_id_check_path(struct bytes path, struct failure *why)
{
    struct bytes rest = bytes_skip(path, 1);

    if (path.len == 0) {
        return STATUS_OK;
    }
    for (;;) {
        struct bytes segment = bytes_split(&rest, '/');

        TRY(spiffe_id_check_segment(segment, why));
        if (rest.at == NULL) {
            return STATUS_OK;
        }
    }
}

enum status spiffe_id_parse(struct bytes text, struct spiffe_id *out_id, struct failure *why)
{
    struct bytes domain = bytes_skip(text, SPIFFE_ID_SCHEME_LEN);

    if (text.len == 0) {
        return fail(why, STATUS_PROTOCOL, "spiffe-id/empty", "the SPIFFE ID is empty");
    }
    if (text.len > SPIFFE_ID_MAX) {
        return fail(why, STATUS_LIMIT, "spiffe-id/too-long", "%zu bytes; at most %d are read",
                    text.len, SPIFFE_ID_MAX);
    }
    if (!bytes_starts(text, bytes_of(spiffe_id_scheme))) {
        return fail(why, STATUS_PROTOCOL, "spiffe-id/scheme", "it does not begin with spiffe://");
    }
    if (spiffe_id_find(domain, '?') < domain.len || spiffe_id_find(domain, '#') < domain.len) {
        return fail(why, STATUS_PROTOCOL, "spiffe-id/query", "it has a query or a fragment");
    }
    domain.len = spiffe_id_find(domain, '/');
    TRY(spiffe_id_check_domain(domain, why));
    TRY(spiffe_id_check_path(bytes_skip(text, SPIFFE_ID_SCHEME_LEN + domain.len), why));

    memcpy(out_id->text, text.at, text.len);
    out_id->text[text.len] = '\0';
    out_id->len = (uint16_t)text.len;
    out_id->trust_domain_len = (uint16_t)domain.len;
    return STATUS_OK;
}

struct spiffe_id_text { /* an ID on its way to the parser */
    uint8_t at[SPIFFE_ID_MAX + 1];
    size_t len; /* may pass SPIFFE_ID_MAX: too long */
};

static void spiffe_id_text_add(struct spiffe_id_text *text, struct bytes more)
{
    if (more.len > sizeof text->at - text->len) {
        text->len = sizeof text->at;
        return;
    }
    if (more.len > 0) {
        memcpy(text->at + text->len, more.at, more.len);
        text->len += more.len;
    }
}

enum status spiffe_id_of_domain(struct bytes trust_domain, struct spiffe_id *out_id,
                                struct failure *why)
{
    struct spiffe_id_text text = {.len = 0};

    TRY(spiffe_id_check_domain(trust_domain, why));
    spiffe_id_text_add(&text, bytes_of(spiffe_id_scheme));
    spiffe_id_text_add(&text, trust_domain);
    return spiffe_id_parse(bytes_make(text.at, text.len), out_id, why);
}

enum status spiffe_id_of(struct bytes trust_domain, struct bytes namespace,
                         struct bytes service_account, struct spiffe_id *out_id,
                         struct failure *why)
{
    struct spiffe_id_text text = {.len = 0};

    TRY(spiffe_id_check_domain(trust_domain, why));
    TRY(spiffe_id_check_segment(namespace, why));
    TRY(spiffe_id_check_segment(service_account, why));
    spiffe_id_text_add(&text, bytes_of(spiffe_id_scheme));
    spiffe_id_text_add(&text, trust_domain);
    spiffe_id_text_add(&text, bytes_of("/ns/"));
    spiffe_id_text_add(&text, namespace);
    spiffe_id_text_add(&text, bytes_of("/sa/"));
    spiffe_id_text_add(&text, service_account);
    return spiffe_id_parse(bytes_make(text.at, text.len), out_id, why);
}

struct bytes spiffe_id_text(const struct spiffe_id *id)
{
    return bytes_make(id->text, id->len);
}

struct bytes spiffe_id_trust_domain(const struct spiffe_id *id)
{
    return id->len == 0 ? bytes_make(NULL, 0)
                        : bytes_make(id->text + SPIFFE_ID_SCHEME_LEN, id->trust_domain_len);
}

struct bytes spiffe_id_path(const struct spiffe_id *id)
{
    return bytes_skip(spiffe_id_text(id), SPIFFE_ID_SCHEME_LEN + (size_t)id->trust_domain_len);
}

/* Both parts of /ns/X/sa/Y; false when the path is anything else. */
static bool spiffe_id_kubernetes(const struct spiffe_id *id, struct bytes *out_namespace,
                                 struct bytes *out_service_account)
{
    struct bytes rest = bytes_skip(spiffe_id_path(id), 1);
    struct bytes ns = bytes_split(&rest, '/');
    struct bytes namespace = bytes_split(&rest, '/');
    struct bytes sa = bytes_split(&rest, '/');
    struct bytes service_account = bytes_split(&rest, '/');

    if (!bytes_equal_text(ns, "ns") || !bytes_equal_text(sa, "sa") || service_account.len == 0 ||
        rest.at != NULL) {
        return false;
    }
    *out_namespace = namespace;
    *out_service_account = service_account;
    return true;
}

struct bytes spiffe_id_namespace(const struct spiffe_id *id)
{
    struct bytes namespace = {0};
    struct bytes service_account;

    (void)spiffe_id_kubernetes(id, &namespace, &service_account);
    return namespace;
}

struct bytes spiffe_id_service_account(const struct spiffe_id *id)
{
    struct bytes namespace;
    struct bytes service_account = {0};

    (void)spiffe_id_kubernetes(id, &namespace, &service_account);
    return service_account;
}

bool spiffe_id_equal(const struct spiffe_id *a, const struct spiffe_id *b)
{
    return bytes_equal(spiffe_id_text(a), spiffe_id_text(b));
}

void spiffe_id_copy(const struct spiffe_id *from, struct spiffe_id *out_to)
{
    memcpy(out_to->text, from->text, (size_t)from->len + 1);
    out_to->len = from->len;
    out_to->trust_domain_len = from->trust_domain_len;
}
