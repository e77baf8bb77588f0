/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/net/interface.h"

#include <ifaddrs.h>
#include <net/if.h>

static bool interface_is_link_local(const struct ip *ip)
{
    return (ip->at[0] == 0xfe && (ip->at[1] & 0xc0) == 0x80) ||
           (ip_is_v4(ip) && ip->at[12] == 169 && ip->at[13] == 254);
}

size_t interface_addresses(struct interface_address *out_addresses, size_t room)
{
    struct ifaddrs *all = NULL;
    size_t count = 0;

    if (getifaddrs(&all) != 0) {
        return 0;
    }
    for (const struct ifaddrs *at = all; at != NULL && count < room; at = at->ifa_next) {
        struct ip ip;

        if (at->ifa_addr != NULL && (at->ifa_flags & IFF_UP) != 0 &&
            ip_of_sockaddr(at->ifa_addr, &ip, NULL) && !interface_is_link_local(&ip)) {
            out_addresses[count].ip = ip;
            out_addresses[count++].is_loopback = (at->ifa_flags & IFF_LOOPBACK) != 0;
        }
    }
    freeifaddrs(all);
    return count;
}
