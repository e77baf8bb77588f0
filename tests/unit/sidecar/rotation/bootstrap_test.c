/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/bootstrap.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/suite.h"

SUITE(bootstrap);

#define DIGITS "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

Test(bootstrap, reads_a_pin_as_people_write_it)
{
    static const char *const ways[] = {
        DIGITS,
        "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF",
        "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:"
        "EE:FF",
    };

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct bootstrap bootstrap;
        char hex[65];

        cr_assert_eq(bootstrap_init(&bootstrap, NULL, ways[i], NULL, NULL), STATUS_OK, "%s",
                     ways[i]);
        bytes_to_hex(bytes_make(bootstrap.pin, sizeof bootstrap.pin), hex);
        cr_assert_str_eq(hex, DIGITS);
        cr_assert(bootstrap.pinned);
        bootstrap_clear(&bootstrap);
    }
}

Test(bootstrap, refuses_pins_that_are_none)
{
    static const char *const wrong[] = {
        "",
        "00",
        DIGITS "0",
        DIGITS "00",
        "g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        ":" DIGITS,
        DIGITS ":",
        "0:0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "00::112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "sha256:" DIGITS,
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bootstrap bootstrap;
        struct failure why = {0};

        cr_assert_eq(bootstrap_init(&bootstrap, NULL, wrong[i], NULL, &why), STATUS_CONFIG, "%s",
                     wrong[i]);
        cr_assert_str_eq(why.reason, "agent/first-bundle");
    }
}

Test(bootstrap, without_a_token_file_it_says_so)
{
    struct bootstrap bootstrap;
    CLEARED(secret) token = {0};
    struct failure why = {0};

    cr_assert_eq(bootstrap_init(&bootstrap, "/nowhere/roots.pem", NULL, NULL, NULL), STATUS_OK);
    cr_assert_eq(bootstrap_read_token(&bootstrap, &token, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "agent/no-token");
    bootstrap_clear(&bootstrap);
}

Test(bootstrap, a_token_is_bounded)
{
    struct bootstrap bootstrap;
    CLEARED(secret) token = {0};
    struct failure why = {0};
    char path[] = "/tmp/signet-token-XXXXXX";
    int file = mkstemp(path);
    static char big[16 * 1024 + 1];

    memset(big, 'x', sizeof big);
    cr_assert_eq(write(file, big, sizeof big), (ssize_t)sizeof big);
    (void)close(file);
    cr_assert_eq(bootstrap_init(&bootstrap, "/nowhere/roots.pem", NULL, path, NULL), STATUS_OK);
    cr_assert_eq(bootstrap_read_token(&bootstrap, &token, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "secret/too-long");
    bootstrap_clear(&bootstrap);
    (void)unlink(path);
}
