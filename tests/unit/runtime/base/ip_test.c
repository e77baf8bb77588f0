/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "core/runtime/base/ip.h"
#include "tests/support/suite.h"

SUITE(ip);

Test(ip, reads_and_prints_both_families)
{
    static const char *const texts[][2] = {
        {"10.0.0.1", "10.0.0.1"},     {"0.0.0.0", "0.0.0.0"}, {"::1", "::1"},
        {"FD00:0:0:0::5", "fd00::5"}, {"::", "::"},           {"::ffff:10.0.0.1", "10.0.0.1"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ip ip;
        char printed[IP_TEXT_MAX];

        cr_assert(ip_parse(bytes_of(texts[i][0]), &ip), "%s", texts[i][0]);
        ip_print(&ip, printed);
        cr_expect_str_eq(printed, texts[i][1]);
        cr_expect_eq(ip_is_v4(&ip), strchr(texts[i][1], '.') != NULL);
    }
}

Test(ip, refuses_what_is_no_address)
{
    static const char *const texts[] = {
        "",           "10.0.0",           "10.0.0.0.1", "10.0.0.256", "010.0.0.1", "10.0.0.1 ",
        "[::1]",      "::1%lo",           ":::",        "10.0.0.1/8", "localhost", "1",
        "0x7f.0.0.1", "::ffff:10.0.0.256"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ip ip = {{9}};

        cr_expect_not(ip_parse(bytes_of(texts[i]), &ip), "%s", texts[i]);
        cr_expect_eq(ip.at[0], 9);
    }
    cr_expect_not(ip_parse(bytes_make("10.0.0.1\0x", 10), &(struct ip){{0}}));
}

struct block_row {
    const char *block;
    const char *address;
    bool has;
};

static const struct block_row rows[] = {
    {"10.0.0.0/8", "10.255.0.1", true},    {"10.0.0.0/8", "11.0.0.1", false},
    {"10.1.2.3", "10.1.2.3", true},        {"10.1.2.3", "10.1.2.4", false},
    {"10.1.2.3/24", "10.1.2.200", true},   {"10.1.2.128/25", "10.1.2.127", false},
    {"10.1.2.128/25", "10.1.2.128", true}, {"0.0.0.0/0", "255.1.1.1", true},
    {"0.0.0.0/0", "fd00::1", false},       {"::/0", "fd00::1", true},
    {"::/0", "10.0.0.1", false},           {"fd00::/15", "fd01::1", true},
    {"fd00::/16", "fd01::1", false},       {"::ffff:10.0.0.0/104", "10.9.9.9", true},
    {"::ffff:0:0/90", "10.9.9.9", false},  {"fd00::1/128", "fd00::1", true},
};

Test(ip, a_block_has_what_shares_its_first_bits_in_its_family)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ip_block block;
        struct ip ip;

        cr_assert(ip_block_parse(bytes_of(rows[i].block), &block), "%s", rows[i].block);
        cr_assert(ip_parse(bytes_of(rows[i].address), &ip));
        cr_expect_eq(ip_block_has(&block, &ip), rows[i].has, "%s in %s", rows[i].address,
                     rows[i].block);
    }
}

Test(ip, refuses_what_is_no_block)
{
    static const char *const texts[] = {"10.0.0.0/33",  "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1",
                                        "10.0.0.0/8/8", "/8",        "fd00::/129",  "10.0.0.0/0008",
                                        "10.0.0/8",     "fd00::/x"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ip_block block;

        cr_expect_not(ip_block_parse(bytes_of(texts[i]), &block), "%s", texts[i]);
    }
}

Test(ip, a_block_is_printed_without_the_bits_behind_its_prefix)
{
    static const char *const texts[][2] = {{"10.1.2.3/8", "10.0.0.0/8"},
                                           {"10.1.2.3/32", "10.1.2.3"},
                                           {"fd00:1::5/16", "fd00::/16"},
                                           {"::/0", "::/0"},
                                           {"0.0.0.0/0", "0.0.0.0/0"}};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ip_block block;
        char printed[IP_BLOCK_TEXT_MAX];

        cr_assert(ip_block_parse(bytes_of(texts[i][0]), &block));
        ip_block_print(&block, printed);
        cr_expect_str_eq(printed, texts[i][1]);
    }
}

Test(ip, an_ipv4_socket_and_a_mapped_one_give_the_same_bytes)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(81)};
    struct sockaddr_un other = {.sun_family = AF_UNIX};
    struct ip a;
    struct ip b;
    uint16_t port;

    cr_assert_eq(inet_pton(AF_INET, "10.0.0.1", &v4.sin_addr), 1);
    cr_assert_eq(inet_pton(AF_INET6, "::ffff:10.0.0.1", &v6.sin6_addr), 1);
    cr_assert(ip_of_sockaddr((struct sockaddr *)&v4, &a, &port));
    cr_assert_eq(port, 80);
    cr_assert(ip_of_sockaddr((struct sockaddr *)&v6, &b, &port));
    cr_assert_eq(port, 81);
    cr_assert(ip_equal(&a, &b));
    cr_assert_not(ip_of_sockaddr((struct sockaddr *)&other, &a, NULL));
}
