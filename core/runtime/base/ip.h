/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An IP address as 16 bytes, and a block of them (CIDR). Text and numbers only: no sockets.
 *
 * IPv4 is kept in its IPv6-mapped form (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), so that one
 * address has one form whatever socket it came from: two equal addresses are equal bytes, and a map
 * may be keyed by them. A zeroed struct is "::", which is nobody's address.
 */
#ifndef SIGNET_CORE_RUNTIME_BASE_IP_H
#define SIGNET_CORE_RUNTIME_BASE_IP_H

#include <sys/socket.h>

#include "core/runtime/base/bytes.h"

/* Room for any printed address, and for any printed block, NUL included. */
#define IP_TEXT_MAX 46
#define IP_BLOCK_TEXT_MAX 50

struct ip {
    uint8_t at[16]; /* network order; v4-mapped for IPv4 */
};

/* Every address of `ip`'s family that shares its first `bits` bits. */
struct ip_block {
    struct ip ip; /* bits after the first `bits` are zero */
    uint8_t bits; /* 0..128, counted in the 16-byte form: 10.0.0.0/8 has 104 */
};

/* ip_of_v4 is the address whose four bytes, in network order, are at `at`. */
struct ip ip_of_v4(const uint8_t at[4]);

/* ip_is_v4 tells whether it is an IPv4 address (v4-mapped). */
bool ip_is_v4(const struct ip *ip);

/* ip_equal compares; ip_bytes borrows the 16 bytes, as a key for a map. */
bool ip_equal(const struct ip *a, const struct ip *b);
struct bytes ip_bytes(const struct ip *ip);

/*
 * ip_source is whom limits on strangers count: an IPv4 address itself; of an IPv6 address its /64,
 * since one host may have every address of that (RFC 4291 2.5.1: interface identifiers of 64 bits).
 */
struct ip ip_source(const struct ip *ip);

/*
 * ip_parse reads one address: dotted IPv4 without leading zeros, or IPv6 without zone and brackets.
 * False when it is anything else; then *out_ip is untouched.
 */
bool ip_parse(struct bytes text, struct ip *out_ip);

/* ip_print writes the address as people write it (IPv4 dotted, IPv6 as in RFC 5952) and a NUL. */
void ip_print(const struct ip *ip, char out[IP_TEXT_MAX]);

/*
 * ip_of_sockaddr takes address and port (host order) out of a socket's address; out_port may be NULL.
 * False when it is neither IPv4 nor IPv6.
 */
bool ip_of_sockaddr(const struct sockaddr *from, struct ip *out_ip, uint16_t *out_port);

/*
 * ip_block_parse reads "10.0.0.0/8", "fd00::/16", or a single address, which is a block of one. Bits
 * after the prefix are dropped, as Istio does. False when it is anything else.
 */
bool ip_block_parse(struct bytes text, struct ip_block *out_block);

/*
 * ip_block_has: is the address in the block? Only within one family: ::/0 holds no IPv4 address.
 */
bool ip_block_has(const struct ip_block *block, const struct ip *ip);

/* ip_block_print writes the block ("10.0.0.0/8"; a block of one as its address alone) and a NUL. */
void ip_block_print(const struct ip_block *block, char out[IP_BLOCK_TEXT_MAX]);

#endif
