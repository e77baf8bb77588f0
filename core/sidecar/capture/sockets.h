/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose TCP sockets are left in this network namespace: ours, nobody's (TIME_WAIT, and what the kernel
 * still sends for a process that is gone), or somebody's. While somebody has one the application, or
 * its pre-stop hook, may still want something of us.
 *
 * Source: sock_diag(7), linux/inet_diag.h. The kernel's module tcp_diag answers; it asks for no right.
 */
#ifndef SIGNET_CORE_SIDECAR_CAPTURE_SOCKETS_H
#define SIGNET_CORE_SIDECAR_CAPTURE_SOCKETS_H

#include <sys/types.h>

#include "core/runtime/base/ip.h"

#define SOCKETS_SHOWN 4
#define SOCKETS_TEXT_MAX 512

/* A socket of somebody else. */
struct sockets_other {
    struct ip ip; /* its own end */
    uint16_t port;
    uint8_t state; /* of enum tcp_state: 1 established, 10 listening */
    uid_t uid;
};

struct sockets_view {
    unsigned others; /* sockets of somebody else */
    struct sockets_other shown[SOCKETS_SHOWN]; /* the first of them */
};

/* Which are ours. */
struct sockets_ours {
    bool by_user; /* those of our user too: where nobody else runs as it */
    uid_t uid;
    const uint32_t *inodes; /* of our descriptors, ascending; borrowed */
    size_t num_inodes;
};

/*
 * sockets_look asks the kernel. With `user_is_ours` every socket of our own user counts as ours, which
 * holds behind redirection: it leaves this user's traffic alone.
 * STATUS_IO "sockets/ask", "sockets/descriptors"; STATUS_PROTOCOL "sockets/answer".
 */
enum status sockets_look(bool user_is_ours, struct sockets_view *out_view,
                         struct failure *why) MUST_USE;

/*
 * sockets_read takes in one datagram of the kernel's answer and adds to *view. *out_last: no more comes.
 * STATUS_PROTOCOL "sockets/answer"; STATUS_IO "sockets/ask" with the kernel's word. Pure.
 */
enum status sockets_read(struct bytes answer, const struct sockets_ours *ours,
                         struct sockets_view *view, bool *out_last, struct failure *why) MUST_USE;

/* sockets_print writes those shown: "port 22 of 0.0.0.0 (listening, user 0), … and 3 more", or "none". */
void sockets_print(const struct sockets_view *view, char out[SOCKETS_TEXT_MAX]);

#endif
