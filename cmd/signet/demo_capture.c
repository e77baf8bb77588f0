/* SPDX-License-Identifier: Apache-2.0 */
/* The catcher: a child in the namespace whose link it listens to. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "cmd/signet/demo_process.h"
#include "cmd/signet/demo_wire.h"

#define DEMO_CAPTURE_FRAME_MAX (256 * 1024) /* bytes of one packet, not yet cut up by the kernel */
#define DEMO_CAPTURE_QUEUE (64 * 1024 * 1024) /* bytes that may wait in the kernel */
#define DEMO_CAPTURE_REST_MS 50 /* silence after which a capture that shall end does */

struct demo_capture_header {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, longest, link_type;
};

struct demo_capture_packet {
    uint32_t seconds, microseconds, kept, whole;
};

static volatile sig_atomic_t demo_capture_ends;

static void demo_capture_asked(int number)
{
    (void)number;
    demo_capture_ends = 1;
}

static int demo_capture_open(const char *interface)
{
    int queue = DEMO_CAPTURE_QUEUE;
    int packets = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    struct sockaddr_ll where = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = (int)if_nametoindex(interface),
    };

    if (packets < 0 || where.sll_ifindex == 0) {
        return -1;
    }
    (void)setsockopt(packets, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof queue);
    return bind(packets, (const struct sockaddr *)&where, sizeof where) == 0 ? packets : -1;
}

static bool demo_capture_store(FILE *file, const uint8_t *frame, size_t len)
{
    struct timespec now;
    struct demo_capture_packet packet = {.kept = (uint32_t)len, .whole = (uint32_t)len};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    packet.seconds = (uint32_t)now.tv_sec;
    packet.microseconds = (uint32_t)(now.tv_nsec / 1000);
    return fwrite(&packet, sizeof packet, 1, file) == 1 && fwrite(frame, len, 1, file) == 1;
}

static void demo_capture_loop(int packets, FILE *file)
{
    static uint8_t frame[DEMO_CAPTURE_FRAME_MAX];
    size_t written = 0;

    for (;;) {
        struct pollfd ready = {.fd = packets, .events = POLLIN};
        int answer = poll(&ready, 1, demo_capture_ends != 0 ? DEMO_CAPTURE_REST_MS : 1000);
        ssize_t len;

        if (answer <= 0) {
            if (demo_capture_ends != 0 && answer == 0) {
                return;
            }
            continue;
        }
        len = recv(packets, frame, sizeof frame, 0);
        written += len > 0 ? (size_t)len : 0;
        if (len > 0 &&
            (written > DEMO_WIRE_FILE_MAX || !demo_capture_store(file, frame, (size_t)len))) {
            return; /* full: what was caught until here is judged */
        }
    }
}

static _Noreturn void demo_capture_child(const char *netns, const char *interface, const char *path,
                                         int ready)
{
    static const struct demo_capture_header header = {
        .magic = 0xa1b2c3d4u,
        .major = 2,
        .minor = 4,
        .longest = DEMO_CAPTURE_FRAME_MAX,
        .link_type = 1,
    };
    struct sigaction end = {.sa_handler = demo_capture_asked};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    FILE *file;
    int packets;

    (void)sigaction(SIGTERM, &end, NULL);
    (void)sigaction(SIGINT, &ignore, NULL);
    (void)sigaction(SIGHUP, &ignore, NULL);
    (void)setsid();
    if (demo_process_enter(netns, NULL) != STATUS_OK) {
        _exit(1);
    }
    packets = demo_capture_open(interface);
    file = fopen(path, "we");
    if (packets < 0 || file == NULL || fwrite(&header, sizeof header, 1, file) != 1 ||
        write(ready, "r", 1) != 1) {
        _exit(1);
    }
    demo_capture_loop(packets, file);
    _exit(fclose(file) == 0 ? 0 : 1);
}

enum status demo_wire_start(const char *netns, const char *interface, const char *path,
                            pid_t *out_child, struct failure *why)
{
    pid_t parent = getpid();
    pid_t child;
    int ends[2];
    char answer = 0;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return fail_os(why, errno, "demo/capture", "no pipe");
    }
    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        (void)close(ends[0]);
        if (!demo_process_bind(parent)) {
            _exit(1);
        }
        demo_capture_child(netns, interface, path, ends[1]);
    }
    (void)close(ends[1]);
    if (child > 0) {
        (void)!read(ends[0], &answer, 1);
    }
    (void)close(ends[0]);
    if (answer != 'r') {
        demo_process_end(&child, SIGKILL, 0);
        return fail(why, STATUS_IO, "demo/capture", "cannot catch packets of %s in %s", interface,
                    netns);
    }
    *out_child = child;
    return STATUS_OK;
}

void demo_wire_stop(pid_t *child)
{
    demo_process_end(child, SIGTERM, 3000);
}
