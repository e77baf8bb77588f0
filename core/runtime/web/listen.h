/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listening socket, TCP or unix. Within this package only.
 */
#ifndef SIGNET_CORE_RUNTIME_WEB_LISTEN_H
#define SIGNET_CORE_RUNTIME_WEB_LISTEN_H

#include <sys/stat.h>

#include "core/runtime/net/address.h"

struct web_listener {
    int fd;                 /* owned; -1: none */
    struct address address; /* where it listens */
    dev_t socket_device;    /* of the unix socket that we made */
    ino_t socket_inode;
};

/* web_listen opens the socket; errors as web_server_start(). */
enum status web_listen(const char *address, struct web_listener *out_listener,
                       struct failure *why) MUST_USE;

/* web_listener_unlink removes the unix socket's path, if it still is the socket that we made. */
void web_listener_unlink(const struct web_listener *listener);

#endif
