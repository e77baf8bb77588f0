/* SPDX-License-Identifier: Apache-2.0 */
/* Speaks rtnetlink(7) itself: a minimal image has no `ip` program. */
#include "core/redirect/neighbour.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define NEIGHBOUR_HERE "sgt-check0"
#define NEIGHBOUR_THERE "sgt-check1"
#define NEIGHBOUR_RUNNING_MS 2000
#define NEIGHBOUR_PREFIX_V4 30
#define NEIGHBOUR_PREFIX_V6 126

/* One request to the kernel, attributes behind it. */
struct neighbour_request {
    struct nlmsghdr header;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
    } body;
    uint8_t attributes[512];
};

static void neighbour_request_init(struct neighbour_request *request, uint16_t type, uint16_t flags,
                                   size_t body_len)
{
    memset(request, 0, sizeof *request);
    request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(body_len);
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
}

/* Everything put here has a small fixed size, far below the room. */
static void *neighbour_request_extend(struct neighbour_request *request, size_t len)
{
    size_t at = NLMSG_ALIGN(request->header.nlmsg_len);

    if (at + len > sizeof *request) {
        abort();
    }
    request->header.nlmsg_len = (uint32_t)(at + len);
    return (uint8_t *)request + at;
}

static struct rtattr *neighbour_request_add(struct neighbour_request *request, uint16_t type,
                                            const void *value, size_t len)
{
    struct rtattr *attribute = neighbour_request_extend(request, RTA_LENGTH(len));

    attribute->rta_type = type;
    attribute->rta_len = (uint16_t)RTA_LENGTH(len);
    if (len > 0) {
        memcpy(RTA_DATA(attribute), value, len);
    }
    return attribute;
}

/* A nest is an attribute whose length is known when all that is inside was added. */
static void neighbour_request_end_nest(const struct neighbour_request *request, struct rtattr *nest)
{
    nest->rta_len =
        (uint16_t)((const uint8_t *)request + request->header.nlmsg_len - (const uint8_t *)nest);
}

/* 0, or the errno with which the kernel refused. */
static int neighbour_request_send(int netlink, const struct neighbour_request *request)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        uint8_t rest[1024];
    } answer;
    ssize_t len;

    if (send(netlink, request, request->header.nlmsg_len, 0) < 0) {
        return errno;
    }
    len = recv(netlink, &answer, sizeof answer, 0);
    if (len < 0) {
        return errno;
    }
    if ((size_t)len < sizeof answer.header + sizeof answer.error ||
        answer.header.nlmsg_type != NLMSG_ERROR) {
        return EPROTO;
    }
    return -answer.error.error;
}

static int neighbour_make_pair(int netlink, int away)
{
    struct neighbour_request request;
    struct rtattr *link;
    struct rtattr *veth;
    struct rtattr *peer;

    neighbour_request_init(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
                           sizeof request.body.link);
    neighbour_request_add(&request, IFLA_IFNAME, NEIGHBOUR_HERE, sizeof NEIGHBOUR_HERE);
    link = neighbour_request_add(&request, IFLA_LINKINFO, NULL, 0);
    neighbour_request_add(&request, IFLA_INFO_KIND, "veth", 4);
    veth = neighbour_request_add(&request, IFLA_INFO_DATA, NULL, 0);
    peer = neighbour_request_add(&request, VETH_INFO_PEER, NULL, 0);
    memset(neighbour_request_extend(&request, sizeof(struct ifinfomsg)), 0,
           sizeof(struct ifinfomsg));
    neighbour_request_add(&request, IFLA_IFNAME, NEIGHBOUR_THERE, sizeof NEIGHBOUR_THERE);
    neighbour_request_add(&request, IFLA_NET_NS_FD, &away, sizeof away);
    neighbour_request_end_nest(&request, peer);
    neighbour_request_end_nest(&request, veth);
    neighbour_request_end_nest(&request, link);
    return neighbour_request_send(netlink, &request);
}

static int neighbour_remove_pair(int netlink)
{
    struct neighbour_request request;

    neighbour_request_init(&request, RTM_DELLINK, 0, sizeof request.body.link);
    neighbour_request_add(&request, IFLA_IFNAME, NEIGHBOUR_HERE, sizeof NEIGHBOUR_HERE);
    return neighbour_request_send(netlink, &request);
}

static int neighbour_link_up(int netlink, const char *name)
{
    struct neighbour_request request;

    neighbour_request_init(&request, RTM_NEWLINK, 0, sizeof request.body.link);
    request.body.link.ifi_flags = IFF_UP;
    request.body.link.ifi_change = IFF_UP;
    neighbour_request_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
    return neighbour_request_send(netlink, &request);
}

static int neighbour_add_address(int netlink, unsigned link_index, const char *text)
{
    struct neighbour_request request;
    struct ip ip;
    bool v4;

    /* The addresses are constants of ours. */
    if (!ip_parse(bytes_of(text), &ip)) {
        abort();
    }
    v4 = ip_is_v4(&ip);
    neighbour_request_init(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL,
                           sizeof request.body.address);
    request.body.address.ifa_family = v4 ? AF_INET : AF_INET6;
    request.body.address.ifa_prefixlen = v4 ? NEIGHBOUR_PREFIX_V4 : NEIGHBOUR_PREFIX_V6;
    request.body.address.ifa_flags = v4 ? 0 : IFA_F_NODAD; /* no second of silence at first */
    request.body.address.ifa_index = link_index;
    neighbour_request_add(&request, IFA_LOCAL, v4 ? ip.at + 12 : ip.at, v4 ? 4 : 16);
    neighbour_request_add(&request, IFA_ADDRESS, v4 ? ip.at + 12 : ip.at, v4 ? 4 : 16);
    return neighbour_request_send(netlink, &request);
}

/*
 * A veth that is up carries packets only when the kernel has also noticed its carrier, some time
 * later: until then they are dropped, and a proof would wait for the second SYN.
 */
static int neighbour_wait_running(const char *link)
{
    struct ifreq request = {0};
    const struct timespec nap = {.tv_nsec = 1000000};
    int refused = ENETDOWN;
    int handle = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (handle < 0) {
        return errno;
    }
    memcpy(request.ifr_name, link, strlen(link) + 1);
    for (int tries = 0; refused != 0 && tries < NEIGHBOUR_RUNNING_MS; tries++) {
        if (ioctl(handle, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING) != 0) {
            refused = 0;
        } else {
            (void)nanosleep(&nap, NULL);
        }
    }
    (void)close(handle);
    return refused;
}

/* Addresses of one end, from inside its namespace; then the link goes up. 0 or an errno. */
static int neighbour_set_up_end(int netlink, const char *link, const char *v4, const char *v6,
                                bool *out_has_ipv6)
{
    unsigned link_index = if_nametoindex(link);
    int refused;

    if (link_index == 0) {
        return errno;
    }
    refused = neighbour_add_address(netlink, link_index, v4);
    if (refused != 0) {
        return refused;
    }
    refused = neighbour_link_up(netlink, link);
    if (refused != 0) {
        return refused;
    }
    *out_has_ipv6 = neighbour_add_address(netlink, link_index, v6) == 0;
    return 0;
}

static void neighbour_go(int namespace)
{
    /* A program that does not know in which network it is must not go on. */
    if (setns(namespace, CLONE_NEWNET) != 0) {
        abort();
    }
}

static int neighbour_set_up(struct neighbour *neighbour, int netlink)
{
    bool here_ipv6 = false;
    bool there_ipv6 = false;
    int far_netlink;
    int refused = neighbour_make_pair(netlink, neighbour->away);

    if (refused == EEXIST && neighbour_remove_pair(netlink) == 0) {
        refused = neighbour_make_pair(netlink, neighbour->away);
    }
    if (refused != 0) {
        return refused;
    }
    refused = neighbour_set_up_end(netlink, NEIGHBOUR_HERE, NEIGHBOUR_HERE_V4, NEIGHBOUR_HERE_V6,
                                   &here_ipv6);
    if (refused != 0) {
        return refused;
    }
    neighbour_go(neighbour->away);
    far_netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    refused = far_netlink < 0
                  ? errno
                  : neighbour_set_up_end(far_netlink, NEIGHBOUR_THERE, NEIGHBOUR_THERE_V4,
                                         NEIGHBOUR_THERE_V6, &there_ipv6);
    if (refused == 0) {
        refused = neighbour_wait_running(NEIGHBOUR_THERE);
    }
    neighbour_go(neighbour->home);
    if (refused == 0) {
        refused = neighbour_wait_running(NEIGHBOUR_HERE);
    }
    if (far_netlink >= 0) {
        (void)close(far_netlink);
    }
    neighbour->has_ipv6 = here_ipv6 && there_ipv6;
    return refused;
}

static enum status neighbour_refuse(int os_error, const char *what, struct failure *why)
{
    switch (os_error) {
    case EPERM:
    case EACCES:
        return fail(why, STATUS_DENIED, "redirect/permission",
                    "%s needs CAP_SYS_ADMIN and CAP_NET_ADMIN", what);
    case EOPNOTSUPP:
    case EINVAL:
    case ENOSYS:
        return fail(why, STATUS_NOT_FOUND, "redirect/kernel",
                    "%s is not possible: the kernel lacks network namespaces or veth "
                    "(modprobe veth on the node)",
                    what);
    default:
        return fail_os(why, os_error, "redirect/neighbour", "%s failed", what);
    }
}

static bool neighbour_is_taken(const char *address)
{
    struct ip ip;
    int handle;
    bool taken = false;

    if (!ip_parse(bytes_of(address), &ip)) {
        abort();
    }
    handle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (handle >= 0) {
        struct sockaddr_in at = {.sin_family = AF_INET};

        memcpy(&at.sin_addr, ip.at + 12, 4);
        taken = bind(handle, (const struct sockaddr *)&at, sizeof at) == 0;
        (void)close(handle);
    }
    return taken;
}

static enum status neighbour_make_namespace(struct neighbour *neighbour, struct failure *why)
{
    neighbour->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (neighbour->home < 0) {
        return neighbour_refuse(errno, "reading this network namespace", why);
    }
    if (unshare(CLONE_NEWNET) != 0) {
        return neighbour_refuse(errno, "a second network namespace", why);
    }
    neighbour->away = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    neighbour_go(neighbour->home);
    if (neighbour->away < 0) {
        return neighbour_refuse(errno, "reading the second network namespace", why);
    }
    return STATUS_OK;
}

enum status neighbour_open(struct neighbour *out_neighbour, struct failure *why)
{
    struct neighbour neighbour = {.home = -1, .away = -1};
    enum status status = STATUS_OK;
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int refused;

    if (netlink < 0) {
        return neighbour_refuse(errno, "talking to the kernel's network", why);
    }
    refused = neighbour_remove_pair(netlink); /* of a run that was killed; mostly ENODEV */
    if (refused == EPERM) {
        status = neighbour_refuse(refused, "a second network namespace", why);
    } else if (neighbour_is_taken(NEIGHBOUR_HERE_V4)) {
        status = fail(why, STATUS_LIMIT, "redirect/address-taken",
                      "this network namespace already uses " NEIGHBOUR_HERE_V4);
    }
    if (status == STATUS_OK) {
        status = neighbour_make_namespace(&neighbour, why);
    }
    if (status == STATUS_OK) {
        refused = neighbour_set_up(&neighbour, netlink);
        if (refused != 0) {
            status = neighbour_refuse(refused, "a temporary veth pair", why);
        }
    }
    (void)close(netlink);
    if (status != STATUS_OK) {
        neighbour_close(&neighbour);
        return status;
    }
    *out_neighbour = neighbour;
    return STATUS_OK;
}

void neighbour_close(struct neighbour *neighbour)
{
    if (neighbour->away >= 0) {
        int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

        /* The kernel would remove the pair with the namespace, but some milliseconds later. */
        if (netlink >= 0) {
            (void)neighbour_remove_pair(netlink);
            (void)close(netlink);
        }
        (void)close(neighbour->away);
    }
    if (neighbour->home >= 0) {
        (void)close(neighbour->home);
    }
    neighbour->home = -1;
    neighbour->away = -1;
}

int neighbour_socket(const struct neighbour *neighbour, int family)
{
    int handle;
    int os_error;

    neighbour_go(neighbour->away);
    handle = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    os_error = errno;
    neighbour_go(neighbour->home);
    errno = os_error;
    return handle;
}
