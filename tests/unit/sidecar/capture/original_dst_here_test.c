/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet from the link may carry any destination, and the redirection takes it all the same: only
 * what was meant for an address of this machine goes on, and nothing for loopback.
 */
#include <ifaddrs.h>
#include <net/if.h>

#include "core/sidecar/capture/original_dst.h"
#include "tests/support/suite.h"

SUITE(original_dst_here);

static struct address at(const char *text)
{
    struct address address;

    cr_assert_eq(address_parse(bytes_of(text), &address, NULL), STATUS_OK, "%s", text);
    return address;
}

Test(original_dst_here, takes_the_address_that_the_connection_came_in_at)
{
    struct address own = at("10.0.0.7:15006");
    struct address meant = at("10.0.0.7:8080");

    cr_assert(original_dst_is_here(&own, &meant));
    own = at("127.0.0.1:15006"); /* within one machine, as tests have it */
    meant = at("127.0.0.1:8080");
    cr_assert(original_dst_is_here(&own, &meant));
}

Test(original_dst_here, refuses_loopback_third_machines_and_no_address)
{
    static const char *const refused[] = {
        "127.0.0.1:15000", "127.0.0.1:6379", "127.255.255.254:80", "[::1]:15000", "0.0.0.0:80",
        "198.51.100.9:53", "192.0.2.1:80",   "[2001:db8::1]:443",  "[::]:80",     "240.0.0.1:80",
    };
    struct address own = at("10.0.0.7:15006");

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct address meant = at(refused[i]);

        cr_expect(!original_dst_is_here(&own, &meant), "%s", refused[i]);
    }
}

Test(original_dst_here, takes_another_address_of_this_machine)
{
    struct address own = at("10.255.255.7:15006");
    struct ifaddrs *all = NULL;
    unsigned found = 0;

    cr_assert_eq(getifaddrs(&all), 0);
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        if (one->ifa_addr != NULL && one->ifa_addr->sa_family == AF_INET &&
            (one->ifa_flags & IFF_LOOPBACK) == 0) {
            struct address meant =
                address_of_sockaddr(one->ifa_addr, (socklen_t)sizeof(struct sockaddr_in));

            found++;
            cr_expect(original_dst_is_here(&own, &meant));
        }
    }
    freeifaddrs(all);
    if (found == 0) {
        cr_skip("this machine has no address but loopback's");
    }
}
