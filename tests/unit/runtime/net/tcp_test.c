/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/net/address.h"
#include "core/runtime/net/dial.h"
#include "core/runtime/net/linger.h"
#include "tests/support/suite.h"

SUITE(tcp, .timeout = 20);
SUITE(dial, .timeout = 20);
SUITE(linger, .timeout = 20);

/* A worker, and a pair of connected TCP sockets: one as a stream of ours, one in the test's hand. */
struct tcp_rig {
    struct worker worker;
    struct stream *stream;
    int far;
    unsigned events; /* the last that were told */
    unsigned told;   /* how often */
};

static void tcp_rig_told(void *user, unsigned events)
{
    struct tcp_rig *rig = user;

    rig->events = events;
    rig->told++;
}

static int tcp_rig_listen(struct address *out_at)
{
    struct ip ip = ip_of_v4((const uint8_t[]){127, 0, 0, 1});
    struct address any = address_of_ip(&ip, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert(bind(fd, &any.at.any, any.len) == 0 && listen(fd, 16) == 0);
    *out_at = address_local(fd);
    return fd;
}

static void tcp_rig_open(struct tcp_rig *rig)
{
    struct address at;
    int listening = tcp_rig_listen(&at);
    int near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *rig = (struct tcp_rig){.far = -1};
    worker_init_main(&rig->worker);
    cr_assert(connect(near, &at.at.any, at.len) == 0);
    rig->far = accept(listening, NULL, NULL);
    (void)close(listening);
    cr_assert(setsockopt(rig->far, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) == 0);
    rig->stream = tcp_start(&rig->worker, near);
    stream_own(rig->stream, tcp_rig_told, rig);
}

static void tcp_rig_end(struct tcp_rig *rig)
{
    stream_close(&rig->stream, false);
    if (rig->far >= 0) {
        (void)close(rig->far);
    }
    worker_stop(&rig->worker);
    worker_run_main(&rig->worker);
    worker_clear(&rig->worker);
}

/* Turns of the loop, some ms each at most, until something was told. */
static void tcp_rig_wait(struct tcp_rig *rig)
{
    unsigned before = rig->told;

    for (int i = 0; i < 400 && rig->told == before; i++) {
        (void)uv_run(&rig->worker.loop, UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
    cr_assert_gt(rig->told, before, "no event came");
}

static unsigned tcp_rig_turns(struct tcp_rig *rig, int count)
{
    unsigned before = rig->told;

    for (int i = 0; i < count; i++) {
        (void)uv_run(&rig->worker.loop, UV_RUN_NOWAIT);
        (void)usleep(500);
    }
    return rig->told - before;
}

static enum status tcp_rig_read(struct tcp_rig *rig, size_t *out_len, struct failure *why)
{
    return stream_read(rig->stream, worker_scratch(&rig->worker, 0), WORKER_SCRATCH_SIZE, out_len,
                       why);
}

Test(tcp, bytes_come_and_go_and_nothing_is_told_unasked)
{
    struct tcp_rig rig;
    size_t len = 0;
    char back[8] = "";

    tcp_rig_open(&rig);
    cr_assert_eq(tcp_rig_read(&rig, &len, NULL), STATUS_WAIT);
    cr_assert_eq(write(rig.far, "hello", 5), 5);
    cr_assert_eq(tcp_rig_turns(&rig, 5), 0);
    stream_interest(rig.stream, STREAM_READABLE);
    tcp_rig_wait(&rig);
    cr_assert_eq(rig.events, STREAM_READABLE);
    cr_assert_eq(tcp_rig_read(&rig, &len, NULL), STATUS_OK);
    cr_assert_eq(len, 5);
    cr_assert_eq(stream_write(rig.stream, bytes_of("there"), &len, NULL), STATUS_OK);
    cr_assert_eq(len, 5);
    cr_assert_eq(read(rig.far, back, sizeof back), 5);
    cr_assert_arr_eq(back, "there", 5);
    tcp_rig_end(&rig);
}

Test(tcp, each_direction_ends_by_itself)
{
    struct tcp_rig rig;
    size_t len = 0;
    char back[8];

    tcp_rig_open(&rig);
    cr_assert_eq(shutdown(rig.far, SHUT_WR), 0);
    stream_interest(rig.stream, STREAM_READABLE);
    tcp_rig_wait(&rig);
    cr_assert_eq(tcp_rig_read(&rig, &len, NULL), STATUS_CLOSED);
    cr_assert_eq(stream_write(rig.stream, bytes_of("still"), &len, NULL), STATUS_OK);
    cr_assert_eq(stream_shutdown(rig.stream, NULL), STATUS_OK);
    cr_assert_eq(read(rig.far, back, sizeof back), 5);
    cr_assert_eq(read(rig.far, back, sizeof back), 0);
    tcp_rig_end(&rig);
}

Test(tcp, what_was_unread_comes_first_and_the_stream_says_that_it_holds_it)
{
    struct tcp_rig rig;
    uint8_t small[STREAM_ROOM_MIN];
    static uint8_t big[STREAM_ROOM_MIN + 3];
    size_t len = 0;

    tcp_rig_open(&rig);
    memset(big, 'u', sizeof big);
    cr_assert_eq(write(rig.far, "after", 5), 5);
    (void)tcp_rig_turns(&rig, 2);
    stream_unread(rig.stream, bytes_make(big, sizeof big));
    cr_assert(rig.stream->holds);
    cr_assert_eq(stream_read(rig.stream, small, sizeof small, &len, NULL), STATUS_OK);
    cr_assert_eq(len, sizeof small);
    cr_assert(rig.stream->holds, "three bytes are left, of which no event tells");
    cr_assert_eq(stream_read(rig.stream, small, sizeof small, &len, NULL), STATUS_OK);
    cr_assert_eq(len, 3);
    cr_assert(!rig.stream->holds);
    cr_assert_eq(stream_read(rig.stream, small, sizeof small, &len, NULL), STATUS_OK);
    cr_assert_eq(len, 5);
    tcp_rig_end(&rig);
}

Test(tcp, a_full_socket_answers_wait_and_tells_when_there_is_room)
{
    struct tcp_rig rig;
    static uint8_t block[256 * 1024];
    size_t sent = 0;
    size_t total = 0;
    size_t seen = 0;
    enum status status;

    tcp_rig_open(&rig);
    while ((status = stream_write(rig.stream, bytes_make(block, sizeof block), &sent, NULL)) ==
           STATUS_OK) {
        total += sent;
    }
    cr_assert_eq(status, STATUS_WAIT);
    stream_interest(rig.stream, STREAM_WRITABLE);
    cr_assert_eq(tcp_rig_turns(&rig, 5), 0);
    while (seen < total) {
        ssize_t got = read(rig.far, block, sizeof block);

        cr_assert_gt(got, 0);
        seen += (size_t)got;
    }
    tcp_rig_wait(&rig);
    cr_assert_eq(rig.events, STREAM_WRITABLE);
    tcp_rig_end(&rig);
}

Test(tcp, a_reset_is_told_and_read_even_after_an_end)
{
    struct tcp_rig rig;
    struct linger at_once = {.l_onoff = 1};
    struct failure why = {0};
    size_t len = 0;

    tcp_rig_open(&rig);
    cr_assert_eq(shutdown(rig.far, SHUT_WR), 0);
    stream_interest(rig.stream, STREAM_READABLE);
    tcp_rig_wait(&rig);
    cr_assert_eq(tcp_rig_read(&rig, &len, NULL), STATUS_CLOSED);
    stream_interest(rig.stream, STREAM_ERRORS);
    cr_assert_eq(tcp_rig_turns(&rig, 5), 0);
    cr_assert_eq(setsockopt(rig.far, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    cr_assert_eq(close(rig.far), 0);
    rig.far = -1;
    tcp_rig_wait(&rig);
    cr_assert_eq(rig.events, STREAM_READABLE | STREAM_WRITABLE);
    cr_assert_eq(tcp_rig_read(&rig, &len, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "tcp/reset");
    tcp_rig_end(&rig);
}

Test(tcp, an_urgent_byte_hides_no_reset_and_keeps_no_loop_turning)
{
    struct linger at_once = {.l_onoff = 1};
    struct tcp_rig rig;
    struct failure why = {0};
    size_t len = 0;

    tcp_rig_open(&rig);
    stream_interest(rig.stream, STREAM_ERRORS);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(send(rig.far, "!", 1, MSG_OOB), 1);
        cr_assert_eq(tcp_rig_turns(&rig, 10), 0, "nobody asked for it");
    }
    cr_assert_eq(setsockopt(rig.far, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    cr_assert_eq(close(rig.far), 0);
    rig.far = -1;
    tcp_rig_wait(&rig);
    cr_assert_eq(tcp_rig_read(&rig, &len, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "tcp/reset");
    tcp_rig_end(&rig);
}

/* tests/netns:vanished_test shows the other case: a peer on another machine. */
Test(tcp, a_socket_to_a_process_of_this_machine_has_bounded_buffers_and_no_keepalive)
{
    struct tcp_rig rig;
    int keepalive = 1;
    int room = 0;
    int unsent = 0;
    socklen_t len = sizeof(int);

    tcp_rig_open(&rig);
    cr_assert_eq(getsockopt(tcp_fd(rig.stream), SOL_SOCKET, SO_KEEPALIVE, &keepalive, &len), 0);
    cr_assert_eq(keepalive, 0);
    cr_assert_eq(getsockopt(tcp_fd(rig.stream), SOL_SOCKET, SO_RCVBUF, &room, &len), 0);
    cr_assert_leq(room, 512 * 1024);
    cr_assert_eq(
        getsockopt(tcp_fd(rig.stream), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, &len), 0);
    cr_assert_leq(unsent, 128 * 1024);
    stream_pinch(rig.stream);
    cr_assert_eq(getsockopt(tcp_fd(rig.stream), SOL_SOCKET, SO_RCVBUF, &room, &len), 0);
    cr_assert_leq(room, 64 * 1024);
    tcp_rig_end(&rig);
}

Test(tcp, closing_with_reset_resets_the_peer)
{
    struct tcp_rig rig;
    char back[4];

    tcp_rig_open(&rig);
    stream_close(&rig.stream, true);
    (void)tcp_rig_turns(&rig, 2);
    cr_assert_eq(read(rig.far, back, sizeof back), -1);
    cr_assert_eq(errno, ECONNRESET);
    tcp_rig_end(&rig);
}

Test(tcp, a_unix_peer_that_is_gone_does_not_keep_the_loop_turning)
{
    struct tcp_rig rig = {.far = -1};
    int pair[2];
    size_t len = 0;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    worker_init_main(&rig.worker);
    rig.stream = tcp_start(&rig.worker, pair[0]);
    stream_own(rig.stream, tcp_rig_told, &rig);
    cr_assert_eq(close(pair[1]), 0);
    cr_assert_eq(tcp_rig_read(&rig, &len, NULL), STATUS_CLOSED);
    stream_interest(rig.stream, STREAM_ERRORS);
    cr_assert_leq(tcp_rig_turns(&rig, 50), 1);
    stream_interest(rig.stream, STREAM_WRITABLE);
    tcp_rig_wait(&rig);
    cr_assert_eq(stream_write(rig.stream, bytes_of("x"), &len, NULL), STATUS_IO);
    tcp_rig_end(&rig);
}

/* ---- dial ---- */

struct dial_answer {
    struct tcp_rig *rig;
    int times;
    enum status status;
    struct stream *stream;
    char reason[32];
    char detail[FAILURE_DETAIL_MAX];
};

static void dial_answered(void *user, enum status status, struct stream *stream,
                          const struct failure *why)
{
    struct dial_answer *answer = user;

    answer->times++;
    answer->status = status;
    answer->stream = stream;
    (void)snprintf(answer->reason, sizeof answer->reason, "%s",
                   why->reason == NULL ? "" : why->reason);
    (void)snprintf(answer->detail, sizeof answer->detail, "%s", why->detail);
}

static void dial_wait(struct worker *worker, struct dial_answer *answer, int turns)
{
    for (int i = 0; i < turns && answer->times == 0; i++) {
        (void)uv_run(&worker->loop, UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
}

static void dial_try(const struct address *to, uint64_t limit_ms, struct dial_answer *out)
{
    struct worker worker;

    *out = (struct dial_answer){0};
    worker_init_main(&worker);
    (void)dial_start(&worker, to, limit_ms, dial_answered, out);
    cr_assert_eq(out->times, 0, "never from inside the call");
    dial_wait(&worker, out, 3000);
    cr_assert_eq(out->times, 1);
    cr_assert_eq(out->stream != NULL, out->status == STATUS_OK);
    stream_close(&out->stream, false);
    worker_stop(&worker);
    worker_run_main(&worker);
    worker_clear(&worker);
    cr_assert_eq(out->times, 1);
}

Test(dial, connects)
{
    struct dial_answer answer;
    struct address at;
    int listening = tcp_rig_listen(&at);

    dial_try(&at, 2000, &answer);
    cr_assert_eq(answer.status, STATUS_OK);
    (void)close(listening);
}

Test(dial, a_refusal_says_so_and_names_the_address)
{
    struct dial_answer answer;
    struct address at;
    char text[ADDRESS_TEXT_MAX];

    (void)close(tcp_rig_listen(&at));
    dial_try(&at, 2000, &answer);
    cr_assert_eq(answer.status, STATUS_IO);
    cr_assert_str_eq(answer.reason, "dial/refused");
    cr_assert_not_null(strstr(answer.detail, address_print(&at, text)));
}

Test(dial, a_unix_path_that_is_not_there_fails)
{
    struct dial_answer answer;
    struct address at;

    cr_assert_eq(address_parse(bytes_of("unix:/nowhere/at/all"), &at, NULL), STATUS_OK);
    dial_try(&at, 0, &answer);
    cr_assert_eq(answer.status, STATUS_IO);
    cr_assert_str_eq(answer.reason, "dial/failed");
}

Test(dial, a_silent_address_is_given_up_at_the_limit)
{
    struct dial_answer answer;
    struct address at;
    int listening = tcp_rig_listen(&at);
    int filler[4];

    /* A backlog of none, filled: the next SYN is not answered. */
    cr_assert_eq(listen(listening, 0), 0);
    for (size_t i = 0; i < 4; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(filler[i], &at.at.any, at.len);
    }
    dial_try(&at, 150, &answer);
    cr_assert_eq(answer.status, STATUS_IO);
    cr_assert_str_eq(answer.reason, "dial/timeout");
    for (size_t i = 0; i < 4; i++) {
        (void)close(filler[i]);
    }
    (void)close(listening);
}

Test(dial, nothing_comes_after_a_cancel)
{
    struct dial_answer answer = {0};
    struct worker worker;
    struct address at;
    struct dial *dial;
    int listening = tcp_rig_listen(&at);

    worker_init_main(&worker);
    dial = dial_start(&worker, &at, 50, dial_answered, &answer);
    dial_cancel(&dial);
    cr_assert_null(dial);
    dial_cancel(&dial);
    dial_wait(&worker, &answer, 100);
    cr_assert_eq(answer.times, 0);
    worker_stop(&worker);
    worker_run_main(&worker);
    worker_clear(&worker);
    (void)close(listening);
}

/* ---- linger ---- */

Test(linger, last_bytes_arrive_though_unread_ones_lie_in_the_socket)
{
    struct tcp_rig rig;
    static char flood[64 * 1024];
    size_t len = 0;
    char back[8];

    tcp_rig_open(&rig);
    cr_assert_eq(write(rig.far, flood, sizeof flood), (ssize_t)sizeof flood);
    cr_assert_eq(stream_write(rig.stream, bytes_of("alert"), &len, NULL), STATUS_OK);
    linger_start(&rig.worker, TAKE(rig.stream));
    (void)tcp_rig_turns(&rig, 20);
    cr_assert_eq(write(rig.far, flood, 100), 100);
    (void)tcp_rig_turns(&rig, 5);
    cr_assert_eq(read(rig.far, back, sizeof back), 5);
    cr_assert_eq(read(rig.far, back, sizeof back), 0);
    (void)close(rig.far);
    rig.far = -1;
    tcp_rig_end(&rig); /* ends at the peer's end */
}

Test(linger, a_peer_that_never_ends_is_left_after_a_second)
{
    struct tcp_rig rig;
    uint64_t began;

    tcp_rig_open(&rig);
    linger_start(&rig.worker, TAKE(rig.stream));
    began = worker_now_ms(&rig.worker);
    worker_stop(&rig.worker);
    worker_run_main(&rig.worker);
    cr_assert_geq(worker_now_ms(&rig.worker) - began, 900);
    (void)close(rig.far);
    worker_clear(&rig.worker);
}

Test(linger, a_flood_is_cut)
{
    struct tcp_rig rig;
    static char flood[64 * 1024];
    bool cut = false;

    tcp_rig_open(&rig);
    linger_start(&rig.worker, TAKE(rig.stream));
    for (int i = 0; i < 200 && !cut; i++) {
        cut = send(rig.far, flood, sizeof flood, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
              errno != EAGAIN;
        (void)uv_run(&rig.worker.loop, UV_RUN_NOWAIT);
    }
    cr_assert(cut);
    tcp_rig_end(&rig);
}
