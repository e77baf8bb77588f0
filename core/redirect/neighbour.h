/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A neighbour for the proof: a second network namespace joined to ours by a veth pair, with an
 * address of either family at both ends. Traffic to it leaves our namespace as real traffic does,
 * and traffic from it comes in as real traffic does; not a packet leaves the machine.
 *
 * The namespace has no name and no process: it lives by the descriptors that this struct holds, so
 * that it and the veth pair are gone after neighbour_close(), or when the process dies.
 */
#ifndef SIGNET_CORE_REDIRECT_NEIGHBOUR_H
#define SIGNET_CORE_REDIRECT_NEIGHBOUR_H

#include "core/runtime/base/ip.h"

struct neighbour {
    int home;      /* descriptor of our namespace; -1 when not open */
    int away;      /* descriptor of the other one; -1 when not open */
    bool has_ipv6; /* both ends have their IPv6 addresses */
};

/* The four ends: addresses for documentation, so they are nobody's (RFC 5737, RFC 3849). */
#define NEIGHBOUR_HERE_V4 "198.51.100.1"
#define NEIGHBOUR_THERE_V4 "198.51.100.2"
#define NEIGHBOUR_HERE_V6 "2001:db8:5167::1"
#define NEIGHBOUR_THERE_V6 "2001:db8:5167::2"

/*
 * neighbour_open makes namespace, pair and addresses. The calling thread changes namespaces for a
 * moment: for single-threaded programs only. A pair that an earlier run left is removed first.
 * STATUS_DENIED "redirect/permission" without CAP_SYS_ADMIN and CAP_NET_ADMIN, STATUS_NOT_FOUND
 * "redirect/kernel" without network namespaces or veth, STATUS_LIMIT "redirect/address-taken" when
 * this namespace already uses one of the addresses, STATUS_IO "redirect/neighbour" for the rest.
 */
enum status neighbour_open(struct neighbour *out_neighbour, struct failure *why) MUST_USE;

/* neighbour_close takes all of it away; nothing happens when it is not open. */
void neighbour_close(struct neighbour *neighbour);

/*
 * neighbour_socket makes a TCP socket (AF_INET or AF_INET6, close-on-exec, not blocking) that
 * lives over there, wherever it is used from. -1 with errno when the system refuses.
 */
int neighbour_socket(const struct neighbour *neighbour, int family);

#endif
