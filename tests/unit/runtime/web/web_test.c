/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/runtime/loop/worker.h"
#include "core/runtime/web/client.h"
#include "core/runtime/web/health.h"
#include "core/runtime/web/metrics_page.h"
#include "tests/support/suite.h"

SUITE(web, .timeout = 60);

enum { WEB_TEST_ROUTES = 7 };

/* A server on a thread of its own, and what it was asked last. */
struct web_scene {
    struct worker worker;
    struct web_server *server;
    struct web_server_options options;
    struct web_route routes[WEB_TEST_ROUTES];
    struct health health;
    struct mail stop;
    char folder[32];
    char address[64];
    unsigned posts;
    uid_t last_uid;
    enum status started;
    struct failure why;
    sem_t ready;
};

static struct web_scene scene;

static void web_test_echo(void *user, const struct web_request *request, struct web_answer *answer)
{
    struct web_scene *at = user;

    at->posts++;
    at->last_uid = request->is_unix ? request->peer_uid : (uid_t)-1;
    answer->content_type = "text/plain";
    cr_assert_eq(buffer_add(&answer->body, request->body), STATUS_OK);
}

static void web_test_rest(void *user, const struct web_request *request, struct web_answer *answer)
{
    char text[32] = "";

    (void)user;
    (void)http_query_get(request->query, "q", text, sizeof text);
    cr_assert_eq(buffer_add(&answer->body, request->rest), STATUS_OK);
    cr_assert_eq(buffer_add_format(&answer->body, " q=%s", text), STATUS_OK);
}

/* More than any socket buffer holds: the answer leaves in pieces. */
static void web_test_big(void *user, const struct web_request *request, struct web_answer *answer)
{
    (void)user;
    (void)request;
    for (int i = 0; i < 300000; i++) {
        cr_assert_eq(buffer_add_format(&answer->body, "line %06d\n", i), STATUS_OK);
    }
}

static void web_test_fails(void *user, const struct web_request *request, struct web_answer *answer)
{
    struct failure why = {0};

    (void)user;
    (void)request;
    web_answer_error(answer, fail(&why, STATUS_NOT_FOUND, "entry/none", "no \"such\" entry"), &why);
}

static void web_test_begin(struct worker *worker, void *user)
{
    struct web_scene *at = user;

    at->started = web_server_start(worker, &at->options, &at->server, &at->why);
    (void)sem_post(&at->ready);
    if (at->started != STATUS_OK) {
        worker_stop(worker);
    }
}

static void web_test_start(const char *address, bool local_host_only)
{
    struct web_route routes[WEB_TEST_ROUTES] = {
        {"POST", "/echo", web_test_echo, &scene}, {"GET", "/rest/*", web_test_rest, NULL},
        {"GET", "/big", web_test_big, NULL},      {"GET", "/fails", web_test_fails, NULL},
        health_livez_route(&scene.health),        health_readyz_route(&scene.health),
        metrics_page_route(METRICS_PROXY),
    };

    (void)strcpy(scene.folder, "/tmp/web_test_XXXXXX");
    cr_assert_not_null(mkdtemp(scene.folder));
    if (address == NULL) {
        (void)snprintf(scene.address, sizeof scene.address, "unix:%s/a.sock", scene.folder);
    } else {
        (void)snprintf(scene.address, sizeof scene.address, "%s", address);
    }
    memcpy(scene.routes, routes, sizeof routes);
    scene.options = (struct web_server_options){.address = scene.address,
                                                .routes = scene.routes,
                                                .num_routes = WEB_TEST_ROUTES,
                                                .local_host_only = local_host_only};
    cr_assert_eq(sem_init(&scene.ready, 0, 0), 0);
    worker_start(&scene.worker, 1, web_test_begin, &scene);
    cr_assert_eq(sem_wait(&scene.ready), 0);
}

static void web_test_stopped(struct mail *mail)
{
    (void)mail;
    web_server_close(scene.server);
    worker_stop(&scene.worker);
}

static void web_test_end(void)
{
    if (scene.started == STATUS_OK) {
        scene.stop.deliver = web_test_stopped;
        mailbox_post(&scene.worker.mailbox, &scene.stop);
    }
    worker_join(&scene.worker);
    metrics_clear();
    cr_assert_eq(rmdir(scene.folder), 0, "the socket is gone");
}

/* A loopback address with a port that was free a moment ago. */
static void web_test_tcp_address(char out[32])
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&any, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    close(fd);
    (void)snprintf(out, 32, "127.0.0.1:%u", ntohs(any.sin_port));
}

static unsigned web_test_call(const char *method, const char *target, const char *body,
                              struct web_reply *reply)
{
    struct web_call call = {.address = scene.address,
                            .method = method,
                            .target = target,
                            .body = bytes_of(body),
                            .limit_ms = 20000};
    struct failure why = {0};

    cr_assert_eq(web_client_call(&call, reply, &why), STATUS_OK, "%s: %s", why.reason, why.detail);
    return reply->status;
}

static unsigned web_test_expect(const char *method, const char *target, const char *body,
                                const char *expected)
{
    __attribute__((cleanup(web_reply_clear))) struct web_reply reply = {0};
    unsigned status = web_test_call(method, target, body, &reply);

    cr_assert(bytes_equal_text(buffer_bytes(&reply.body), expected), "%.*s", (int)reply.body.len,
              (const char *)reply.body.at);
    return status;
}

/* Where the scene's server listens. */
static struct sockaddr_un web_test_unix(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = scene.address + strlen("unix:");

    memcpy(to.sun_path, path, strlen(path));
    return to;
}

/* Says `text` on a connection of its own and reads until the server closes; gives what it said. */
static const char *web_test_say(struct bytes text)
{
    static char answer[64 * 1024];
    struct sockaddr_un to = web_test_unix();
    size_t len = 0;
    ssize_t got;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    while (text.len > 0 && (got = send(fd, text.at, text.len, MSG_NOSIGNAL)) > 0) {
        text = bytes_skip(text, (size_t)got);
    }
    while (len < sizeof answer - 1 &&
           (got = recv(fd, answer + len, sizeof answer - 1 - len, 0)) > 0) {
        len += (size_t)got;
    }
    answer[len] = '\0';
    close(fd);
    return answer;
}

Test(web, routes_answer_and_others_do_not)
{
    web_test_start(NULL, true);
    cr_assert_eq(web_test_expect("GET", "/rest/a/b?q=%41", "", "a/b q=A"), 200);
    cr_assert_eq(web_test_expect("GET", "/rest", "",
                                 "{\"reason\":\"web/path\",\"detail\":\"there is no such page\"}"),
                 404);
    cr_assert_eq(
        web_test_expect("GET", "/fails", "",
                        "{\"reason\":\"entry/none\",\"detail\":\"no \\\"such\\\" entry\"}"),
        404);
    cr_assert_eq(
        web_test_expect("GET", "/echo", "",
                        "{\"reason\":\"web/method\",\"detail\":\"this page is not asked in "
                        "that way\"}"),
        405);
    cr_assert_eq(web_test_expect("HEAD", "/rest/x", "", ""), 200);
    cr_assert_eq(web_test_expect("POST", "/echo", "hello", "hello"), 200);
    cr_assert_eq(scene.last_uid, getuid(), "the kernel says who asks");
    web_test_end();
}

Test(web, a_big_answer_arrives_whole)
{
    __attribute__((cleanup(web_reply_clear))) struct web_reply reply = {0};

    web_test_start(NULL, true);
    cr_assert_eq(web_test_call("GET", "/big", "", &reply), 200);
    cr_assert_eq(reply.body.len, 300000 * 12);
    cr_assert_eq(memcmp(reply.body.at + reply.body.len - 12, "line 299999\n", 12), 0);
    web_test_end();
}

Test(web, pipelined_requests_are_answered_in_order)
{
    const char *answer;

    web_test_start(NULL, true);
    answer = web_test_say(bytes_of("GET /rest/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
                                   "GET /rest/2 HTTP/1.1\r\nHost: localhost\r\n\r\n"
                                   "GET /rest/3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                                   "GET /rest/4 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    cr_assert_not_null(strstr(answer, "1 q="));
    cr_assert_not_null(strstr(strstr(answer, "1 q="), "2 q="));
    cr_assert_not_null(strstr(strstr(answer, "2 q="), "3 q="));
    cr_assert_null(strstr(answer, "4 q="));
    web_test_end();
}

Test(web, a_change_needs_the_header_that_no_page_can_send)
{
    const char *answer;

    web_test_start(NULL, true);
    answer = web_test_say(bytes_of("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
                                   "Connection: close\r\n\r\nx"));
    cr_assert_eq(strncmp(answer, "HTTP/1.1 403 ", 13), 0, "%s", answer);
    cr_assert_not_null(strstr(answer, "web/no-request-header"));
    cr_assert_eq(scene.posts, 0);
    web_test_end();
}

Test(web, over_tcp_a_foreign_host_is_refused)
{
    static const struct {
        const char *host;
        bool is_local;
    } hosts[] = {{"localhost", true},       {"localhost:15000", true},
                 {"127.0.0.1:1", true},     {"127.9.9.9", true},
                 {"[::1]:1", true},         {"evil.example", false},
                 {"localhost.evil", false}, {"[::2]", false},
                 {"10.0.0.1", false},       {"", false},
                 {"[::1", false},           {"128.0.0.1", false}};
    char address[32];

    web_test_tcp_address(address);
    web_test_start(address, true);
    cr_assert_eq(scene.started, STATUS_OK, "%s", scene.why.detail);
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        char text[256];
        ssize_t got;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        to.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
        cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        (void)snprintf(text, sizeof text, "GET /livez HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i].host);
        cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
        got = recv(fd, text, sizeof text - 1, 0);
        cr_assert_gt(got, 13);
        cr_assert_eq(strncmp(text, hosts[i].is_local ? "HTTP/1.1 200 " : "HTTP/1.1 421 ", 13), 0,
                     "%s", hosts[i].host);
        close(fd);
    }
    cr_assert_eq(web_test_expect("GET", "/livez", "", "alive\n"), 200);
    web_test_end();
}

static const struct {
    const char *text;
    unsigned status;
    const char *reason;
} web_refusals[] = {
    {"\x16\x03\x01\x02\x00\x01", 400, "http/syntax"},
    {"GET / HTTP/1.1\r\n\r\n", 400, "http/host"},
    {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "http/version"},
    {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 413, "web/body-too-long"},
};

Test(web, refuses_broken_requests_and_closes)
{
    web_test_start(NULL, true);
    for (size_t i = 0; i < sizeof web_refusals / sizeof web_refusals[0]; i++) {
        const char *answer = web_test_say(bytes_of(web_refusals[i].text));
        char first[16];

        (void)snprintf(first, sizeof first, "HTTP/1.1 %u ", web_refusals[i].status);
        cr_assert_eq(strncmp(answer, first, strlen(first)), 0, "case %zu: %s", i, answer);
        cr_assert_not_null(strstr(answer, web_refusals[i].reason), "case %zu: %s", i, answer);
        cr_assert_not_null(strstr(answer, "connection: close\r\n"));
    }
    web_test_end();
}

/* `start`, and x without end. */
static void web_test_fill(char *text, size_t size, const char *start)
{
    memset(text, 'x', size);
    memcpy(text, start, strlen(start));
}

Test(web, refuses_a_head_a_body_and_a_target_without_end)
{
    static char text[512 * 1024];
    const char *answer;

    web_test_start(NULL, true);
    web_test_fill(text, sizeof text, "GET /");
    answer = web_test_say(bytes_make(text, sizeof text));
    cr_assert_eq(strncmp(answer, "HTTP/1.1 414 ", 13), 0, "%s", answer);
    web_test_fill(text, sizeof text, "GET / HTTP/1.1\r\na: ");
    answer = web_test_say(bytes_make(text, sizeof text));
    cr_assert_eq(strncmp(answer, "HTTP/1.1 431 ", 13), 0, "%s", answer);
    web_test_fill(text, sizeof text,
                  "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n");
    answer = web_test_say(bytes_make(text, sizeof text));
    cr_assert_eq(strncmp(answer, "HTTP/1.1 413 ", 13), 0, "%s", answer);
    web_test_end();
}

/* Whoever holds connections open does not lock others out: the one that waits longest goes. */
Test(web, idle_connections_do_not_use_the_server_up)
{
    struct sockaddr_un to;
    int held[WEB_CONNECTIONS_MAX + 20];
    unsigned open = 0;

    web_test_start(NULL, true);
    to = web_test_unix();
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        held[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(connect(held[i], (struct sockaddr *)&to, sizeof to), 0);
    }
    cr_assert_eq(web_test_expect("GET", "/livez", "", "alive\n"), 200);
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        struct pollfd watched = {.fd = held[i], .events = POLLIN};

        open += poll(&watched, 1, 0) == 0;
        close(held[i]);
    }
    cr_assert_leq(open, WEB_CONNECTIONS_MAX);
    cr_assert_geq(open, WEB_CONNECTIONS_MAX - 2);
    web_test_end();
}

Test(web, the_socket_is_private_and_a_stale_one_is_replaced)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat there;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(at.sun_path, sizeof at.sun_path, "/tmp/web_test_stale_%d", (int)getpid());
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    close(fd); /* nobody listens there any more */
    (void)umask(0);
    {
        char address[128];

        (void)snprintf(address, sizeof address, "unix:%s", at.sun_path);
        web_test_start(address, true);
    }
    cr_assert_eq(scene.started, STATUS_OK, "%s", scene.why.detail);
    cr_assert_eq(lstat(at.sun_path, &there), 0);
    cr_assert_eq(there.st_mode & 07777, 0600);
    web_test_end();
    cr_assert_neq(lstat(at.sun_path, &there), 0);
}

Test(web, what_is_no_socket_stays_as_it_is)
{
    char path[] = "/tmp/web_test_file_XXXXXX";
    char address[64];
    int fd = mkstemp(path);

    close(fd);
    (void)snprintf(address, sizeof address, "unix:%s", path);
    web_test_start(address, true);
    cr_assert_eq(scene.started, STATUS_IO);
    cr_assert_str_eq(scene.why.reason, "web/bind");
    cr_assert_eq(access(path, F_OK), 0);
    web_test_end();
    unlink(path);
}

Test(web, a_socket_in_use_is_not_taken_away)
{
    struct web_server *second = NULL;
    struct failure why = {0};
    struct worker worker;

    web_test_start(NULL, true);
    worker_init_main(&worker);
    cr_assert_eq(web_server_start(&worker, &scene.options, &second, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "web/in-use");
    worker_stop(&worker);
    worker_run_main(&worker);
    worker_clear(&worker);
    cr_assert_eq(web_test_expect("GET", "/livez", "", "alive\n"), 200);
    web_test_end();
}

Test(web, ready_means_that_no_condition_says_no)
{
    web_test_start(NULL, false);
    cr_assert_eq(web_test_expect("GET", "/readyz", "", "ready\n"), 200);
    health_set(&scene.health, "certificate", HEALTH_NO, "waiting for %s", "the first\none");
    health_set(&scene.health, "inbound", HEALTH_UNPROVED, "no connection yet");
    cr_assert_eq(web_test_expect("GET", "/readyz", "",
                                 "not ready\n[no] certificate: waiting for the first?one\n"
                                 "[unproved] inbound: no connection yet\n"),
                 503);
    health_set(&scene.health, "certificate", HEALTH_YES, "until tomorrow");
    cr_assert_eq(web_test_expect("GET", "/readyz", "",
                                 "ready\n[yes] certificate: until tomorrow\n"
                                 "[unproved] inbound: no connection yet\n"),
                 200);
    cr_assert_eq(health_get(&scene.health, "inbound"), HEALTH_UNPROVED);
    cr_assert_eq(health_get(&scene.health, "certificate"), HEALTH_YES);
    web_test_end();
}

Test(web, metrics_are_served_and_count_the_server_itself)
{
    __attribute__((cleanup(web_reply_clear))) struct web_reply reply = {0};

    web_test_start(NULL, false);
    cr_assert_eq(web_test_expect("GET", "/livez", "", "alive\n"), 200);
    cr_assert_eq(web_test_call("GET", "/metrics", "", &reply), 200);
    cr_assert_eq(buffer_add(&reply.body, bytes_make("", 1)),
                 STATUS_OK); /* a NUL: it is a text now */
    cr_assert_not_null(strstr((const char *)reply.body.at,
                              "\nsignet_admin_requests_total{outcome=\"ok\",reason=\"none\"} 1\n"));
    cr_assert_not_null(
        strstr((const char *)reply.body.at, "\nsignet_process_resident_memory_bytes "));
    web_test_end();
}

Test(web, the_client_says_why_it_got_no_answer)
{
    struct web_call call = {.address = "unix:/tmp/web_test_none", .method = "GET", .target = "/"};
    struct web_reply reply = {0};
    struct failure why = {0};
    char address[32];

    cr_assert_eq(web_client_call(&call, &reply, &why), STATUS_NOT_FOUND);
    cr_assert_str_eq(why.reason, "web/no-server");
    call.address = "nonsense";
    cr_assert_eq(web_client_call(&call, &reply, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "web/address");
    web_test_tcp_address(address);
    call.address = address;
    cr_assert_eq(web_client_call(&call, &reply, &why), STATUS_NOT_FOUND);
    cr_assert_str_eq(why.reason, "web/no-server");
    cr_assert_eq(reply.status, 0);
}

Test(web, the_client_does_not_wait_for_ever_nor_read_without_end)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct web_call call = {.method = "GET", .target = "/", .limit_ms = 50};
    struct web_reply reply = {0};
    struct failure why = {0};
    socklen_t len = sizeof at;
    char address[32];
    int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(silent, (struct sockaddr *)&at, len), 0);
    cr_assert_eq(listen(silent, 4), 0);
    cr_assert_eq(getsockname(silent, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(at.sin_port));
    call.address = address;
    cr_assert_eq(web_client_call(&call, &reply, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "web/too-slow");
    close(silent);

    web_test_start(NULL, true);
    call.address = scene.address;
    call.target = "/big";
    call.limit_ms = 20000;
    call.answer_max = 1000;
    cr_assert_eq(web_client_call(&call, &reply, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "web/answer-too-long");
    web_test_end();
}
