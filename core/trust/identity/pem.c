/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/pem.h"

#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"

static const char pem_begin[] = "-----BEGIN ";
static const char pem_end[] = "-----END ";
static const char pem_dashes[] = "-----";

enum { PEM_LINE = 64, PEM_LABEL_MAX = 64 };

/* Where `part` first stands in `all`; all.len when nowhere. */
static size_t pem_find(struct bytes all, const char *part)
{
    const uint8_t *found = all.len == 0 ? NULL : memmem(all.at, all.len, part, strlen(part));

    return found == NULL ? all.len : (size_t)(found - all.at);
}

/*
 * Reads base64 with white space in it. The text and its copy may be a key: both are wiped memory.
 */
static bool pem_decode(struct bytes text, struct secret *out_der)
{
    CLEARED(secret) squeezed = {.at = memory_make(text.len + 1), .len = text.len};
    CLEARED(secret) der = {.at = memory_make(text.len + 1), .len = text.len};
    size_t squeezed_len = 0;
    size_t der_len = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '\0' || strchr(" \t\r\n", text.at[i]) == NULL) {
            squeezed.at[squeezed_len++] = text.at[i];
        }
    }
    if (squeezed_len == 0 ||
        !bytes_from_base64(bytes_make(squeezed.at, squeezed_len), der.at, text.len, &der_len)) {
        return false;
    }
    secret_set(out_der, bytes_make(der.at, der_len));
    return true;
}

enum status pem_next(struct bytes *text, struct bytes *out_label, struct secret *out_der,
                     struct failure *why)
{
    struct bytes rest = bytes_skip(*text, pem_find(*text, pem_begin));
    struct bytes label;
    struct bytes body;
    struct bytes end;

    if (rest.len == 0) {
        return fail(why, STATUS_NOT_FOUND, "pem/none", "there is no further PEM block");
    }
    rest = bytes_skip(rest, strlen(pem_begin));
    label = bytes_make(rest.at, pem_find(rest, pem_dashes));
    if (label.len == rest.len || label.len > PEM_LABEL_MAX) {
        return fail(why, STATUS_PROTOCOL, "pem/block", "a BEGIN line is cut short");
    }
    body = bytes_skip(rest, label.len + strlen(pem_dashes));
    end = bytes_skip(body, pem_find(body, pem_end));
    body.len -= end.len;
    end = bytes_skip(end, strlen(pem_end));
    if (!bytes_starts(end, label) ||
        !bytes_starts(bytes_skip(end, label.len), bytes_of(pem_dashes))) {
        return fail(why, STATUS_PROTOCOL, "pem/block", "a block's END does not fit its BEGIN");
    }
    if (!pem_decode(body, out_der)) {
        return fail(why, STATUS_PROTOCOL, "pem/block", "what is inside a block is not base64");
    }
    *text = bytes_skip(end, label.len + strlen(pem_dashes));
    *out_label = label;
    return STATUS_OK;
}

enum status pem_add(struct buffer *to, const char *label, struct bytes der)
{
    CLEARED(secret)
    text = {.at = memory_make(bytes_base64_size(der.len)), .len = bytes_base64_size(der.len) - 1};
    struct bytes rest = secret_bytes(&text);

    bytes_to_base64(der, (char *)text.at);
    TRY(buffer_add_format(to, "%s%s%s\n", pem_begin, label, pem_dashes));
    while (rest.len > 0) {
        struct bytes line = bytes_make(rest.at, rest.len < PEM_LINE ? rest.len : PEM_LINE);

        TRY(buffer_add(to, line));
        TRY(buffer_add_text(to, "\n"));
        rest = bytes_skip(rest, line.len);
    }
    return buffer_add_format(to, "%s%s%s\n", pem_end, label, pem_dashes);
}

enum status pem_certificates(struct bytes text, struct buffer *out_der, struct failure *why)
{
    size_t found = 0;

    for (;;) {
        CLEARED(secret) der = {0};
        struct bytes label;
        enum status status = pem_next(&text, &label, &der, why);

        if (status == STATUS_NOT_FOUND && found > 0) {
            return STATUS_OK;
        }
        TRY(status);
        if (bytes_equal_text(label, "CERTIFICATE")) {
            if (buffer_add(out_der, secret_bytes(&der)) != STATUS_OK) {
                return fail(why, STATUS_LIMIT, "buffer/full", "more than %zu bytes of certificates",
                            out_der->max);
            }
            found++;
        }
    }
}
