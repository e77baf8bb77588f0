/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a socket is: IPv4, IPv6 or unix. Parsed, printed, compared. Pure, but for the two that ask a
 * socket for its addresses. IPv4 addresses are kept as IPv4, also when a dual-stack socket reports
 * them mapped into IPv6.
 */
#ifndef SIGNET_CORE_RUNTIME_NET_ADDRESS_H
#define SIGNET_CORE_RUNTIME_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/runtime/base/bytes.h"
#include "core/runtime/base/ip.h"

/* The longest printed form, NUL included: "unix:" and a path. */
#define ADDRESS_TEXT_MAX 128

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } at;
    socklen_t len; /* bytes of `at` in use; 0: no address */
};

/*
 * address_parse reads "10.0.0.1:80", "[fd77::2]:80", ":80" (every address, both families) or
 * "unix:/path". No names, no zones.
 *
 * STATUS_CONFIG "address/form", "address/ip", "address/port" (1-65535), "address/path".
 */
enum status address_parse(struct bytes text, struct address *out_address,
                          struct failure *why) MUST_USE;

/* address_of_ip makes an address of an IP and a port in host order. */
struct address address_of_ip(const struct ip *ip, uint16_t port);

/* address_of_sockaddr copies what a system call gave; a v4-mapped IPv6 address becomes IPv4. */
struct address address_of_sockaddr(const struct sockaddr *from, socklen_t len);

/* address_ip is the IP of an IPv4 or IPv6 address; all zeros for unix. address_port: 0 for unix. */
struct ip address_ip(const struct address *address);
uint16_t address_port(const struct address *address);

/* address_is_unix: is it the path of a unix socket? */
bool address_is_unix(const struct address *address);

/* address_is_loopback: 127.0.0.0/8 or ::1. */
bool address_is_loopback(const struct address *address);

/* address_equal compares family, address and port. */
bool address_equal(const struct address *a, const struct address *b);

/* address_print writes the form that address_parse reads into `out` and returns `out`. */
const char *address_print(const struct address *address, char out[ADDRESS_TEXT_MAX]);

/* address_local and address_peer ask a socket; `len` is 0 where the system does not tell. */
struct address address_local(int fd);
struct address address_peer(int fd);

#endif
