/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strangers who ask without end: the loop is others' too. Turns of the loop are counted, not time.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/loop/worker.h"
#include "core/runtime/net/address.h"
#include "core/runtime/telemetry/metrics.h"
#include "core/runtime/web/server.h"
#include "tests/support/suite.h"

SUITE(flood, .timeout = 60);

#define FLOOD_WORDS "of-some-length-of-some-length-of-some-length-"
static const char flood_request[] =
    "GET /livez HTTP/1.1\r\nHost: localhost\r\n"
    "User-Agent: " FLOOD_WORDS FLOOD_WORDS FLOOD_WORDS FLOOD_WORDS "\r\n\r\n";

/* libuv may run timers twice in a turn, before and behind the poll: that is two windows at most. */
enum { FLOOD_REQUESTS = 10000, FLOOD_TURNS_MAX = 200000, FLOOD_A_TURN = 2 * WEB_STEPS_MAX };

struct flood {
    struct worker worker;
    struct web_server *server;
    struct web_route route;
    uv_prepare_t turn;
    uv_timer_t others; /* what must not wait */
    unsigned answers, answers_of_turn, most_of_a_turn;
    unsigned turns, others_had;
    struct address address;
};

static struct flood flood;
static size_t flood_allocated; /* bytes asked for since the last look */

void *__real_memory_make(size_t size);
void *__wrap_memory_make(size_t size);
void *__real_memory_grow(void *old, size_t size);
void *__wrap_memory_grow(void *old, size_t size);

void *__wrap_memory_make(size_t size)
{
    flood_allocated += size;
    return __real_memory_make(size);
}

void *__wrap_memory_grow(void *old, size_t size)
{
    flood_allocated += size;
    return __real_memory_grow(old, size);
}

static void flood_answer(void *user, const struct web_request *request, struct web_answer *answer)
{
    (void)user;
    (void)request;
    flood.answers++;
    flood.answers_of_turn++;
    cr_assert_eq(buffer_add_text(&answer->body, "alive\n"), STATUS_OK);
}

static void flood_turn_begins(uv_prepare_t *turn)
{
    (void)turn;
    flood.turns++;
    if (flood.answers_of_turn > flood.most_of_a_turn) {
        flood.most_of_a_turn = flood.answers_of_turn;
    }
    flood.answers_of_turn = 0;
}

static void flood_others(uv_timer_t *timer)
{
    (void)timer;
    flood.others_had++;
}

static void flood_open(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct web_server_options options = {.routes = &flood.route, .num_routes = 1};
    char text[ADDRESS_TEXT_MAX];
    socklen_t len = sizeof any;
    struct failure why = {0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&any, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    close(fd);
    flood.address = address_of_sockaddr((struct sockaddr *)&any, len);
    flood.route = (struct web_route){"GET", "/livez", flood_answer, NULL};
    options.address = address_print(&flood.address, text);
    worker_init_main(&flood.worker);
    cr_assert_eq(web_server_start(&flood.worker, &options, &flood.server, &why), STATUS_OK, "%s",
                 why.detail);
    (void)uv_prepare_init(&flood.worker.loop, &flood.turn);
    (void)uv_prepare_start(&flood.turn, flood_turn_begins);
    (void)uv_timer_init(&flood.worker.loop, &flood.others);
    (void)uv_timer_start(&flood.others, flood_others, 1, 1);
}

static void flood_close(void)
{
    web_server_close(flood.server);
    uv_close((uv_handle_t *)&flood.turn, NULL);
    uv_close((uv_handle_t *)&flood.others, NULL);
    worker_stop(&flood.worker);
    worker_run_main(&flood.worker);
    worker_clear(&flood.worker);
    metrics_clear();
}

static void flood_loop(void)
{
    (void)uv_run(&flood.worker.loop, UV_RUN_ONCE);
    cr_assert_lt(flood.turns, FLOOD_TURNS_MAX, "it goes on for ever");
}

/* A stranger's end of a connection; from 127.0.0.`host`. */
struct flood_client {
    int fd;
    size_t asked;          /* bytes of requests sent */
    size_t wanted;         /* bytes to be sent */
    bool over;             /* the server ended it */
    unsigned answers;      /* seen */
    unsigned last_answers; /* that say "connection: close" */
};

static void flood_connect(struct flood_client *client, uint8_t host, unsigned requests)
{
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000000u | host)};
    int room = 1 << 20;

    *client = (struct flood_client){.wanted = requests * (sizeof flood_request - 1)};
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(client->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    cr_assert_eq(bind(client->fd, (struct sockaddr *)&from, sizeof from), 0);
    cr_assert_eq(connect(client->fd, &flood.address.at.any, flood.address.len), 0);
    cr_assert_eq(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
}

static unsigned flood_count(const char *text, const char *word)
{
    unsigned count = 0;

    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

/* Sends and reads what can be sent and read now. Answers are small: each arrives in one piece. */
static void flood_step(struct flood_client *client)
{
    static char text[256 * 1024];
    ssize_t got;

    while (client->asked < client->wanted) {
        size_t into = client->asked % (sizeof flood_request - 1);

        got = send(client->fd, flood_request + into, sizeof flood_request - 1 - into,
                   MSG_NOSIGNAL);
        if (got <= 0) {
            break;
        }
        client->asked += (size_t)got;
        if (client->asked == client->wanted) {
            cr_assert_eq(shutdown(client->fd, SHUT_WR), 0);
        }
    }
    got = recv(client->fd, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    client->answers += flood_count(text, "HTTP/1.1 200 ");
    client->last_answers += flood_count(text, "connection: close\r\n");
    client->over = client->over || got == 0 || (got < 0 && errno != EAGAIN);
}

static void flood_until_over(struct flood_client *clients, unsigned count)
{
    for (unsigned over = 0; over < count;) {
        flood_loop();
        over = 0;
        for (unsigned i = 0; i < count; i++) {
            if (!clients[i].over) {
                flood_step(&clients[i]);
            }
            over += clients[i].over;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        close(clients[i].fd);
    }
}

Test(flood, I17_a_flood_of_pipelined_requests_gives_the_loop_back_after_a_few_answers)
{
    struct flood_client client;

    flood_open();
    flood_connect(&client, 1, FLOOD_REQUESTS);
    flood_step(&client); /* all that the system takes is there before the first turn */
    flood_until_over(&client, 1);
    flood_turn_begins(NULL);
    cr_assert_leq(flood.most_of_a_turn, FLOOD_A_TURN, "%u answers in one turn of the loop",
                  flood.most_of_a_turn);
    cr_assert_gt(flood.others_had, 0, "who shares the loop has his turns");
    flood_close();
}

Test(flood, I17_all_connections_together_give_the_loop_back)
{
    struct flood_client clients[WEB_CONNECTIONS_MAX];

    flood_open();
    for (unsigned i = 0; i < WEB_CONNECTIONS_MAX; i++) {
        flood_connect(&clients[i], 1, 60);
        flood_step(&clients[i]);
    }
    flood_until_over(clients, WEB_CONNECTIONS_MAX);
    flood_turn_begins(NULL);
    cr_assert_eq(flood.answers, WEB_CONNECTIONS_MAX * 60, "each had all its answers");
    cr_assert_leq(flood.most_of_a_turn, FLOOD_A_TURN, "%u answers in one turn of the loop",
                  flood.most_of_a_turn);
    flood_close();
}

Test(flood, the_last_answer_of_a_connection_says_so_and_nothing_behind_it_is_answered)
{
    struct flood_client client;

    flood_open();
    flood_connect(&client, 1, WEB_REQUESTS_MAX + 50);
    flood_until_over(&client, 1);
    cr_assert_eq(client.answers, WEB_REQUESTS_MAX, "%u answers", client.answers);
    cr_assert_eq(client.last_answers, 1);
    cr_assert_eq(flood.answers, WEB_REQUESTS_MAX);
    flood_close();
}

/* What is left behind a request was once copied for each request before it. */
Test(flood, I17_the_work_for_a_flood_grows_with_its_bytes_and_not_with_their_square)
{
    struct flood_client client;

    flood_open();
    flood_connect(&client, 1, WEB_REQUESTS_MAX - 1);
    flood_step(&client);
    cr_assert_eq(client.asked, client.wanted);
    flood_allocated = 0;
    flood_until_over(&client, 1);
    cr_assert_eq(client.answers, WEB_REQUESTS_MAX - 1);
    /* An answer's head and body, a request's block, and what is kept of a read, once. */
    cr_assert_lt(flood_allocated, (WEB_REQUESTS_MAX - 1) * 4096, "%zu bytes for %zu",
                 flood_allocated, client.asked);
    flood_close();
}

Test(flood, I17_a_stranger_with_many_connections_pushes_out_his_own)
{
    struct flood_client first;
    struct flood_client many[2 * WEB_CONNECTIONS_MAX];

    flood_open();
    flood_connect(&first, 2, 1);
    for (unsigned i = 0; i < 2 * WEB_CONNECTIONS_MAX; i++) {
        flood_connect(&many[i], 1, 1);
        flood_loop();
        flood_loop();
    }
    while (!first.over && first.answers == 0) {
        flood_step(&first);
        flood_loop();
    }
    cr_assert_eq(first.answers, 1, "another's connections cost it its own");
    for (unsigned i = 0; i < 2 * WEB_CONNECTIONS_MAX; i++) {
        close(many[i].fd);
    }
    close(first.fd);
    flood_close();
}

static unsigned flood_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

/* A descriptor of a sidecar is worth a connection of its workload. */
Test(flood, I17_those_who_do_not_take_their_refusal_are_bounded_with_the_others)
{
    enum { MANY = 4 * WEB_CONNECTIONS_MAX };
    int many[MANY];
    unsigned before;

    flood_open();
    before = flood_descriptors();
    for (unsigned i = 0; i < MANY; i++) {
        struct flood_client client;

        flood_connect(&client, 1, 0);
        cr_assert_eq(send(client.fd, "\x16\x03\x01", 3, MSG_NOSIGNAL), 3);
        many[i] = client.fd;
        flood_loop();
        flood_loop();
        cr_assert_leq(flood_descriptors(), before + i + 1 + WEB_CONNECTIONS_MAX + 2,
                      "after %u connections", i + 1);
    }
    for (unsigned i = 0; i < MANY; i++) {
        close(many[i]);
    }
    flood_close();
}
