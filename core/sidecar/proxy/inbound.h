/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network to application. Order is law: accept, TLS handshake and verification, authorization, and only
 * then is the application dialled. A refused peer costs it nothing, not even an accept. The one
 * exception is written at inbound_sniff(): a permissive port whose policy lets an anonymous caller in.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_INBOUND_H
#define SIGNET_CORE_SIDECAR_PROXY_INBOUND_H

#include "core/sidecar/proxy/lane.h"

/* inbound_accepted begins a captured connection: its destination is asked of the kernel. */
void inbound_accepted(struct lane *lane, int fd, const struct address *peer);

/* inbound_forwarded begins one of an explicit listener; always strict. */
void inbound_forwarded(struct lane *lane, const struct forward *forward, int fd,
                       const struct address *peer);

#endif
