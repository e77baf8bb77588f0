/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection, opened to see where it lands: on a port of the proxy in this network namespace,
 * or where it was sent. The kernel's own list of sockets is the witness, so it works the same
 * whether a proxy listens or we do, and nobody has to say a word on the connection.
 */
#ifndef SIGNET_CORE_REDIRECT_PROBE_H
#define SIGNET_CORE_REDIRECT_PROBE_H

#include "core/runtime/base/ip.h"

#define PROBE_LIMIT_MS 1500 /* our own host answers at once; a lost SYN is sent again after 1000 */

enum probe_landing {
    PROBE_CAPTURED,    /* connected, and the far end is the proxy's port in this namespace */
    PROBE_PASSED,      /* connected, and the far end is somewhere else */
    PROBE_REFUSED,     /* reset: somebody is at that address, nobody on that port */
    PROBE_SILENT,      /* no answer within the limit */
    PROBE_UNREACHABLE, /* no route: it never left */
    PROBE_IMPOSSIBLE,  /* the system refused the socket: see errno */
};

/* probe_landing_text tells a landing in words: "no answer". Never NULL. */
const char *probe_landing_text(enum probe_landing landing);

/*
 * probe_connect connects `handle`, a TCP socket that does not block, to `to` and `port`, and finds
 * out where that landed. `proxy_port` is the port that counts as captured. The socket stays the
 * caller's.
 */
enum probe_landing probe_connect(int handle, const struct ip *to, uint16_t port,
                                 uint16_t proxy_port);

/*
 * probe_listen makes a listener for both families on every address of this namespace (IPv4 alone
 * where there is no IPv6), `port` 0 for any free one. -1 with errno: EADDRINUSE when somebody
 * listens there.
 */
int probe_listen(uint16_t port);

/* probe_listen_on does it with a fresh socket of family AF_INET6 or AF_INET. False with errno. */
bool probe_listen_on(int handle, int family, uint16_t port);

/* probe_port is the local port of a socket; 0 when it has none. */
uint16_t probe_port(int handle);

/*
 * probe_table_has: does `table`, the text of /proc/net/tcp or tcp6, hold a connection from `from`
 * and `from_port` to the local port `local_port`? Pure.
 */
bool probe_table_has(struct bytes table, uint16_t local_port, const struct ip *from,
                     uint16_t from_port);

#endif
