/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/runtime/base/bytes.h"
#include "tests/support/suite.h"

SUITE(bytes);

Test(bytes, split_gives_the_pieces_and_then_an_empty_rest)
{
    struct bytes rest = bytes_of("a,,b");

    cr_assert(bytes_equal_text(bytes_split(&rest, ','), "a"));
    cr_assert(bytes_equal_text(bytes_split(&rest, ','), ""));
    cr_assert_not_null(rest.at);
    cr_assert(bytes_equal_text(bytes_split(&rest, ','), "b"));
    cr_assert_null(rest.at);
    cr_assert_eq(rest.len, 0);
}

Test(bytes, a_mark_at_the_end_leaves_an_empty_last_piece)
{
    struct bytes rest = bytes_of("a,");

    cr_assert(bytes_equal_text(bytes_split(&rest, ','), "a"));
    cr_assert_not_null(rest.at);
    cr_assert_eq(bytes_split(&rest, ',').len, 0);
    cr_assert_null(rest.at);
}

Test(bytes, compares_contents_and_ends)
{
    struct bytes text = bytes_of("spiffe://td/x");

    cr_assert(bytes_starts(text, bytes_of("spiffe://")));
    cr_assert(bytes_starts(text, bytes_of("")));
    cr_assert_not(bytes_starts(bytes_of("sp"), bytes_of("spiffe")));
    cr_assert(bytes_ends(text, bytes_of("/x")));
    cr_assert_not(bytes_ends(bytes_of("x"), bytes_of("/x")));
    cr_assert_not(bytes_equal(text, bytes_of("spiffe://td/y")));
    cr_assert(bytes_equal(bytes_make(NULL, 0), bytes_of("")));
    cr_assert(bytes_equal_secret(bytes_of("abc"), bytes_of("abc")));
    cr_assert_not(bytes_equal_secret(bytes_of("abc"), bytes_of("abd")));
    cr_assert_not(bytes_equal_secret(bytes_of("abc"), bytes_of("ab")));
}

Test(bytes, trims_and_skips)
{
    cr_assert(bytes_equal_text(bytes_trim(bytes_of(" \t a b\r\n")), "a b"));
    cr_assert_eq(bytes_trim(bytes_of("  ")).len, 0);
    cr_assert(bytes_equal_text(bytes_skip(bytes_of("abc"), 2), "c"));
    cr_assert_eq(bytes_skip(bytes_of("abc"), 9).len, 0);
}

Test(bytes, refuses_what_is_no_number)
{
    static const char *const wrong[] = {"",   "-1", "+1",  " 1",
                                        "1 ", "1x", "256", "99999999999999999999"};
    uint64_t number = 7;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_not(bytes_to_number(bytes_of(wrong[i]), 255, &number), "%s", wrong[i]);
    }
    cr_assert_eq(number, 7);
    cr_assert(bytes_to_number(bytes_of("255"), 255, &number));
    cr_assert_eq(number, 255);
    cr_assert(bytes_to_number(bytes_of("18446744073709551615"), UINT64_MAX, &number));
    cr_assert_eq(number, UINT64_MAX);
}

Test(bytes, hex_goes_there_and_back)
{
    uint8_t back[3];
    char text[7];

    bytes_to_hex(bytes_make("\x00\xaf\xff", 3), text);
    cr_assert_str_eq(text, "00afff");
    cr_assert(bytes_from_hex(bytes_of("00AFff"), back, 3));
    cr_assert_eq(memcmp(back, "\x00\xaf\xff", 3), 0);
    cr_assert_not(bytes_from_hex(bytes_of("00af"), back, 3));
    cr_assert_not(bytes_from_hex(bytes_of("00afgg"), back, 3));
}

/* Source: RFC 4648 section 10. */
Test(bytes, base64_has_the_vectors_of_the_rfc)
{
    static const struct {
        const char *plain;
        const char *coded;
    } vectors[] = {{"", ""},
                   {"f", "Zg=="},
                   {"fo", "Zm8="},
                   {"foo", "Zm9v"},
                   {"foob", "Zm9vYg=="},
                   {"fooba", "Zm9vYmE="},
                   {"foobar", "Zm9vYmFy"}};

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        char coded[16];
        uint8_t plain[16];
        size_t len = 99;

        bytes_to_base64(bytes_of(vectors[i].plain), coded);
        cr_assert_str_eq(coded, vectors[i].coded);
        cr_assert_eq(strlen(coded) + 1, bytes_base64_size(strlen(vectors[i].plain)));
        cr_assert(bytes_from_base64(bytes_of(coded), plain, sizeof plain, &len));
        cr_assert(bytes_equal_text(bytes_make(plain, len), vectors[i].plain));
    }
}

Test(bytes, refuses_base64_that_is_malformed_or_not_canonical)
{
    static const char *const wrong[] = {"Zg",   "Zg=",      "Zg===", "Z===",
                                        "Zh==", "Zm9=",     "Zm 9",  "Zm9v\n",
                                        "====", "Zg==Zg==", "Zm9-",  "Zm9vYmFyZm9vYmFy"};
    uint8_t plain[8];
    size_t len;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_not(bytes_from_base64(bytes_of(wrong[i]), plain, sizeof plain, &len), "%s",
                      wrong[i]);
    }
}
