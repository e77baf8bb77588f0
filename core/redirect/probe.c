/* SPDX-License-Identifier: Apache-2.0 */
#include "core/redirect/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/runtime/base/buffer.h"

#define PROBE_TABLE_MAX ((size_t)64 * 1024 * 1024) /* bytes of /proc/net/tcp: 400,000 sockets */
#define PROBE_BACKLOG 16

const char *probe_landing_text(enum probe_landing landing)
{
    static const char *const texts[] = {
        [PROBE_CAPTURED] = "reached the proxy's port",
        [PROBE_PASSED] = "went where it was sent",
        [PROBE_REFUSED] = "was refused by the address it was sent to",
        [PROBE_SILENT] = "got no answer",
        [PROBE_UNREACHABLE] = "has no route",
        [PROBE_IMPOSSIBLE] = "could not be tried",
    };

    return texts[landing];
}

static socklen_t probe_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (ip_is_v4(ip)) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)out;

        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        memcpy(&v4->sin_addr, ip->at + 12, 4);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    memcpy(&v6->sin6_addr, ip->at, 16);
    return sizeof *v6;
}

/* "0100007F:3A99", one or four words, each printed as the host's order reads it. */
static bool probe_parse_end(struct bytes text, struct ip *out_ip, uint16_t *out_port)
{
    struct bytes port_text = text;
    struct bytes address = bytes_split(&port_text, ':');
    uint8_t port[2];
    uint32_t words[4];
    size_t num_words = address.len / 8;

    if ((num_words != 1 && num_words != 4) || address.len % 8 != 0 ||
        !bytes_from_hex(port_text, port, sizeof port)) {
        return false;
    }
    for (size_t i = 0; i < num_words; i++) {
        uint8_t word[4];

        if (!bytes_from_hex(bytes_make(address.at + 8 * i, 8), word, sizeof word)) {
            return false;
        }
        /* The digits are the word's value, most significant first: back to the host's order. */
        words[i] = (uint32_t)word[0] << 24 | (uint32_t)word[1] << 16 | (uint32_t)word[2] << 8 |
                   (uint32_t)word[3];
    }
    if (num_words == 1) {
        *out_ip = ip_of_v4((const uint8_t *)words);
    } else {
        memcpy(out_ip->at, words, sizeof words);
    }
    *out_port = (uint16_t)(port[0] << 8 | port[1]);
    return true;
}

bool probe_table_has(struct bytes table, uint16_t local_port, const struct ip *from,
                     uint16_t from_port)
{
    while (table.len > 0) {
        struct bytes line = bytes_trim(bytes_split(&table, '\n'));
        struct ip local;
        struct ip remote;
        uint16_t line_local_port;
        uint16_t line_remote_port;

        (void)bytes_split(&line, ' '); /* "12:", the number of the line */
        if (probe_parse_end(bytes_split(&line, ' '), &local, &line_local_port) &&
            probe_parse_end(bytes_split(&line, ' '), &remote, &line_remote_port) &&
            line_local_port == local_port && line_remote_port == from_port &&
            ip_equal(&remote, from)) {
            return true;
        }
    }
    return false;
}

/* Both tables: a v4 connection stands in tcp6 when the listener is one for both families. */
static bool probe_landed_on(uint16_t local_port, const struct ip *from, uint16_t from_port)
{
    static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        CLEARED(buffer) table = {0};

        buffer_init(&table, PROBE_TABLE_MAX);
        if (buffer_read_file(&table, tables[i], NULL) == STATUS_OK &&
            probe_table_has(buffer_bytes(&table), local_port, from, from_port)) {
            return true;
        }
    }
    return false;
}

static enum probe_landing probe_refusal(int os_error)
{
    switch (os_error) {
    case ECONNREFUSED:
    case ECONNRESET:
        return PROBE_REFUSED;
    case ETIMEDOUT:
        return PROBE_SILENT;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case ENETDOWN:
        return PROBE_UNREACHABLE;
    default:
        return PROBE_IMPOSSIBLE;
    }
}

/* Wait until the connect is decided: 0, or an errno. */
static int probe_wait(int handle)
{
    struct pollfd connected = {.fd = handle, .events = POLLOUT};
    int os_error = 0;
    socklen_t len = sizeof os_error;
    int answer;

    do {
        answer = poll(&connected, 1, PROBE_LIMIT_MS);
    } while (answer < 0 && errno == EINTR);
    if (answer <= 0) {
        return answer == 0 ? ETIMEDOUT : errno;
    }
    return getsockopt(handle, SOL_SOCKET, SO_ERROR, &os_error, &len) == 0 ? os_error : errno;
}

enum probe_landing probe_connect(int handle, const struct ip *to, uint16_t port,
                                 uint16_t proxy_port)
{
    struct sockaddr_storage address;
    struct ip from;
    uint16_t from_port;
    socklen_t len = probe_sockaddr(to, port, &address);

    if (connect(handle, (const struct sockaddr *)&address, len) != 0) {
        int os_error = errno == EINPROGRESS ? probe_wait(handle) : errno;

        if (os_error != 0) {
            errno = os_error;
            return probe_refusal(os_error);
        }
    }
    len = sizeof address;
    if (getsockname(handle, (struct sockaddr *)&address, &len) != 0 ||
        !ip_of_sockaddr((const struct sockaddr *)&address, &from, &from_port)) {
        return PROBE_IMPOSSIBLE;
    }
    return probe_landed_on(proxy_port, &from, from_port) ? PROBE_CAPTURED : PROBE_PASSED;
}

bool probe_listen_on(int handle, int family, uint16_t port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    int off = 0;
    int bound;

    if (family == AF_INET6) {
        /* Both families on one socket, whatever net.ipv6.bindv6only says. */
        (void)setsockopt(handle, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        bound = bind(handle, (const struct sockaddr *)&v6, sizeof v6);
    } else {
        bound = bind(handle, (const struct sockaddr *)&v4, sizeof v4);
    }
    return bound == 0 && listen(handle, PROBE_BACKLOG) == 0;
}

int probe_listen(uint16_t port)
{
    static const int families[] = {AF_INET6, AF_INET};

    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        int handle = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int os_error;

        if (handle >= 0 && probe_listen_on(handle, families[i], port)) {
            return handle;
        }
        os_error = errno;
        if (handle >= 0) {
            (void)close(handle);
        }
        errno = os_error;
        if (os_error == EADDRINUSE || os_error == EACCES) {
            return -1;
        }
    }
    return -1;
}

uint16_t probe_port(int handle)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    struct ip ip;
    uint16_t port;

    if (getsockname(handle, (struct sockaddr *)&address, &len) != 0 ||
        !ip_of_sockaddr((const struct sockaddr *)&address, &ip, &port)) {
        return 0;
    }
    return port;
}
