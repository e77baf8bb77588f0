/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct address address_of_ip(const struct ip *ip, uint16_t port)
{
    struct address address = {0};

    if (ip_is_v4(ip)) {
        address.at.v4.sin_family = AF_INET;
        address.at.v4.sin_port = htons(port);
        memcpy(&address.at.v4.sin_addr, ip->at + 12, 4);
        address.len = sizeof address.at.v4;
    } else {
        address.at.v6.sin6_family = AF_INET6;
        address.at.v6.sin6_port = htons(port);
        memcpy(&address.at.v6.sin6_addr, ip->at, 16);
        address.len = sizeof address.at.v6;
    }
    return address;
}

struct address address_of_sockaddr(const struct sockaddr *from, socklen_t len)
{
    struct address address = {0};

    if (len == 0 || len > sizeof address.at) {
        return address;
    }
    memcpy(&address.at, from, len);
    address.len = len;
    if (address.at.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address.at.v6.sin6_addr)) {
        struct ip ip = address_ip(&address);

        return address_of_ip(&ip, address_port(&address));
    }
    return address;
}

struct ip address_ip(const struct address *address)
{
    struct ip ip = {0};

    if (address->len > 0 && address->at.any.sa_family == AF_INET) {
        ip.at[10] = 0xff;
        ip.at[11] = 0xff;
        memcpy(ip.at + 12, &address->at.v4.sin_addr, 4);
    } else if (address->len > 0 && address->at.any.sa_family == AF_INET6) {
        memcpy(ip.at, &address->at.v6.sin6_addr, 16);
    }
    return ip;
}

uint16_t address_port(const struct address *address)
{
    if (address->len > 0 && address->at.any.sa_family == AF_INET) {
        return ntohs(address->at.v4.sin_port);
    }
    if (address->len > 0 && address->at.any.sa_family == AF_INET6) {
        return ntohs(address->at.v6.sin6_port);
    }
    return 0;
}

bool address_is_unix(const struct address *address)
{
    return address->len > 0 && address->at.any.sa_family == AF_UNIX;
}

bool address_is_loopback(const struct address *address)
{
    if (address->len > 0 && address->at.any.sa_family == AF_INET) {
        return ntohl(address->at.v4.sin_addr.s_addr) >> 24 == 127;
    }
    return address->len > 0 && address->at.any.sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&address->at.v6.sin6_addr);
}

bool address_equal(const struct address *a, const struct address *b)
{
    struct ip ip_a;
    struct ip ip_b;

    if (address_is_unix(a) || address_is_unix(b)) {
        return address_is_unix(a) && address_is_unix(b) &&
               strncmp(a->at.local.sun_path, b->at.local.sun_path,
                       sizeof a->at.local.sun_path) == 0;
    }
    ip_a = address_ip(a);
    ip_b = address_ip(b);
    return a->len == b->len && address_port(a) == address_port(b) &&
           memcmp(ip_a.at, ip_b.at, sizeof ip_a.at) == 0;
}

const char *address_print(const struct address *address, char out[ADDRESS_TEXT_MAX])
{
    char ip[INET6_ADDRSTRLEN] = "";

    if (address->len == 0) {
        (void)snprintf(out, ADDRESS_TEXT_MAX, "unknown");
    } else if (address->at.any.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &address->at.v4.sin_addr, ip, sizeof ip);
        (void)snprintf(out, ADDRESS_TEXT_MAX, "%s:%u", ip, address_port(address));
    } else if (address->at.any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &address->at.v6.sin6_addr, ip, sizeof ip);
        (void)snprintf(out, ADDRESS_TEXT_MAX, "[%s]:%u", ip, address_port(address));
    } else {
        (void)snprintf(out, ADDRESS_TEXT_MAX, "unix:%.*s", (int)sizeof address->at.local.sun_path,
                       address->at.local.sun_path);
    }
    return out;
}

static enum status address_parse_unix(struct bytes path, struct address *out_address,
                                      struct failure *why)
{
    struct address address = {0};

    if (path.len == 0 || path.len >= sizeof address.at.local.sun_path ||
        memchr(path.at, '\0', path.len) != NULL) {
        return fail(why, STATUS_CONFIG, "address/path",
                    "a unix socket's path has 1 to %zu bytes, this one %zu",
                    sizeof address.at.local.sun_path - 1, path.len);
    }
    address.at.local.sun_family = AF_UNIX;
    memcpy(address.at.local.sun_path, path.at, path.len);
    address.len = sizeof address.at.local;
    *out_address = address;
    return STATUS_OK;
}

enum status address_parse(struct bytes text, struct address *out_address, struct failure *why)
{
    struct bytes host;
    struct bytes port_text;
    uint64_t port;
    struct ip ip = {0};
    size_t colon = text.len;

    if (bytes_starts(text, bytes_of("unix:"))) {
        return address_parse_unix(bytes_skip(text, 5), out_address, why);
    }
    while (colon > 0 && text.at[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0 || text.len > 64) {
        return fail(why, STATUS_CONFIG, "address/form",
                    "\"%.*s\" is not ADDRESS:PORT, [IPV6]:PORT, :PORT or unix:PATH",
                    (int)(text.len > 64 ? 64 : text.len), (const char *)text.at);
    }
    host = bytes_make(text.at, colon - 1);
    port_text = bytes_skip(text, colon);
    if (!bytes_to_number(port_text, 65535, &port) || port == 0) {
        return fail(why, STATUS_CONFIG, "address/port", "\"%.*s\" has no port from 1 to 65535",
                    (int)text.len, (const char *)text.at);
    }
    if (host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']') {
        host = bytes_make(host.at + 1, host.len - 2);
        if (host.len == 0 || memchr(host.at, ':', host.len) == NULL) {
            return fail(why, STATUS_CONFIG, "address/ip", "\"%.*s\": brackets hold an IPv6 address",
                        (int)text.len, (const char *)text.at);
        }
    } else if (host.len > 0 && memchr(host.at, ':', host.len) != NULL) {
        return fail(why, STATUS_CONFIG, "address/form", "\"%.*s\": write IPv6 as [ADDRESS]:PORT",
                    (int)text.len, (const char *)text.at);
    }
    if (host.len > 0 && !ip_parse(host, &ip)) {
        return fail(why, STATUS_CONFIG, "address/ip",
                    "\"%.*s\" is not an IP address (names are not looked up here)", (int)host.len,
                    (const char *)host.at);
    }
    *out_address = address_of_ip(&ip, (uint16_t)port);
    return STATUS_OK;
}

struct address address_local(int fd)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;

    if (getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        return (struct address){0};
    }
    return address_of_sockaddr((struct sockaddr *)&at, len);
}

struct address address_peer(int fd)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;

    if (getpeername(fd, (struct sockaddr *)&at, &len) != 0) {
        return (struct address){0};
    }
    return address_of_sockaddr((struct sockaddr *)&at, len);
}
