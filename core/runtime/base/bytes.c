/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/base/bytes.h"

#include <string.h>

#include "core/runtime/base/memory.h"

struct bytes bytes_make(const void *at, size_t len)
{
    return (struct bytes){.at = at, .len = len};
}

struct bytes bytes_of(const char *text)
{
    return bytes_make(text, text == NULL ? 0 : strlen(text));
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool bytes_equal_text(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_of(text));
}

bool bytes_equal_secret(struct bytes a, struct bytes b)
{
    volatile uint8_t difference = 0;

    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        difference = (uint8_t)(difference | (a.at[i] ^ b.at[i]));
    }
    return difference == 0;
}

bool bytes_starts(struct bytes all, struct bytes part)
{
    return all.len >= part.len && (part.len == 0 || memcmp(all.at, part.at, part.len) == 0);
}

bool bytes_ends(struct bytes all, struct bytes part)
{
    return all.len >= part.len && bytes_equal(bytes_skip(all, all.len - part.len), part);
}

struct bytes bytes_skip(struct bytes all, size_t count)
{
    if (count >= all.len) {
        return bytes_make(NULL, 0);
    }
    return bytes_make(all.at + count, all.len - count);
}

struct bytes bytes_split(struct bytes *rest, char mark)
{
    const uint8_t *found = rest->len == 0 ? NULL : memchr(rest->at, mark, rest->len);
    struct bytes piece = *rest;

    if (found == NULL) {
        *rest = bytes_make(NULL, 0);
        return piece;
    }
    piece.len = (size_t)(found - rest->at);
    *rest = bytes_make(found + 1, rest->len - piece.len - 1);
    return piece;
}

static bool bytes_is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct bytes bytes_trim(struct bytes all)
{
    while (all.len > 0 && bytes_is_blank(all.at[0])) {
        all.at++;
        all.len--;
    }
    while (all.len > 0 && bytes_is_blank(all.at[all.len - 1])) {
        all.len--;
    }
    return all;
}

char *bytes_text(struct bytes all)
{
    char *text = memory_make(all.len + 1);

    if (all.len > 0) {
        memcpy(text, all.at, all.len);
    }
    return text;
}

bool bytes_to_number(struct bytes text, uint64_t max, uint64_t *out_number)
{
    uint64_t number = 0;

    if (text.len == 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint64_t digit;

        if (text.at[i] < '0' || text.at[i] > '9') {
            return false;
        }
        digit = (uint64_t)(text.at[i] - '0');
        if (number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    if (number > max) {
        return false;
    }
    *out_number = number;
    return true;
}

static const char bytes_hex_digits[] = "0123456789abcdef";

void bytes_to_hex(struct bytes all, char *out)
{
    for (size_t i = 0; i < all.len; i++) {
        *out++ = bytes_hex_digits[all.at[i] >> 4];
        *out++ = bytes_hex_digits[all.at[i] & 15];
    }
    *out = '\0';
}

static int bytes_hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool bytes_from_hex(struct bytes text, uint8_t *out, size_t out_len)
{
    if (text.len != 2 * out_len) {
        return false;
    }
    for (size_t i = 0; i < out_len; i++) {
        int high = bytes_hex_value(text.at[2 * i]);
        int low = bytes_hex_value(text.at[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char bytes_base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t bytes_base64_size(size_t len)
{
    return (len + 2) / 3 * 4 + 1;
}

void bytes_to_base64(struct bytes all, char *out)
{
    for (size_t i = 0; i < all.len; i += 3) {
        size_t have = all.len - i < 3 ? all.len - i : 3;
        uint32_t group = (uint32_t)all.at[i] << 16;

        group |= have > 1 ? (uint32_t)all.at[i + 1] << 8 : 0;
        group |= have > 2 ? (uint32_t)all.at[i + 2] : 0;
        *out++ = bytes_base64_digits[group >> 18 & 63];
        *out++ = bytes_base64_digits[group >> 12 & 63];
        *out++ = have > 1 ? bytes_base64_digits[group >> 6 & 63] : '=';
        *out++ = have > 2 ? bytes_base64_digits[group & 63] : '=';
    }
    *out = '\0';
}

static int bytes_base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool bytes_from_base64(struct bytes text, uint8_t *out, size_t room, size_t *out_len)
{
    size_t pad = 0;
    size_t written = 0;

    if (text.len % 4 != 0) {
        return false;
    }
    while (pad < 2 && pad < text.len && text.at[text.len - 1 - pad] == '=') {
        pad++;
    }
    if (text.len / 4 * 3 - pad > room) {
        return false;
    }
    for (size_t i = 0; i < text.len; i += 4) {
        size_t have = i + 4 == text.len ? 4 - pad : 4;
        uint32_t group = 0;

        for (size_t k = 0; k < 4; k++) {
            int value = k < have ? bytes_base64_value(text.at[i + k]) : 0;

            if (value < 0) {
                return false;
            }
            group = group << 6 | (uint32_t)value;
        }
        /* Bits that the padding cuts off must be zero: one encoding for one value. */
        if ((have == 3 && (group & 0xff) != 0) || (have == 2 && (group & 0xffff) != 0)) {
            return false;
        }
        for (size_t k = 0; k + 1 < have; k++) {
            out[written++] = (uint8_t)(group >> (16 - 8 * k));
        }
    }
    *out_len = written;
    return true;
}
