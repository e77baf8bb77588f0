/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a caller of our gRPC server is, out of the text that gRPC has for it: "ipv4:10.0.0.7:41234",
 * "ipv6:%5Bfd00::7%5D:41234". Pure; any thread.
 * Source: gRPC's naming document (address forms), RFC 3986 section 2.1 (percent encoding).
 */
#ifndef SIGNET_CORE_CONTROL_SERVE_CALLER_H
#define SIGNET_CORE_CONTROL_SERVE_CALLER_H

#include "core/runtime/base/ip.h"

/* caller_ip reads the address out of `text`; false when it is none (a unix socket, a zone of a link). */
bool caller_ip(struct bytes text, struct ip *out_ip);

#endif
