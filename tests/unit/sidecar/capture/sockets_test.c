/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's answers as bytes, whole and broken; and the kernel itself, in a namespace of the test's. */
#include "core/sidecar/capture/sockets.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"

SUITE(sockets, .timeout = 30);

/* One message of an answer. */
struct sockets_message {
    struct nlmsghdr head;
    struct inet_diag_msg body;
};

static struct sockets_message sockets_message_of(uint32_t inode, uint32_t uid, uint16_t port)
{
    struct sockets_message message = {
        .head = {.nlmsg_len = sizeof message, .nlmsg_type = SOCK_DIAG_BY_FAMILY},
        .body = {.idiag_family = AF_INET, .idiag_state = 10, .idiag_uid = uid,
                 .idiag_inode = inode},
    };

    message.body.id.idiag_sport = htons(port);
    return message;
}

static enum status sockets_take_in(const void *at, size_t len, const struct sockets_ours *ours,
                                   struct sockets_view *view, bool *out_last, struct failure *why)
{
    return sockets_read(bytes_make(at, len), ours, view, out_last, why);
}

Test(sockets, what_is_ours_and_what_is_nobodys_is_left_out)
{
    static const uint32_t inodes[] = {11, 12, 40};
    struct sockets_ours ours = {
        .by_user = true, .uid = 1337, .inodes = inodes, .num_inodes = 3};
    struct sockets_message answer[] = {
        sockets_message_of(0, 0, 1), sockets_message_of(12, 0, 2), sockets_message_of(40, 7, 3),
        sockets_message_of(50, 1337, 4), sockets_message_of(51, 65534, 8080)};
    struct nlmsghdr end = {.nlmsg_len = sizeof end, .nlmsg_type = NLMSG_DONE};
    struct sockets_view view = {0};
    struct failure why = {0};
    char text[SOCKETS_TEXT_MAX];
    bool last = true;

    cr_assert_eq(sockets_take_in(answer, sizeof answer, &ours, &view, &last, &why), STATUS_OK);
    cr_assert_not(last);
    cr_assert_eq(sockets_take_in(&end, sizeof end, &ours, &view, &last, &why), STATUS_OK);
    cr_assert(last);
    cr_assert_eq(view.others, 1);
    sockets_print(&view, text);
    cr_assert_str_eq(text, "port 8080 of 0.0.0.0 (listening, user 65534)");
    ours.by_user = false;
    cr_assert_eq(sockets_take_in(answer, sizeof answer, &ours, &view, &last, &why), STATUS_OK);
    cr_assert_eq(view.others, 3, "another process of our user");
}

Test(sockets, more_than_are_shown_are_counted)
{
    struct sockets_message answer[10];
    struct sockets_ours ours = {0};
    struct sockets_view view = {0};
    struct failure why = {0};
    char text[SOCKETS_TEXT_MAX];
    bool last;

    for (uint32_t i = 0; i < 10; i++) {
        answer[i] = sockets_message_of(100 + i, 1, (uint16_t)i);
    }
    cr_assert_eq(sockets_take_in(answer, sizeof answer, &ours, &view, &last, &why), STATUS_OK);
    cr_assert_eq(view.others, 10);
    sockets_print(&view, text);
    cr_assert_not_null(strstr(text, " and 6 more"), "%s", text);
}

Test(sockets, a_broken_answer_is_refused)
{
    struct sockets_message message = sockets_message_of(1, 1, 1);
    struct {
        struct nlmsghdr head;
        struct nlmsgerr body;
    } refusal = {.head = {.nlmsg_len = sizeof refusal, .nlmsg_type = NLMSG_ERROR},
                 .body = {.error = -2}};
    struct sockets_ours ours = {0};
    struct sockets_view view = {0};
    struct failure why = {0};
    bool last;

    message.head.nlmsg_len = sizeof message + 1;
    cr_assert_eq(sockets_take_in(&message, sizeof message, &ours, &view, &last, &why),
                 STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "sockets/answer");
    message.head.nlmsg_len = 3;
    cr_assert_eq(sockets_take_in(&message, sizeof message, &ours, &view, &last, &why),
                 STATUS_PROTOCOL);
    cr_assert_eq(sockets_take_in(&refusal, sizeof refusal, &ours, &view, &last, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "sockets/ask");
    refusal.head.nlmsg_len = sizeof refusal.head + 2;
    cr_assert_eq(sockets_take_in(&refusal, sizeof refusal, &ours, &view, &last, &why),
                 STATUS_PROTOCOL);
    cr_assert_eq(view.others, 0);
}

static int sockets_listen(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert(fd >= 0 && listen(fd, 4) == 0);
    return fd;
}

/* A process of somebody's that listens until its pipe is closed. */
static pid_t sockets_somebody(int family, int until[2])
{
    char byte;
    pid_t child = fork();

    if (child == 0) {
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)close(until[1]);
        (void)!write(until[0], listen(fd, 4) == 0 ? "y" : "n", 1);
        (void)!read(until[0], &byte, 1);
        _exit(0);
    }
    (void)close(until[0]);
    cr_assert_eq(read(until[1], &byte, 1), 1);
    cr_assert_eq(byte, 'y');
    return child;
}

Test(sockets, the_kernel_tells_ours_from_somebody_elses_in_both_families)
{
    struct sockets_view view;
    struct failure why = {0};
    int own;

    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        (void)printf("SKIP: no network namespace of its own\n");
        return;
    }
    own = sockets_listen(AF_INET6);
    cr_assert_eq(sockets_look(false, &view, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(view.others, 0, "our own socket");
    for (int i = 0; i < 2; i++) {
        int until[2];
        pid_t child;

        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, until), 0);
        child = sockets_somebody(i == 0 ? AF_INET : AF_INET6, until);
        cr_assert_eq(sockets_look(false, &view, &why), STATUS_OK, "%s", why.detail);
        cr_assert_eq(view.others, 1);
        cr_assert_eq(view.shown[0].state, 10);
        (void)close(until[1]);
        cr_assert_eq(waitpid(child, NULL, 0), child);
        cr_assert_eq(sockets_look(false, &view, &why), STATUS_OK);
        cr_assert_eq(view.others, 0);
    }
    (void)close(own);
}
