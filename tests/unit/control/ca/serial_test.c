/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/ca/serial.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

SUITE(serial);

Test(serial, carries_the_store_s_revision_positive_and_of_one_length)
{
    static const int64_t revisions[] = {0, 1, 255, 256, 0x0102030405060708, INT64_MAX};

    for (size_t i = 0; i < sizeof revisions / sizeof revisions[0]; i++) {
        for (unsigned filler = 0; filler < 256; filler += 51) {
            uint8_t random[SERIAL_RANDOM_LEN];
            uint8_t serial[SERIAL_LEN];
            char hex[2 * SERIAL_LEN + 1];

            memset(random, (int)filler, sizeof random);
            serial_make(revisions[i], random, serial);
            bytes_to_hex(bytes_make(serial, sizeof serial), hex);
            cr_assert_eq(serial_revision(bytes_of(hex)), revisions[i], "%s", hex);
            /* An INTEGER in DER: its first bit is the sign, and a leading 0 would be left out. */
            cr_assert(serial[0] > 0 && serial[0] < 0x80, "%s", hex);
            cr_assert_eq(memcmp(serial + SERIAL_LEN - SERIAL_RANDOM_LEN, random, sizeof random), 0);
        }
    }
}

Test(serial, tells_no_revision_where_none_is)
{
    static const char *const others[] = {
        "",
        "0",
        "41",
        "7fffffffffffffffffffffffffffffff",         /* of the older layout: 16 bytes */
        "4100000000000000010102030405060708090a0b", /* this is one, with revision 1 */
        "4200000000000000010102030405060708090a0b", /* another layout */
        "41ffffffffffffffff0102030405060708090a0b", /* negative */
        "4100000000000000010102030405060708090a0",
        "4100000000000000010102030405060708090a0b0c",
        "g100000000000000010102030405060708090a0b",
    };

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_assert_eq(serial_revision(bytes_of(others[i])), i == 4 ? 1 : 0, "%s", others[i]);
    }
}
