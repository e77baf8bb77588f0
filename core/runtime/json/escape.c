/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/json/escape.h"

#include <string.h>

/* RFC 3629 section 4: neither overlong forms, nor surrogates, nor beyond U+10FFFF. */
size_t json_utf8_len(struct bytes text)
{
    const uint8_t *at = text.at;
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    size_t len;

    if (text.len == 0) {
        return 0;
    }
    if (at[0] < 0x80) {
        return 1;
    }
    if (at[0] >= 0xC2 && at[0] <= 0xDF) {
        len = 2;
    } else if (at[0] >= 0xE0 && at[0] <= 0xEF) {
        len = 3;
        low = at[0] == 0xE0 ? 0xA0 : low;
        high = at[0] == 0xED ? 0x9F : high;
    } else if (at[0] >= 0xF0 && at[0] <= 0xF4) {
        len = 4;
        low = at[0] == 0xF0 ? 0x90 : low;
        high = at[0] == 0xF4 ? 0x8F : high;
    } else {
        return 0;
    }
    if (text.len < len || at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if (at[i] < 0x80 || at[i] > 0xBF) {
            return 0;
        }
    }
    return len;
}

/* The escape of one byte that cannot stand as it is; returns its length, 2 or 6. */
static size_t json_escape_byte(uint8_t byte, char out[6])
{
    static const char digits[] = "0123456789abcdef";
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: the byte, its letter */

    for (size_t i = 0; i + 1 < sizeof shorts; i += 2) {
        if ((uint8_t)shorts[i] == byte) {
            out[0] = '\\';
            out[1] = shorts[i + 1];
            return 2;
        }
    }
    memcpy(out, "\\u00", 4);
    out[4] = digits[byte >> 4];
    out[5] = digits[byte & 15];
    return 6;
}

static bool json_is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
}

size_t json_escape(struct bytes *rest, char *out, size_t room)
{
    size_t written = 0;

    while (rest->len > 0) {
        char escaped[6];
        const void *piece = rest->at;
        size_t used = 0;
        size_t piece_len;

        while (used < rest->len && used < room - written && json_is_plain(rest->at[used])) {
            used++;
        }
        piece_len = used;
        if (used == 0) {
            size_t utf8_len = rest->at[0] < 0x80 ? 0 : json_utf8_len(*rest);

            used = utf8_len == 0 ? 1 : utf8_len;
            piece_len = utf8_len;
            if (utf8_len == 0) {
                piece_len = json_escape_byte(rest->at[0], escaped);
                piece = escaped;
            }
            if (piece_len > room - written) {
                break;
            }
        }
        memcpy(out + written, piece, piece_len);
        written += piece_len;
        *rest = bytes_skip(*rest, used);
    }
    return written;
}
