/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/capture/sniff.h"

#include <string.h>

enum {
    SNIFF_HANDSHAKE = 22,
    SNIFF_CLIENT_HELLO = 1,
    SNIFF_RECORD_HEADER = 5,
    SNIFF_EXTENSION_SNI = 0,
    SNIFF_EXTENSION_ALPN = 16,
};

/* Takes a vector with a length of `size` bytes off the front. False when it does not fit. */
static bool sniff_vector(struct bytes *rest, size_t size, struct bytes *out)
{
    size_t len = 0;

    if (rest->len < size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        len = len << 8 | rest->at[i];
    }
    if (rest->len - size < len) {
        return false;
    }
    *out = bytes_make(rest->at + size, len);
    *rest = bytes_skip(*rest, size + len);
    return true;
}

static void sniff_sni(struct bytes extension, struct sniff *out)
{
    struct bytes list;
    struct bytes name;

    if (!sniff_vector(&extension, 2, &list) || list.len < 1 || list.at[0] != 0) {
        return;
    }
    list = bytes_skip(list, 1);
    if (sniff_vector(&list, 2, &name) && name.len < sizeof out->sni &&
        (name.len == 0 || memchr(name.at, 0, name.len) == NULL)) {
        if (name.len > 0) {
            memcpy(out->sni, name.at, name.len);
        }
        out->sni[name.len] = '\0';
    }
}

static void sniff_alpn(struct bytes extension, struct sniff *out)
{
    struct bytes list;

    if (sniff_vector(&extension, 2, &list) && list.len > 0 && list.len <= sizeof out->protocols) {
        memcpy(out->protocols, list.at, list.len);
        out->protocols_len = list.len;
    }
}

/* The body of a ClientHello. False when it is broken. */
static bool sniff_hello(struct bytes hello, struct sniff *out)
{
    struct bytes part;
    struct bytes extensions;

    if (hello.len < 34) { /* version and random */
        return false;
    }
    hello = bytes_skip(hello, 34);
    if (!sniff_vector(&hello, 1, &part) ||               /* session id */
        !sniff_vector(&hello, 2, &part) || part.len < 2 || /* cipher suites */
        !sniff_vector(&hello, 1, &part) || part.len < 1) { /* compression */
        return false;
    }
    if (hello.len == 0) {
        return true; /* before TLS 1.2 there were no extensions */
    }
    if (!sniff_vector(&hello, 2, &extensions)) {
        return false;
    }
    while (extensions.len > 0) {
        unsigned kind;

        if (extensions.len < 4) {
            return false;
        }
        kind = (unsigned)extensions.at[0] << 8 | extensions.at[1];
        extensions = bytes_skip(extensions, 2);
        if (!sniff_vector(&extensions, 2, &part)) {
            return false;
        }
        if (kind == SNIFF_EXTENSION_SNI) {
            sniff_sni(part, out);
        } else if (kind == SNIFF_EXTENSION_ALPN) {
            sniff_alpn(part, out);
        }
    }
    return true;
}

/* Does it begin like a TLS handshake record? Judges as many bytes as there are. */
static bool sniff_is_record(struct bytes at)
{
    return (at.len < 1 || at.at[0] == SNIFF_HANDSHAKE) && (at.len < 2 || at.at[1] == 3) &&
           (at.len < 3 || at.at[2] <= 4);
}

/*
 * Puts the handshake message together, which may be spread over several records. Gives its length so
 * far, or SIZE_MAX when the bytes are not TLS.
 */
static size_t sniff_collect(struct bytes first, uint8_t *message, size_t room)
{
    size_t have = 0;

    while (first.len > 0) {
        size_t len;
        size_t here;

        if (!sniff_is_record(first)) {
            return SIZE_MAX;
        }
        if (first.len < SNIFF_RECORD_HEADER) {
            break;
        }
        len = (size_t)first.at[3] << 8 | first.at[4];
        if (len == 0 || len > SNIFF_MAX) {
            return SIZE_MAX;
        }
        first = bytes_skip(first, SNIFF_RECORD_HEADER);
        here = first.len < len ? first.len : len;
        here = here < room - have ? here : room - have;
        if (here > 0) {
            memcpy(message + have, first.at, here);
            have += here;
        }
        if (have >= 1 && message[0] != SNIFF_CLIENT_HELLO) {
            return SIZE_MAX;
        }
        if (first.len < len || have == room) {
            break;
        }
        first = bytes_skip(first, len);
    }
    return have;
}

void sniff_bytes(struct bytes first, struct sniff *out_sniff)
{
    uint8_t message[SNIFF_MAX];
    size_t have = sniff_collect(first, message, sizeof message);
    size_t want;

    out_sniff->kind = SNIFF_OTHER;
    out_sniff->sni[0] = '\0';
    out_sniff->protocols_len = 0;
    if (have == SIZE_MAX) {
        return;
    }
    if (have < 4) {
        out_sniff->kind = first.len < SNIFF_MAX ? SNIFF_MORE : SNIFF_OTHER;
        return;
    }
    want = (size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3];
    if (want + 4 > sizeof message) {
        return;
    }
    if (have < want + 4) {
        out_sniff->kind = first.len < SNIFF_MAX ? SNIFF_MORE : SNIFF_OTHER;
        return;
    }
    if (sniff_hello(bytes_make(message + 4, want), out_sniff)) {
        out_sniff->kind = SNIFF_TLS;
    }
}
