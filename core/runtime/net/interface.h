/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of this network namespace's interfaces, as the kernel has them now.
 * Source: getifaddrs(3).
 */
#ifndef SIGNET_CORE_RUNTIME_NET_INTERFACE_H
#define SIGNET_CORE_RUNTIME_NET_INTERFACE_H

#include "core/runtime/base/ip.h"

struct interface_address {
    struct ip ip;
    bool is_loopback; /* of a loopback interface: nobody else reaches it */
};

/*
 * interface_addresses gives up to `room` addresses of interfaces that are up, in the kernel's order,
 * and how many. Link-local ones are left out: they mean nothing without their interface. 0 when the
 * system does not tell.
 */
size_t interface_addresses(struct interface_address *out_addresses, size_t room);

#endif
