/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP addresses and blocks as text and as bytes. See ip.h.
 */
#include "core/runtime/base/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { IP_V4_PREFIX_BITS = 96, IP_BITS = 128 };

static const uint8_t ip_v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct ip ip_of_v4(const uint8_t at[4])
{
    struct ip ip;

    memcpy(ip.at, ip_v4_prefix, sizeof ip_v4_prefix);
    memcpy(ip.at + sizeof ip_v4_prefix, at, 4);
    return ip;
}

bool ip_is_v4(const struct ip *ip)
{
    return memcmp(ip->at, ip_v4_prefix, sizeof ip_v4_prefix) == 0;
}

struct ip ip_source(const struct ip *ip)
{
    struct ip source = *ip;

    if (!ip_is_v4(ip)) {
        memset(source.at + 8, 0, sizeof source.at - 8);
    }
    return source;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
    return memcmp(a->at, b->at, sizeof a->at) == 0;
}

struct bytes ip_bytes(const struct ip *ip)
{
    return bytes_make(ip->at, sizeof ip->at);
}

bool ip_parse(struct bytes text, struct ip *out_ip)
{
    char copy[IP_TEXT_MAX];
    uint8_t v4[4];
    struct ip v6;

    if (text.len == 0 || text.len >= sizeof copy || memchr(text.at, 0, text.len) != NULL) {
        return false;
    }
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, v4) == 1) {
        *out_ip = ip_of_v4(v4);
        return true;
    }
    if (inet_pton(AF_INET6, copy, v6.at) == 1) {
        *out_ip = v6;
        return true;
    }
    return false;
}

void ip_print(const struct ip *ip, char out[IP_TEXT_MAX])
{
    const char *printed = ip_is_v4(ip)
                              ? inet_ntop(AF_INET, ip->at + sizeof ip_v4_prefix, out, IP_TEXT_MAX)
                              : inet_ntop(AF_INET6, ip->at, out, IP_TEXT_MAX);

    if (printed == NULL) {
        out[0] = '\0';
    }
}

bool ip_of_sockaddr(const struct sockaddr *from, struct ip *out_ip, uint16_t *out_port)
{
    uint16_t port;

    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, from, sizeof v4);
        *out_ip = ip_of_v4((const uint8_t *)&v4.sin_addr);
        port = v4.sin_port;
    } else if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, from, sizeof v6);
        memcpy(out_ip->at, &v6.sin6_addr, sizeof out_ip->at);
        port = v6.sin6_port;
    } else {
        return false;
    }
    if (out_port != NULL) {
        *out_port = ntohs(port);
    }
    return true;
}

/* ip_keep zeroes all but the first `bits` bits. */
static void ip_keep(struct ip *ip, unsigned bits)
{
    for (unsigned i = 0; i < sizeof ip->at; i++) {
        unsigned first = i * 8;

        if (first >= bits) {
            ip->at[i] = 0;
        } else if (bits - first < 8) {
            ip->at[i] = (uint8_t)(ip->at[i] & 0xffu << (8 - (bits - first)));
        }
    }
}

bool ip_block_parse(struct bytes text, struct ip_block *out_block)
{
    struct bytes prefix = text;
    struct bytes address = bytes_split(&prefix, '/');
    bool has_prefix = prefix.at != NULL;
    uint64_t bits = IP_BITS;
    struct ip ip;

    if (!ip_parse(address, &ip)) {
        return false;
    }
    if (has_prefix) {
        /* "::ffff:10.0.0.0/104" counts from the front, "10.0.0.0/8" from the IPv4 part. */
        bool dotted = memchr(address.at, ':', address.len) == NULL;

        if (prefix.len > 3 || (prefix.len > 1 && prefix.at[0] == '0') ||
            !bytes_to_number(prefix, dotted ? IP_BITS - IP_V4_PREFIX_BITS : IP_BITS, &bits)) {
            return false;
        }
        bits += dotted ? IP_V4_PREFIX_BITS : 0;
    }
    ip_keep(&ip, (unsigned)bits);
    out_block->ip = ip;
    out_block->bits = (uint8_t)bits;
    return true;
}

bool ip_block_has(const struct ip_block *block, const struct ip *ip)
{
    bool block_is_v4 = block->bits >= IP_V4_PREFIX_BITS && ip_is_v4(&block->ip);
    unsigned whole = block->bits / 8u;
    unsigned rest = block->bits % 8u;

    if (block_is_v4 != ip_is_v4(ip) || memcmp(block->ip.at, ip->at, whole) != 0) {
        return false;
    }
    return rest == 0 || ((block->ip.at[whole] ^ ip->at[whole]) & 0xffu << (8 - rest) & 0xffu) == 0;
}

void ip_block_print(const struct ip_block *block, char out[IP_BLOCK_TEXT_MAX])
{
    bool block_is_v4 = block->bits >= IP_V4_PREFIX_BITS && ip_is_v4(&block->ip);
    char address[IP_TEXT_MAX];

    ip_print(&block->ip, address);
    if (block->bits == IP_BITS) {
        (void)snprintf(out, IP_BLOCK_TEXT_MAX, "%s", address);
    } else {
        (void)snprintf(out, IP_BLOCK_TEXT_MAX, "%s/%d", address,
                       block->bits - (block_is_v4 ? IP_V4_PREFIX_BITS : 0));
    }
}
