/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/capture/sockets.h"

#include <dirent.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"

enum { SOCKETS_ANSWER_MAX = 32 * 1024, SOCKETS_INODES_AT_ONCE = 256 };

/* ---- which are ours ---- */

struct sockets_inodes {
    uint32_t *at; /* owned */
    size_t count;
    size_t room;
};

static int sockets_compare(const void *a, const void *b)
{
    const uint32_t *left = a;
    const uint32_t *right = b;

    return *left < *right ? -1 : *left > *right;
}

/* The inodes of this process's sockets: what we may open of ourselves even when nobody else may. */
static enum status sockets_own_inodes(struct sockets_inodes *out, struct failure *why)
{
    DIR *folder = opendir("/proc/self/fd");

    if (folder == NULL) {
        return fail_os(why, errno, "sockets/descriptors", "reading /proc/self/fd");
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        struct stat found;

        if (fstat((int)strtol(entry->d_name, NULL, 10), &found) != 0 || !S_ISSOCK(found.st_mode)) {
            continue;
        }
        if (out->count == out->room) {
            out->room += SOCKETS_INODES_AT_ONCE;
            out->at = memory_grow(out->at, out->room * sizeof *out->at);
        }
        out->at[out->count++] = (uint32_t)found.st_ino; /* the kernel's answer has 32 bits of it */
    }
    (void)closedir(folder);
    if (out->count > 0) {
        qsort(out->at, out->count, sizeof *out->at, sockets_compare);
    }
    return STATUS_OK;
}

static bool sockets_is_other(const struct inet_diag_msg *socket, const struct sockets_ours *ours)
{
    if (socket->idiag_inode == 0 || (ours->by_user && socket->idiag_uid == ours->uid)) {
        return false;
    }
    return ours->num_inodes == 0 ||
           bsearch(&socket->idiag_inode, ours->inodes, ours->num_inodes, sizeof *ours->inodes,
                   sockets_compare) == NULL;
}

/* ---- the kernel's answer ---- */

static void sockets_add(const struct inet_diag_msg *socket, struct sockets_view *view)
{
    struct sockets_other *other;

    if (view->others < SOCKETS_SHOWN) {
        other = &view->shown[view->others];
        *other = (struct sockets_other){.port = ntohs(socket->id.idiag_sport),
                                        .state = socket->idiag_state,
                                        .uid = socket->idiag_uid};
        if (socket->idiag_family == AF_INET) {
            other->ip = ip_of_v4((const uint8_t *)socket->id.idiag_src);
        } else {
            memcpy(other->ip.at, socket->id.idiag_src, sizeof other->ip.at);
        }
    }
    view->others++;
}

static enum status sockets_refusal(struct bytes body, struct failure *why)
{
    struct nlmsgerr error;

    if (body.len < sizeof error) {
        return fail(why, STATUS_PROTOCOL, "sockets/answer", "the kernel's error is cut short");
    }
    memcpy(&error, body.at, sizeof error);
    return fail_os(why, -error.error, "sockets/ask", "the kernel's list of TCP sockets");
}

enum status sockets_read(struct bytes answer, const struct sockets_ours *ours,
                         struct sockets_view *view, bool *out_last, struct failure *why)
{
    *out_last = false;
    while (answer.len >= sizeof(struct nlmsghdr) && !*out_last) {
        struct inet_diag_msg socket;
        struct nlmsghdr head;
        struct bytes body;

        memcpy(&head, answer.at, sizeof head);
        if (head.nlmsg_len < sizeof head || head.nlmsg_len > answer.len) {
            return fail(why, STATUS_PROTOCOL, "sockets/answer", "a message of %u bytes in %zu",
                        head.nlmsg_len, answer.len);
        }
        body = bytes_make(answer.at + NLMSG_HDRLEN, head.nlmsg_len - sizeof head);
        if (head.nlmsg_type == NLMSG_DONE) {
            *out_last = true;
        } else if (head.nlmsg_type == NLMSG_ERROR) {
            return sockets_refusal(body, why);
        } else if (head.nlmsg_type == SOCK_DIAG_BY_FAMILY && body.len >= sizeof socket) {
            memcpy(&socket, body.at, sizeof socket);
            if (sockets_is_other(&socket, ours)) {
                sockets_add(&socket, view);
            }
        }
        answer = NLMSG_ALIGN(head.nlmsg_len) < answer.len
                     ? bytes_skip(answer, NLMSG_ALIGN(head.nlmsg_len))
                     : bytes_make(answer.at, 0);
    }
    return STATUS_OK;
}

/* ---- asking ---- */

static enum status sockets_ask(int fd, uint8_t family, struct failure *why)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } question = {
        .head = {.nlmsg_len = sizeof question,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0u},
    };

    if (send(fd, &question, sizeof question, 0) != (ssize_t)sizeof question) {
        return fail_os(why, errno, "sockets/ask", "asking for the TCP sockets");
    }
    return STATUS_OK;
}

static enum status sockets_take(int fd, const struct sockets_ours *ours, struct sockets_view *view,
                                struct failure *why)
{
    uint8_t *answer = memory_make(SOCKETS_ANSWER_MAX);
    enum status status = STATUS_OK;
    bool last = false;

    while (status == STATUS_OK && !last) {
        ssize_t got = recv(fd, answer, SOCKETS_ANSWER_MAX, 0);

        if (got > 0) {
            status = sockets_read(bytes_make(answer, (size_t)got), ours, view, &last, why);
        } else if (got == 0 || errno != EINTR) {
            status = fail_os(why, got == 0 ? EPIPE : errno, "sockets/ask", "reading the sockets");
        }
    }
    free(answer);
    return status;
}

static enum status sockets_look_with(const struct sockets_ours *ours, struct sockets_view *view,
                                     struct failure *why)
{
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    enum status status = STATUS_OK;

    if (fd < 0) {
        return fail_os(why, errno, "sockets/ask", "making a netlink socket");
    }
    for (int i = 0; i < 2 && status == STATUS_OK; i++) {
        status = sockets_ask(fd, i == 0 ? AF_INET : AF_INET6, why);
        if (status == STATUS_OK) {
            status = sockets_take(fd, ours, view, why);
        }
    }
    (void)close(fd);
    return status;
}

enum status sockets_look(bool user_is_ours, struct sockets_view *out_view, struct failure *why)
{
    struct sockets_inodes inodes = {0};
    struct sockets_view view = {0};
    struct sockets_ours ours = {.by_user = user_is_ours && geteuid() != 0, .uid = geteuid()};
    enum status status = sockets_own_inodes(&inodes, why);

    ours.inodes = inodes.at;
    ours.num_inodes = inodes.count;
    if (status == STATUS_OK) {
        status = sockets_look_with(&ours, &view, why);
    }
    free(inodes.at);
    if (status == STATUS_OK) {
        *out_view = view;
    }
    return status;
}

/* ---- in words ---- */

static const char *sockets_state_word(uint8_t state)
{
    return state == TCP_LISTEN        ? "listening"
           : state == TCP_ESTABLISHED ? "established"
                                      : "closing";
}

void sockets_print(const struct sockets_view *view, char out[SOCKETS_TEXT_MAX])
{
    int len = snprintf(out, SOCKETS_TEXT_MAX, "%s", view->others == 0 ? "none" : "");

    for (unsigned i = 0; i < view->others && i < SOCKETS_SHOWN; i++) {
        const struct sockets_other *other = &view->shown[i];
        char ip[IP_TEXT_MAX];

        ip_print(&other->ip, ip);
        len += snprintf(out + len, (size_t)(SOCKETS_TEXT_MAX - len),
                        "%sport %u of %s (%s, user %u)", i == 0 ? "" : ", ", other->port, ip,
                        sockets_state_word(other->state), (unsigned)other->uid);
    }
    if (view->others > SOCKETS_SHOWN) {
        (void)snprintf(out + len, (size_t)(SOCKETS_TEXT_MAX - len), " and %u more",
                       view->others - SOCKETS_SHOWN);
    }
}
