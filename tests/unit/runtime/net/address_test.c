/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/net/address.h"

#include <string.h>

#include "tests/support/suite.h"

SUITE(address);

static struct address address_sound(const char *text)
{
    struct address address;
    struct failure why = {0};

    cr_assert_eq(address_parse(bytes_of(text), &address, &why), STATUS_OK, "%s: %s", text,
                 why.detail);
    return address;
}

Test(address, reads_what_it_prints)
{
    static const char *const texts[] = {
        "10.0.0.1:80", "127.0.0.1:1",      "0.0.0.0:65535", "[::1]:443",
        "[fd77::2]:8", "unix:/run/a.sock", "unix:relative", "[2001:db8::1]:15099",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct address address = address_sound(texts[i]);
        char out[ADDRESS_TEXT_MAX];

        cr_assert_str_eq(address_print(&address, out), texts[i]);
    }
}

Test(address, refuses)
{
    static const struct {
        const char *text;
        const char *reason;
    } rows[] = {
        {"", "address/form"},
        {"10.0.0.1", "address/form"},
        {"localhost", "address/form"},
        {"localhost:80", "address/ip"},
        {"10.0.0.1:", "address/port"},
        {"10.0.0.1:0", "address/port"},
        {"10.0.0.1:65536", "address/port"},
        {"10.0.0.1:-1", "address/port"},
        {"10.0.0.1:+1", "address/port"},
        {"10.0.0.1: 80", "address/port"},
        {"10.0.0.1:80 ", "address/port"},
        {"10.0.0.256:80", "address/ip"},
        {"10.0.0:80", "address/ip"},
        {"010.0.0.1:80", "address/ip"},
        {"1.2.3.4.5:80", "address/ip"},
        {"fd77::2:80", "address/form"},
        {"[fd77::2]", "address/port"},
        {"[fd77::2]80", "address/port"},
        {"[10.0.0.1]:80", "address/ip"},
        {"[]:80", "address/ip"},
        {"[fe80::1%eth0]:80", "address/ip"},
        {"[fd77::2:80", "address/form"},
        {"unix:", "address/path"},
        {"10.0.0.1:99999999999999999999", "address/port"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:80",
         "address/form"},
        {"unix:/"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "address/path"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address address = {.len = 7};
        struct failure why = {0};

        cr_assert_eq(address_parse(bytes_of(rows[i].text), &address, &why), STATUS_CONFIG, "\"%s\"",
                     rows[i].text);
        cr_assert_str_eq(why.reason, rows[i].reason, "\"%s\": %s", rows[i].text, why.reason);
        cr_assert_eq(address.len, 7, "untouched");
    }
}

Test(address, a_nul_in_a_path_is_refused)
{
    struct address address;

    cr_assert_eq(address_parse(bytes_make("unix:/a\0b", 9), &address, NULL), STATUS_CONFIG);
}

Test(address, without_a_host_it_is_every_address_of_both_families)
{
    struct address any = address_sound(":15006");

    cr_assert_eq(any.at.any.sa_family, AF_INET6);
    cr_assert(IN6_IS_ADDR_UNSPECIFIED(&any.at.v6.sin6_addr));
    cr_assert_eq(address_port(&any), 15006);
}

Test(address, a_mapped_address_becomes_ipv4)
{
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    struct address plain = address_sound("10.1.2.3:80");
    struct address address;

    memcpy(&mapped.sin6_addr,
           (const uint8_t[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3}, 16);
    address = address_of_sockaddr((struct sockaddr *)&mapped, sizeof mapped);
    cr_assert_eq(address.at.any.sa_family, AF_INET);
    cr_assert(address_equal(&address, &plain));
}

Test(address, knows_loopback)
{
    static const struct {
        const char *text;
        bool yes;
    } rows[] = {
        {"127.0.0.1:1", true}, {"127.9.9.9:1", true}, {"[::1]:1", true},    {"128.0.0.1:1", false},
        {"[::2]:1", false},    {"unix:/x", false},    {"0.0.0.0:1", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address address = address_sound(rows[i].text);

        cr_assert_eq(address_is_loopback(&address), rows[i].yes, "%s", rows[i].text);
    }
}

Test(address, equal_means_family_address_and_port)
{
    static const char *const texts[] = {"10.0.0.1:80", "10.0.0.1:81", "10.0.0.2:80",
                                        "[::1]:80",    "unix:/a",     "unix:/b"};

    for (size_t i = 0; i < 6; i++) {
        for (size_t k = 0; k < 6; k++) {
            struct address a = address_sound(texts[i]);
            struct address b = address_sound(texts[k]);

            cr_assert_eq(address_equal(&a, &b), i == k, "%s %s", texts[i], texts[k]);
        }
    }
}

Test(address, an_unknown_one_is_harmless)
{
    struct address none = {0};
    char out[ADDRESS_TEXT_MAX];

    cr_assert_str_eq(address_print(&none, out), "unknown");
    cr_assert_eq(address_port(&none), 0);
    cr_assert(!address_is_unix(&none) && !address_is_loopback(&none));
    cr_assert_eq(address_local(-1).len, 0);
    cr_assert_eq(address_peer(-1).len, 0);
}
