/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/capture/original_dst.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of <linux/netfilter_ipv4.h> and its IPv6 sister, which do not go together with <netinet/in.h>. */
enum { ORIGINAL_DST_OPTION = 80 };

enum status original_dst_judge(const struct address *answer, const struct address *own,
                               uint16_t listener_port, struct failure *why)
{
    char text[ADDRESS_TEXT_MAX];

    if (answer->len == 0 || address_is_unix(answer) || address_port(answer) == 0) {
        return fail(why, STATUS_IO, "capture/original-destination",
                    "the kernel names no original destination");
    }
    if (address_port(answer) == listener_port && address_equal(answer, own)) {
        return fail(why, STATUS_DENIED, "capture/loop",
                    "%s was dialled itself: it only takes redirected connections",
                    address_print(answer, text));
    }
    return STATUS_OK;
}

enum status original_dst(int fd, struct address *out_address, struct failure *why)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(struct sockaddr_in);
    struct address own = address_local(fd);
    struct address answer;
    uint16_t listener_port = address_port(&own);
    bool is_v4 = own.len > 0 && own.at.any.sa_family == AF_INET;

    memset(&at, 0, sizeof at);
    if (!is_v4) {
        len = sizeof(struct sockaddr_in6);
    }
    if (getsockopt(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, ORIGINAL_DST_OPTION, &at, &len) != 0) {
        if (errno != ENOENT && errno != ENOPROTOOPT) {
            return fail_os(why, errno, "capture/original-destination",
                           "asking for the original destination (is connection tracking there?)");
        }
        answer = own; /* not redirected */
    } else {
        answer = address_of_sockaddr((struct sockaddr *)&at, len);
    }
    /*
     * After a redirection the local address is the listener's, with the listener's port; the answer
     * equals it only when nothing was redirected.
     */
    TRY(original_dst_judge(&answer, &own, listener_port, why));
    *out_address = answer;
    return STATUS_OK;
}

/* Only an address of this machine can be bound to. */
static bool original_dst_can_bind(const struct ip *ip)
{
    struct address at = address_of_ip(ip, 0);
    int probe = socket(at.at.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool bound = probe >= 0 && bind(probe, &at.at.any, at.len) == 0;

    if (probe >= 0) {
        (void)close(probe);
    }
    return bound;
}

/* 0.0.0.0 or "::": it can be bound to, and dialling it leads to loopback. */
static bool original_dst_is_any(const struct ip *ip)
{
    static const uint8_t any_v4[4] = {0};
    struct ip v4 = ip_of_v4(any_v4);
    struct ip v6 = {0};

    return ip_equal(ip, &v4) || ip_equal(ip, &v6);
}

bool original_dst_is_here(const struct address *own, const struct address *answer)
{
    struct ip here = address_ip(own);
    struct ip there = address_ip(answer);

    if (ip_equal(&here, &there)) {
        return true; /* nearly always: the redirection leads to the link's first address */
    }
    return !address_is_loopback(answer) && !original_dst_is_any(&there) &&
           original_dst_can_bind(&there);
}

enum status original_dst_inbound(int fd, struct address *out_address, struct failure *why)
{
    struct address own = address_local(fd);
    struct address answer;
    char text[ADDRESS_TEXT_MAX];

    TRY(original_dst(fd, &answer, why));
    if (!original_dst_is_here(&own, &answer)) {
        return fail(why, STATUS_DENIED, "capture/not-here",
                    "a neighbour sent us a connection to %s, which is not an address of ours",
                    address_print(&answer, text));
    }
    *out_address = answer;
    return STATUS_OK;
}
