/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls and the server: one event shape, bounds, deadlines, drops, and the end of gRPC.
 */
#include <string.h>

#include "core/runtime/base/clock.h"
#include "tests/support/suite.h"
#include "tests/unit/runtime/rpc/rig.h"

SUITE(rpc_call, .timeout = 60);

static struct rpc_client_credentials *credentials_of(struct rig *rig,
                                                     struct rpc_channel **out_channel)
{
    struct rpc_client_trust trust = rig_trust(rig, NULL);
    struct rpc_client_credentials *credentials = NULL;

    cr_assert_eq(rpc_client_credentials_make(rig->queue, &trust, &credentials, NULL), STATUS_OK);
    cr_assert_eq(rpc_channel_make(rig->queue, rig->address, rpc_client_credentials_raw(credentials),
                                  out_channel, NULL),
                 STATUS_OK);
    return credentials;
}

Test(rpc_call, a_unary_call_gives_one_message_and_one_end_with_the_servers_time)
{
    struct rig rig;
    struct rpc_channel *channel;
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_credentials *credentials = credentials_of(&rig, &channel);
    rig_call_on(&rig, channel, "/test.Echo/Echo", bytes_of("hello"), &end);
    cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
    cr_assert_eq(end.messages, 1);
    cr_assert_eq(end.events, 2);
    cr_assert(bytes_equal_text(buffer_bytes(&end.reply), "hello"));
    cr_assert(end.server_time_ms > clock_unix_ms() - 10000 &&
              end.server_time_ms <= clock_unix_ms());
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&credentials);
    rig_turn(&rig, 50);
    cr_assert_eq(rig.ends, 1, "the handler learns that the call is over");
    cr_assert_eq(rpc_server_open_calls(rig.server), 0);
    rig_close(&rig);
}

Test(rpc_call, a_refusal_carries_code_reason_detail_and_time)
{
    struct rig rig;
    struct rpc_channel *channel;
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_credentials *credentials = credentials_of(&rig, &channel);
    rig_call_on(&rig, channel, "/test.Echo/Refuse", bytes_of("x"), &end);
    cr_assert_eq(end.code, RPC_PERMISSION_DENIED);
    cr_assert_str_eq(end.reason, "test/no");
    cr_assert_str_eq(end.detail, "because");
    cr_assert(end.server_time_ms > 0);
    rig_call_on(&rig, channel, "/test.Echo/Missing", bytes_of("x"), &end);
    cr_assert_eq(end.code, RPC_UNIMPLEMENTED);
    cr_assert_str_eq(end.reason, "rpc/no-such-method");
    cr_assert(end.server_time_ms > 0);
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

Test(rpc_call, messages_are_bounded_both_ways)
{
    static uint8_t big[RPC_MESSAGE_MAX + 1];
    struct rig rig;
    struct rpc_channel *channel;
    struct rpc_call *call = NULL;
    struct rpc_call_options options = {.method = "/test.Echo/Echo", .limit_ms = 1000};
    struct failure why = {0};
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_credentials *credentials = credentials_of(&rig, &channel);
    options.request = bytes_make(big, sizeof big);
    cr_assert_eq(rpc_call_start(channel, &options, rig_event, &end, &call, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "rpc/message-too-long");
    rig_call_on(&rig, channel, "/test.Echo/Echo", bytes_make(big, RPC_MESSAGE_MAX), &end);
    cr_assert_eq(end.code, RPC_OK, "%s", end.detail);
    cr_assert_eq(end.reply.len, RPC_MESSAGE_MAX);
    rig_end_clear(&end);
    rig_call_on(&rig, channel, "/test.Echo/Big", bytes_of("x"), &end);
    cr_assert_eq(end.code, RPC_INTERNAL);
    cr_assert_str_eq(end.reason, "rpc/message-too-long");
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

Test(rpc_call, an_empty_message_is_a_message)
{
    struct rig rig;
    struct rpc_channel *channel;
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_credentials *credentials = credentials_of(&rig, &channel);
    rig_call_on(&rig, channel, "/test.Echo/Echo", bytes_of(""), &end);
    cr_assert_eq(end.code, RPC_OK, "%s", end.detail);
    cr_assert_eq(end.messages, 1);
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

Test(rpc_call, ends_at_its_deadline_and_the_handler_learns_it)
{
    struct rig rig;
    struct rpc_channel *channel;
    struct rpc_call *call = NULL;
    struct rpc_call_options options = {
        .method = "/test.Echo/Never", .limit_ms = 300, .request = {0}};
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_credentials *credentials = credentials_of(&rig, &channel);
    cr_assert_eq(rpc_call_start(channel, &options, rig_event, &end, &call, NULL), STATUS_OK);
    rig_run(&rig, &end.ended);
    cr_assert_eq(end.code, RPC_DEADLINE_EXCEEDED);
    cr_assert_str_eq(end.reason, "rpc/deadline");
    rpc_call_drop(&call);
    rig_turn(&rig, 100);
    cr_assert_eq(rig.messages, 1);
    cr_assert_eq(rig.cancels, 1);
    cr_assert_null(rig.kept);
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

Test(rpc_call, nothing_comes_after_a_drop)
{
    struct rig rig;
    struct rpc_channel *channel;
    struct rpc_call *call = NULL;
    struct rpc_call_options options = {
        .method = "/test.Echo/Never", .limit_ms = 5000, .request = {0}};
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_credentials *credentials = credentials_of(&rig, &channel);
    cr_assert_eq(rpc_call_start(channel, &options, rig_event, &end, &call, NULL), STATUS_OK);
    rig_turn(&rig, 200);
    cr_assert_not_null(rig.kept);
    rpc_call_drop(&call);
    cr_assert_null(call);
    rig_turn(&rig, 200);
    cr_assert_eq(end.events, 0);
    cr_assert_eq(rig.cancels, 1);
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

Test(rpc_call, may_be_dropped_at_once_and_from_its_own_event)
{
    struct rig rig;
    struct rpc_channel *channel;
    struct rpc_call *call = NULL;
    struct rpc_call_options options = {
        .method = "/test.Echo/Echo", .limit_ms = 5000, .request = {0}};
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_credentials *credentials = credentials_of(&rig, &channel);
    cr_assert_eq(rpc_call_start(channel, &options, rig_event, &end, &call, NULL), STATUS_OK);
    rpc_call_drop(&call); /* before the handshake, maybe while the verifier is asked */
    end.drop_in_event = &call;
    cr_assert_eq(rpc_call_start(channel, &options, rig_event, &end, &call, NULL), STATUS_OK);
    rig_turn(&rig, 300);
    cr_assert_eq(end.events, 1);
    cr_assert_null(call);
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

Test(rpc_call, streams_have_the_same_shape)
{
    struct rig rig;
    struct rpc_channel *channel;
    struct rpc_call *call = NULL;
    struct rpc_call_options options = {
        .method = "/test.Echo/Stream", .limit_ms = 5000, .streaming = true};
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_credentials *credentials = credentials_of(&rig, &channel);
    cr_assert_eq(rpc_call_start(channel, &options, rig_event, &end, &call, NULL), STATUS_OK);
    cr_assert_eq(rpc_call_send(call, bytes_of("too early"), NULL), STATUS_WAIT,
                 "metadata is on its way");
    for (unsigned i = 1; i <= 3; i++) {
        for (unsigned wait = 0;
             wait < 100 && rpc_call_send(call, bytes_of("again"), NULL) != STATUS_OK; wait++) {
            rig_turn(&rig, 10);
        }
        for (unsigned wait = 0; wait < 100 && end.messages < i; wait++) {
            rig_turn(&rig, 10);
        }
        cr_assert_eq(end.messages, i);
        cr_assert_eq(end.sent, i);
        cr_assert(bytes_equal_text(buffer_bytes(&end.reply), "again"));
    }
    cr_assert(!end.ended);
    rpc_call_finish(call);
    rig_run(&rig, &end.ended);
    cr_assert_eq(end.code, RPC_OK, "%s", end.detail);
    cr_assert_eq(rig.half_closes, 1);
    cr_assert_eq(rpc_call_send(call, bytes_of("late"), NULL), STATUS_CLOSED);
    rpc_call_drop(&call);
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

Test(rpc_call, a_server_that_closes_ends_open_calls)
{
    struct rig rig;
    struct rpc_channel *channel;
    struct rpc_call *call = NULL;
    struct rpc_call_options options = {
        .method = "/test.Echo/Never", .limit_ms = 60000, .request = {0}};
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_credentials *credentials = credentials_of(&rig, &channel);
    cr_assert_eq(rpc_call_start(channel, &options, rig_event, &end, &call, NULL), STATUS_OK);
    rig_turn(&rig, 200);
    cr_assert_not_null(rig.kept);
    rpc_client_credentials_drop(&credentials);
    rpc_channel_drop(&channel);
    rpc_server_close(TAKE(rig.server), 100, NULL, NULL);
    rig_run(&rig, &end.ended);
    cr_assert_eq(end.code, RPC_UNAVAILABLE);
    cr_assert_str_eq(end.reason, "rpc/shutting-down");
    rig_turn(&rig, 50);
    cr_assert_eq(rig.cancels, 1);
    rpc_call_drop(&call);
    rig_close(&rig);
}

Test(rpc_call, nobody_there_is_unavailable_with_a_word)
{
    struct rig rig;
    struct rpc_channel *channel = NULL;
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    struct rpc_client_credentials *credentials = NULL;
    cr_assert_eq(rpc_client_credentials_make(rig.queue, &trust, &credentials, NULL), STATUS_OK);
    cr_assert_eq(rpc_channel_make(rig.queue, "127.0.0.1:1", rpc_client_credentials_raw(credentials),
                                  &channel, NULL),
                 STATUS_OK);
    rig_call_on(&rig, channel, "/test.Echo/Echo", bytes_of("x"), &end);
    cr_assert_eq(end.code, RPC_UNAVAILABLE);
    cr_assert_str_eq(end.reason, "rpc/connection-refused");
    cr_assert_eq(end.server_time_ms, 0);
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

Test(rpc_call, targets_that_are_no_host_and_port_are_refused)
{
    static const char *const wrong[] = {"",           "host",      "host:",      "host:0",
                                        "host:65536", "host:http", ":80",        "a b:80",
                                        "[::1:80",    "[zz]:80",   "dns:///x:1", "xds:///x:1"};
    struct rig rig;

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    struct rpc_client_credentials *credentials = NULL;
    cr_assert_eq(rpc_client_credentials_make(rig.queue, &trust, &credentials, NULL), STATUS_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct rpc_channel *channel = NULL;
        struct failure why = {0};

        cr_assert_eq(rpc_channel_make(rig.queue, wrong[i], rpc_client_credentials_raw(credentials),
                                      &channel, &why),
                     STATUS_CONFIG, "%s", wrong[i]);
        cr_assert_str_eq(why.reason, "rpc/target");
    }
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

Test(rpc_call, names_and_ipv6_reach_a_server)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    struct rpc_client_credentials *credentials = NULL;
    cr_assert_eq(rpc_client_credentials_make(rig.queue, &trust, &credentials, NULL), STATUS_OK);
    (void)snprintf(rig.address, sizeof rig.address, "localhost:%u", rpc_server_port(rig.server));
    rig_call(&rig, credentials, "/test.Echo/Echo", "by name", &end);
    cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
    rig_end_clear(&end);
    (void)snprintf(rig.address, sizeof rig.address, "[::ffff:127.0.0.1]:%u",
                   rpc_server_port(rig.server));
    rig_call(&rig, credentials, "/test.Echo/Echo", "by address", &end);
    cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

Test(rpc_call, no_proxy_of_the_environment_is_used)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    char refusal[80];

    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    (void)setenv("https_proxy", "http://127.0.0.1:1", 1);
    (void)setenv("grpc_proxy", "http://127.0.0.1:1", 1);
    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    (void)snprintf(rig.address, sizeof rig.address, "localhost:%u", rpc_server_port(rig.server));
    rig_ask(&rig, &trust, "/test.Echo/Echo", "x", &end, refusal);
    cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
    rig_close(&rig);
}

Test(rpc_call, a_port_in_use_is_refused)
{
    struct rig rig;
    struct rpc_server *second = NULL;
    struct failure why = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_server_options options = {
        .address = rig.address,
        .credentials = rpc_server_credentials_raw(rig.server_credentials),
        .judge = rpc_server_credentials_judge(rig.server_credentials),
    };
    cr_assert_eq(rpc_server_start(rig.queue, &options, &second, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "rpc/listen");
    rig_close(&rig);
}

Test(rpc_call, the_end_of_the_queue_is_the_end_of_all_threads)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    char refusal[80];
    unsigned before = rig_threads();

    for (int round = 0; round < 3; round++) {
        rig_open(&rig, RIG_CONTROL);
        struct rpc_client_trust trust = rig_trust(&rig, NULL);
        rig_ask(&rig, &trust, "/test.Echo/Echo", "x", &end, refusal);
        cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
        rig_end_clear(&end);
        cr_assert(rig_threads() > before);
        rig_close(&rig);
        for (int wait = 0; wait < 200 && rig_threads() > before; wait++) {
            struct timespec pause = {.tv_nsec = 10000000};

            (void)nanosleep(&pause, NULL);
        }
        cr_assert_eq(rig_threads(), before, "round %d", round);
    }
}

/* A streaming call to a unary method: its message never comes. */
Test(rpc_call, I13_callers_who_say_nothing_do_not_lock_out_those_who_do)
{
    enum { CONNECTIONS = 17, CALLS = 16 }; /* more than the server has places */
    static struct rpc_call *silent[CONNECTIONS][CALLS];
    static struct rig_end silent_ends[CONNECTIONS][CALLS];
    struct rpc_channel *channels[CONNECTIONS];
    struct rpc_client_credentials *credentials[CONNECTIONS];
    struct rpc_call_options options = {
        .method = "/test.Echo/Echo", .limit_ms = 30000, .streaming = true};
    struct rpc_channel *channel;
    unsigned told = 0;
    struct rig rig;
    CLEARED(rig_end) end = {0};

    cr_assert(CONNECTIONS * CALLS > RPC_SERVER_EXCHANGES_MAX);
    rig_open(&rig, RIG_CONTROL);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        credentials[i] = credentials_of(&rig, &channels[i]);
        for (size_t k = 0; k < CALLS; k++) {
            cr_assert_eq(rpc_call_start(channels[i], &options, rig_event, &silent_ends[i][k],
                                        &silent[i][k], NULL),
                         STATUS_OK);
        }
    }
    for (unsigned wait = 0;
         wait < 200 && rpc_server_open_calls(rig.server) < RPC_SERVER_EXCHANGES_MAX - 1; wait++) {
        rig_turn(&rig, 20);
    }
    cr_assert_geq(rpc_server_open_calls(rig.server), RPC_SERVER_EXCHANGES_MAX - 1);
    struct rpc_client_credentials *own = credentials_of(&rig, &channel);
    rig_call_on(&rig, channel, "/test.Echo/Echo", bytes_of("hello"), &end);
    cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&own);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        for (size_t k = 0; k < CALLS; k++) {
            told += silent_ends[i][k].ended;
            cr_assert(!silent_ends[i][k].ended ||
                          strcmp(silent_ends[i][k].reason, "rpc/too-many-calls") == 0,
                      "%s", silent_ends[i][k].reason);
        }
    }
    cr_assert_gt(told, 0, "who lost his place heard why");
    for (size_t i = 0; i < CONNECTIONS; i++) {
        for (size_t k = 0; k < CALLS; k++) {
            rpc_call_drop(&silent[i][k]);
        }
        rpc_channel_drop(&channels[i]);
        rpc_client_credentials_drop(&credentials[i]);
    }
    rig_close(&rig);
}
