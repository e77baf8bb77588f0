/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Application to network: original destination, what the mesh knows of it, an endpoint, mutual TLS with
 * the identity that the mesh names for it. Never in plaintext to a peer that is in the mesh, unless
 * the mesh itself says that its port takes no TLS.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_OUTBOUND_H
#define SIGNET_CORE_SIDECAR_PROXY_OUTBOUND_H

#include "core/sidecar/proxy/lane.h"

/* outbound_accepted begins a captured connection: its destination is asked of the kernel. */
void outbound_accepted(struct lane *lane, int fd, const struct address *peer);

/* outbound_forwarded begins one of an explicit listener. */
void outbound_forwarded(struct lane *lane, const struct forward *forward, int fd,
                        const struct address *peer);

#endif
