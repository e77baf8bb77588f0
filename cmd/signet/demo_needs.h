/* SPDX-License-Identifier: Apache-2.0 */
/* What the demo needs of the machine, asked before anything is made. */
#ifndef SIGNET_CMD_SIGNET_DEMO_NEEDS_H
#define SIGNET_CMD_SIGNET_DEMO_NEEDS_H

#include <stdio.h>

#include "cmd/signet/demo_mesh.h"

/*
 * demo_needs_check looks for: root, the tools ip, nginx, curl and wrk, CAP_SYS_ADMIN (network
 * namespaces), CAP_NET_ADMIN with bridge and veth, netfilter with NAT (asked of the kernel with
 * signet-init's own ruleset, in a namespace that is gone again), AF_PACKET. Each one missing is a line
 * on `out`, with its remedy. Returns how many are.
 */
unsigned demo_needs_check(const struct demo_programs *programs, FILE *out);

#endif
