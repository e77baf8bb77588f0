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
 * original_dst_judge is the pure part: `answer` is what the kernel gave, `own` the accepted socket's
 * local address, `listener_port` the port it was accepted on. STATUS_DENIED as above.
 */
enum status original_dst_judge(const struct address *answer, const struct address *own,
                               uint16_t listener_port, struct failure *why) MUST_USE;

#endif
