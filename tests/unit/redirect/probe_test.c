/* SPDX-License-Identifier: Apache-2.0 */
#include "core/redirect/probe.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/suite.h"

SUITE(probe);

/* As the kernel prints them on a little-endian host; the words are in the host's order. */
static const char table_v4[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout\n"
    "   0: 00000000:3A99 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0\n"
    "   1: 0100007F:3A99 0200000A:96E8 01 00000000:00000000 00:00000000 00000000     0        0\n"
    "  12: 0200000A:96E8 010200C0:3AFB 01 00000000:00000000 00:00000000 00000000     0        0\n";
static const char table_v6[] =
    "  sl  local_address                         remote_address                        st\n"
    "   0: 00000000000000000000000001000000:3A99 B80D0120000067510000000001000000:96E8 01\n"
    "   1: 0000000000000000FFFF00000100007F:3A9E 0000000000000000FFFF00000200000A:96E9 01\n";

static struct ip ip_of(const char *text)
{
    struct ip ip;

    cr_assert(ip_parse(bytes_of(text), &ip), "%s", text);
    return ip;
}

Test(probe, finds_the_connection_by_its_port_here_and_its_far_end)
{
    struct ip client = ip_of("10.0.0.2");
    struct ip other = ip_of("10.0.0.3");

    cr_assert(probe_table_has(bytes_of(table_v4), 15001, &client, 38632));
    cr_assert_not(probe_table_has(bytes_of(table_v4), 15001, &client, 38633));
    cr_assert_not(probe_table_has(bytes_of(table_v4), 15006, &client, 38632));
    cr_assert_not(probe_table_has(bytes_of(table_v4), 15001, &other, 38632));
}

Test(probe, finds_both_families_in_the_table_of_six)
{
    struct ip v6 = ip_of("2001:db8:5167::1");
    struct ip v4 = ip_of("10.0.0.2");

    cr_assert(probe_table_has(bytes_of(table_v6), 15001, &v6, 38632));
    cr_assert(probe_table_has(bytes_of(table_v6), 15006, &v4, 38633));
    cr_assert_not(probe_table_has(bytes_of(table_v6), 15001, &v4, 38632));
}

Test(probe, takes_no_line_that_is_not_whole_for_a_connection)
{
    static const char *const tables[] = {
        "", "\n", "1:", "1: 0100007F:3A99", "1: 0100007F:3A99 0200000A:96E",
        "1: 0100007F:3A99 0200000A", "1: 0100007F3A99 0200000A96E8", "1: 100007F:3A99 200000A:96E8",
        "1: 0100007G:3A99 0200000A:96E8", "1: 0100007F0100007F:3A99 0200000A:96E8",
    };
    struct ip client = ip_of("10.0.0.2");

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        cr_assert_not(probe_table_has(bytes_of(tables[i]), 15001, &client, 38632), "%s", tables[i]);
    }
}

/* On this machine's loopback: a real connection, judged by the kernel's real table. */
Test(probe, sees_where_a_real_connection_landed)
{
    int listener = probe_listen(0);
    uint16_t port = probe_port(listener);
    struct ip here = ip_of("127.0.0.1");
    int first = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int second = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int third = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    cr_assert(listener >= 0 && port != 0);
    cr_assert_eq(probe_connect(first, &here, port, port), PROBE_CAPTURED);
    cr_assert_eq(probe_connect(second, &here, port, (uint16_t)(port ^ 1)), PROBE_PASSED);
    cr_assert_eq(probe_listen(port), -1);
    cr_assert_eq(errno, EADDRINUSE);
    (void)close(listener);
    cr_assert_eq(probe_connect(third, &here, port, port), PROBE_REFUSED);
    (void)close(first);
    (void)close(second);
    (void)close(third);
}
