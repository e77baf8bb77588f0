/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/runtime/json/escape.h"
#include "tests/support/suite.h"

SUITE(escape);

static const struct {
    const char *bytes;
    const char *escaped;
} escape_cases[] = {
    {"plain text", "plain text"},
    {"a\"b\\c", "a\\\"b\\\\c"},
    {"\b\f\n\r\t", "\\b\\f\\n\\r\\t"},
    {"\x01\x1f\x7f", "\\u0001\\u001f\\u007f"},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"\xff", "\\u00ff"},
    {"\xc3", "\\u00c3"},                                  /* cut */
    {"\xc0\xaf", "\\u00c0\\u00af"},                       /* overlong */
    {"\xe0\x80\xaf", "\\u00e0\\u0080\\u00af"},            /* overlong */
    {"\xed\xa0\x80", "\\u00ed\\u00a0\\u0080"},            /* surrogate */
    {"\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080"}, /* beyond U+10FFFF */
    {"\xe2\x82(", "\\u00e2\\u0082("},
};

Test(escape, bytes_that_are_not_utf8_become_escapes)
{
    for (size_t i = 0; i < sizeof escape_cases / sizeof escape_cases[0]; i++) {
        struct bytes rest = bytes_of(escape_cases[i].bytes);
        char out[64];
        size_t len = json_escape(&rest, out, sizeof out);

        cr_assert_eq(rest.len, 0);
        cr_assert(bytes_equal_text(bytes_make(out, len), escape_cases[i].escaped), "case %zu", i);
    }
}

/* Whatever the room, the pieces together are the same, and none is longer than its room. */
Test(escape, in_pieces_of_any_size_gives_the_same)
{
    for (size_t i = 0; i < sizeof escape_cases / sizeof escape_cases[0]; i++) {
        for (size_t room = 6; room < 20; room++) {
            struct bytes rest = bytes_of(escape_cases[i].bytes);
            char all[128];
            size_t len = 0;

            while (rest.len > 0) {
                size_t step = json_escape(&rest, all + len, room);

                cr_assert_gt(step, 0);
                cr_assert_leq(step, room);
                len += step;
            }
            cr_assert(bytes_equal_text(bytes_make(all, len), escape_cases[i].escaped));
        }
    }
}

Test(escape, a_nul_is_escaped_too)
{
    struct bytes rest = bytes_make("a\0b", 3);
    char out[16];

    cr_assert(bytes_equal_text(bytes_make(out, json_escape(&rest, out, sizeof out)), "a\\u0000b"));
}
