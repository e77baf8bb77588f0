/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the application meant to go, before the redirection brought the connection here.
 * Source: Linux SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST.
 */
#ifndef SIGNET_CORE_SIDECAR_CAPTURE_ORIGINAL_DST_H
#define SIGNET_CORE_SIDECAR_CAPTURE_ORIGINAL_DST_H

#include "core/runtime/net/address.h"

/*
 * original_dst asks the kernel about an accepted connection.
 *
 * STATUS_DENIED "capture/loop": the connection was made to the proxy's own port, not redirected;
 * dialling its destination would come back here for ever. STATUS_IO "capture/original-destination"
 * when the kernel cannot tell (no connection tracking). Any thread.
 */
enum status original_dst(int fd, struct address *out_address, struct failure *why) MUST_USE;

/*
 * original_dst_inbound is original_dst() for connections from outside, which may be redirected whatever
 * address they were sent to: a neighbour on the same link can put any on a packet. STATUS_DENIED
 * "capture/not-here" when that address is not this machine's own, or is loopback's: dialling it would
 * carry strangers into what listens on 127.0.0.1 only, or on to third machines. Any thread.
 */
enum status original_dst_inbound(int fd, struct address *out_address, struct failure *why) MUST_USE;

/*
 * original_dst_is_here tells whether a connection that came in at local address `own` may have been
 * meant for `answer`: its own address, or another one of this machine's, loopback aside. Any thread.
 */
bool original_dst_is_here(const struct address *own, const struct address *answer);

/*
 * original_dst_judge is the pure part: `answer` is what the kernel gave, `own` the accepted socket's
 * local address, `listener_port` the port it was accepted on. STATUS_DENIED as above.
 */
enum status original_dst_judge(const struct address *answer, const struct address *own,
                               uint16_t listener_port, struct failure *why) MUST_USE;

#endif
