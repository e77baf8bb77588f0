/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that cannot be reached, and one that is reached and is not ours: each way has its word and its whole
 * text. Real sockets; what gRPC says of each is compared here, so that a new release of it cannot change a word
 * in silence.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/suite.h"
#include "tests/unit/runtime/rpc/rig.h"

SUITE(rpc_unreachable, .timeout = 60);

/* Takes one connection, says a few bytes, and goes or stays. */
struct stranger {
    int listener;
    uint16_t port;
    struct bytes says;
    bool closes;
    int client; /* -1: nobody came */
    pthread_t thread;
};

static void *stranger_run(void *user)
{
    struct stranger *stranger = user;
    char heard[4096];

    stranger->client = accept(stranger->listener, NULL, NULL);
    if (stranger->client < 0) {
        return NULL;
    }
    if (stranger->says.len > 0) {
        (void)!read(stranger->client, heard, sizeof heard);
        (void)!write(stranger->client, stranger->says.at, stranger->says.len);
    }
    if (stranger->closes) {
        (void)close(stranger->client);
        stranger->client = -1;
    }
    return NULL;
}

static void stranger_open(struct stranger *stranger, struct bytes says, bool closes)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;

    *stranger = (struct stranger){.says = says, .closes = closes, .client = -1};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    stranger->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(stranger->listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(stranger->listener, 4), 0);
    cr_assert_eq(getsockname(stranger->listener, (struct sockaddr *)&address, &len), 0);
    stranger->port = ntohs(address.sin_port);
    cr_assert_eq(pthread_create(&stranger->thread, NULL, stranger_run, stranger), 0);
}

static void stranger_close(struct stranger *stranger)
{
    (void)shutdown(stranger->listener, SHUT_RDWR);
    (void)pthread_join(stranger->thread, NULL);
    (void)close(stranger->listener);
    if (stranger->client >= 0) {
        (void)close(stranger->client);
    }
}

/* One call to `address`, as a client of the rig's mesh; and no byte of the request left. */
static void ask(struct rig *rig, const char *address, uint32_t limit_ms, struct rig_end *end)
{
    struct rpc_client_trust trust = rig_trust(rig, NULL);
    struct rpc_client_credentials *credentials = NULL;
    struct rpc_channel *channel = NULL;
    struct rpc_call *call = NULL;
    struct rpc_call_options options = {
        .method = "/test.Echo/Echo", .limit_ms = limit_ms, .request = bytes_of("x")};

    cr_assert_eq(rpc_client_credentials_make(rig->queue, &trust, &credentials, NULL), STATUS_OK);
    cr_assert_eq(rpc_channel_make(rig->queue, address, rpc_client_credentials_raw(credentials),
                                  &channel, NULL),
                 STATUS_OK);
    cr_assert_eq(rpc_call_start(channel, &options, rig_event, end, &call, NULL), STATUS_OK);
    rig_run(rig, &end->ended);
    cr_assert_null(rpc_client_credentials_refusal(credentials));
    rpc_call_drop(&call);
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&credentials);
}

static void says_why(const char *address, uint32_t limit_ms, const char *reason, const char *part)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    ask(&rig, address, limit_ms, &end);
    cr_assert_str_eq(end.reason, reason, "%s: %s", end.reason, end.detail);
    cr_assert_not_null(strstr(end.detail, part), "%s", end.detail);
    cr_assert(!end.was_sent);
    cr_assert_eq(end.server_time_ms, 0);
    rig_close(&rig);
}

Test(rpc_unreachable, nobody_listens_there)
{
    says_why("127.0.0.1:1", 8000, "rpc/connection-refused", "127.0.0.1:1");
}

Test(rpc_unreachable, the_name_does_not_resolve)
{
    /* A label of 64 letters is no name: the resolver says so without asking anybody. */
    says_why("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example.org:1", 8000,
             "rpc/dns", "aaaa");
}

static void stranger_says_why(struct bytes says, bool closes, uint32_t limit_ms, const char *reason,
                              const char *part)
{
    struct stranger stranger;
    char address[32];

    stranger_open(&stranger, says, closes);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", stranger.port);
    says_why(address, limit_ms, reason, part);
    stranger_close(&stranger);
}

Test(rpc_unreachable, who_listens_there_says_nothing)
{
    stranger_says_why((struct bytes){0}, false, 500, "rpc/connect-timeout", "within 500 ms");
}

Test(rpc_unreachable, who_listens_there_ends_the_handshake_with_an_alert)
{
    static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 40}; /* fatal, handshake_failure */

    stranger_says_why(bytes_make(alert, sizeof alert), false, 8000, "rpc/tls-alert", "ALERT");
}

Test(rpc_unreachable, who_listens_there_does_not_speak_tls)
{
    stranger_says_why(bytes_of("SSH-2.0-OpenSSH_9.2\r\n"), false, 8000, "rpc/not-tls", "SSL");
    stranger_says_why(bytes_of("HTTP/1.1 400 Bad Request\r\n\r\n"), false, 8000, "rpc/not-tls",
                      "SSL");
}

Test(rpc_unreachable, who_listens_there_hangs_up)
{
    stranger_says_why((struct bytes){0}, true, 8000, "rpc/connection-lost", "127.0.0.1");
}

Test(rpc_unreachable, a_server_that_was_reached_and_does_not_answer_is_another_matter)
{
    struct rig rig;
    struct rpc_client_credentials *credentials = NULL;
    struct rpc_channel *channel = NULL;
    struct rpc_call *call = NULL;
    struct rpc_call_options options = {
        .method = "/test.Echo/Never", .limit_ms = 2000, .request = bytes_of("x")};
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    cr_assert_eq(rpc_client_credentials_make(rig.queue, &trust, &credentials, NULL), STATUS_OK);
    cr_assert_eq(rpc_channel_make(rig.queue, rig.address, rpc_client_credentials_raw(credentials),
                                  &channel, NULL),
                 STATUS_OK);
    cr_assert_eq(rpc_call_start(channel, &options, rig_event, &end, &call, NULL), STATUS_OK);
    rig_run(&rig, &end.ended);
    cr_assert_str_eq(end.reason, "rpc/deadline", "%s", end.detail);
    cr_assert(end.was_sent, "it may have been taken");
    rpc_call_drop(&call);
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

/* Reached, and not trusted: the verifier's word, never one of those above. */
struct impostor {
    const char *server_id;
    bool other_root;
    const char *reason, *part;
};

static void refuses(const struct impostor *impostor)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    struct rpc_client_credentials *credentials = NULL;
    OWNED(test_ca) *other = test_ca_root("example.org");
    OWNED(bundle) *bundle = test_ca_bundle(other, "example.org");

    rig_open(&rig, impostor->server_id);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    trust.bundle = impostor->other_root ? bundle : trust.bundle;
    cr_assert_eq(rpc_client_credentials_make(rig.queue, &trust, &credentials, NULL), STATUS_OK);
    rig_call(&rig, credentials, "/test.Echo/Echo", "x", &end);
    const struct failure *refusal = rpc_client_credentials_refusal(credentials);
    cr_assert_not_null(refusal);
    cr_assert_str_eq(refusal->reason, impostor->reason, "%s", refusal->detail);
    cr_assert_not_null(strstr(refusal->detail, impostor->part), "%s", refusal->detail);
    cr_assert(!end.was_sent);
    cr_assert_eq(rig.messages, 0);
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

Test(rpc_unreachable, a_server_that_is_not_ours_is_told_apart_from_one_that_is_not_there)
{
    static const struct impostor impostors[] = {
        {RIG_WEB, false, "rpc/other-identity", RIG_WEB},
        {RIG_CONTROL, true, "rpc/server-root", "verify/"},
        {RIG_WEB, true, "rpc/server-root", "verify/"},
    };

    for (size_t i = 0; i < sizeof impostors / sizeof impostors[0]; i++) {
        refuses(&impostors[i]);
    }
}
