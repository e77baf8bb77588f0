/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server keeps one request for the next call with gRPC, as long as there is room for another
 * exchange; exchange.c does the rest.
 */
#include "core/runtime/rpc/server.h"

#include <assert.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <stdlib.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/rpc/exchange.h"

struct rpc_server {
    struct rpc_exchange_home home;  /* first: exchanges find their server through it */
    grpc_server *raw;               /* owned */
    struct rpc_operation accepting; /* the next call */
    struct rpc_operation stopping;  /* gRPC has let go of the listener and of every call */
    struct rpc_exchange *next; /* owned; what the next call is written into; NULL: none asked for */
    struct timer grace;        /* until open calls are refused, and a moment later cancelled */
    struct timer room;         /* until those who were to leave are made to */
    unsigned open_timers;
    uint16_t port;
    bool closing, stopped, refused;
    void (*closed)(void *user);
    void *user;
};

/* Bounds against callers who cost us memory or wait for ever (I17). */
static const struct {
    const char *key;
    int value;
} rpc_server_rules[] = {
    {GRPC_ARG_ALLOW_REUSEPORT, 0}, /* a second server on our port is a mistake that must show */
    {GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, RPC_SERVER_SLACK *(int)RPC_MESSAGE_MAX},
    {GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, (int)RPC_MESSAGE_MAX},
    {GRPC_ARG_MAX_CONCURRENT_STREAMS, 16},
    {GRPC_ARG_MAX_METADATA_SIZE, RPC_SERVER_SLACK *(int)RPC_METADATA_MAX},
    {GRPC_ARG_ABSOLUTE_MAX_METADATA_SIZE, RPC_SERVER_SLACK *(int)RPC_METADATA_MAX},
    {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 5000},
    {GRPC_ARG_MAX_CONNECTION_IDLE_MS, 60000},
    {GRPC_ARG_KEEPALIVE_TIME_MS, 60000},
    {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000},
    {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000},
    {GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0},
    {GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0},
    {GRPC_ARG_ENABLE_CHANNELZ, 0},
    {GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0},
};

enum {
    RPC_SERVER_MEMORY_MAX = 64 * 1024 * 1024, /* all that gRPC takes for this server's connections */
    RPC_SERVER_LEAVE_MS = 100,                /* how long a refused caller may take to hear of it */
};

static void rpc_server_finish(struct rpc_server *server)
{
    void (*closed)(void *user) = server->closed;
    void *user = server->user;
    struct rpc_queue *queue = server->home.queue;

    if (!server->stopped || server->open_timers > 0 || server->home.num_open > 0 ||
        server->next != NULL) {
        return;
    }
    grpc_server_destroy(server->raw);
    free(server);
    rpc_queue_release(queue);
    if (closed != NULL) {
        closed(user);
    }
}

/*
 * All places are taken: the oldest call whose caller keeps us waiting loses its own. A caller who
 * means it sends its message with its call, so those who open calls and say nothing push out their
 * own. Who does not even take that answer is cancelled a moment later.
 */
static void rpc_server_make_room(struct rpc_server *server)
{
    struct rpc_exchange *goes = NULL;

    LIST_EACH(&server->home.open, link)
    {
        struct rpc_exchange *exchange = LIST_OF(link, struct rpc_exchange, link);

        if (rpc_exchange_waits(exchange) && (goes == NULL || !exchange->answered)) {
            goes = exchange;
        }
        if (goes != NULL && !goes->answered) {
            break;
        }
    }
    if (goes != NULL && !goes->answered) {
        rpc_exchange_give_up(goes, RPC_RESOURCE_EXHAUSTED, "rpc/too-many-calls",
                             "all places are taken, and this call has sent nothing");
    } else if (goes != NULL) {
        rpc_exchange_cancel(goes);
    }
    timer_start(&server->room, RPC_SERVER_LEAVE_MS, 0);
}

static void rpc_server_accept(struct rpc_server *server);

/* Those who were to leave are still here: their callers do not read. */
static void rpc_server_no_room_yet(struct timer *room, void *user)
{
    struct rpc_server *server = user;

    (void)room;
    LIST_EACH(&server->home.open, link)
    {
        struct rpc_exchange *exchange = LIST_OF(link, struct rpc_exchange, link);

        if (exchange->given_up) {
            rpc_exchange_cancel(exchange);
        }
    }
    rpc_server_accept(server);
}

static void rpc_server_accept(struct rpc_server *server)
{
    grpc_completion_queue *queue = rpc_queue_raw(server->home.queue);
    grpc_call_error error;

    if (server->next != NULL || server->closing) {
        return;
    }
    if (server->home.num_open >= RPC_SERVER_EXCHANGES_MAX) {
        rpc_server_make_room(server);
        return;
    }
    server->next = rpc_exchange_make(&server->home);
    error = grpc_server_request_call(server->raw, &server->next->raw, &server->next->details,
                                     &server->next->first, queue, queue,
                                     rpc_operation_begin(&server->accepting));
    assert(error == GRPC_CALL_OK);
    (void)error;
}

static void rpc_server_accepted(void *owner, bool succeeded)
{
    struct rpc_server *server = owner;
    struct rpc_exchange *exchange = TAKE(server->next);

    if (!succeeded) {
        rpc_exchange_free(exchange);
        rpc_server_finish(server);
        return;
    }
    rpc_exchange_arrived(exchange);
    rpc_server_accept(server);
}

static void rpc_server_left(struct rpc_exchange_home *home)
{
    struct rpc_server *server = (struct rpc_server *)(void *)home;

    if (server->closing) {
        rpc_server_finish(server);
    } else {
        rpc_server_accept(server);
    }
}

static void rpc_server_timer_closed(struct timer *timer, void *user)
{
    struct rpc_server *server = user;

    (void)timer;
    server->open_timers--;
    rpc_server_finish(server);
}

static void rpc_server_stopped(void *owner, bool succeeded)
{
    struct rpc_server *server = owner;

    (void)succeeded;
    server->stopped = true;
    timer_close(&server->grace, rpc_server_timer_closed);
    timer_close(&server->room, rpc_server_timer_closed);
}

static void rpc_server_impatient(struct timer *timer, void *user)
{
    struct rpc_server *server = user;

    if (server->refused) {
        grpc_server_cancel_all_calls(server->raw);
        return;
    }
    server->refused = true;
    LIST_EACH(&server->home.open, link)
    {
        rpc_exchange_give_up(LIST_OF(link, struct rpc_exchange, link), RPC_UNAVAILABLE,
                             "rpc/shutting-down", "this server ends: ask again soon");
    }
    timer_start(timer, RPC_SERVER_LEAVE_MS, 0);
}

static grpc_server *rpc_server_create(void)
{
    enum { RULES = sizeof rpc_server_rules / sizeof rpc_server_rules[0] };
    grpc_resource_quota *quota = grpc_resource_quota_create("signet");
    grpc_arg arguments[RULES + 1];
    grpc_channel_args all = {RULES + 1, arguments};
    grpc_server *raw;

    grpc_resource_quota_resize(quota, RPC_SERVER_MEMORY_MAX);
    for (size_t i = 0; i < RULES; i++) {
        arguments[i].type = GRPC_ARG_INTEGER;
        arguments[i].key = (char *)(uintptr_t)rpc_server_rules[i].key; /* gRPC copies it */
        arguments[i].value.integer = rpc_server_rules[i].value;
    }
    arguments[RULES].type = GRPC_ARG_POINTER;
    arguments[RULES].key = (char *)(uintptr_t)GRPC_ARG_RESOURCE_QUOTA;
    arguments[RULES].value.pointer.p = quota;
    arguments[RULES].value.pointer.vtable = grpc_resource_quota_arg_vtable();
    raw = grpc_server_create(&all, NULL);
    grpc_resource_quota_unref(quota);
    return raw;
}

enum status rpc_server_start(struct rpc_queue *queue, const struct rpc_server_options *options,
                             struct rpc_server **out_server, struct failure *why)
{
    struct rpc_server *server = memory_make(sizeof *server);
    int port;

    server->home.queue = queue;
    server->home.judge = options->judge;
    server->home.methods = options->methods;
    server->home.num_methods = options->num_methods;
    server->home.left = rpc_server_left;
    list_init(&server->home.open);
    rpc_operation_init(&server->accepting, queue, rpc_server_accepted, server);
    rpc_operation_init(&server->stopping, queue, rpc_server_stopped, server);
    timer_init(&server->grace, &rpc_queue_home(queue)->loop, rpc_server_impatient, server);
    timer_init(&server->room, &rpc_queue_home(queue)->loop, rpc_server_no_room_yet, server);
    server->open_timers = 2;
    server->raw = rpc_server_create();
    rpc_queue_hold(queue);
    grpc_server_register_completion_queue(server->raw, rpc_queue_raw(queue), NULL);
    port = grpc_server_add_http2_port(server->raw, options->address, options->credentials);
    grpc_server_start(server->raw);
    if (port <= 0) {
        rpc_server_close(server, 0, NULL, NULL);
        return fail(why, STATUS_IO, "rpc/listen", "cannot listen on %.80s", options->address);
    }
    server->port = (uint16_t)port;
    rpc_server_accept(server);
    *out_server = server;
    return STATUS_OK;
}

uint16_t rpc_server_port(const struct rpc_server *server)
{
    return server->port;
}

size_t rpc_server_open_calls(const struct rpc_server *server)
{
    return server->home.num_open;
}

void rpc_server_close(struct rpc_server *server, uint32_t grace_ms, void (*closed)(void *user),
                      void *user)
{
    server->closing = true;
    server->closed = closed;
    server->user = user;
    timer_start(&server->grace, grace_ms, 0);
    grpc_server_shutdown_and_notify(server->raw, rpc_queue_raw(server->home.queue),
                                    rpc_operation_begin(&server->stopping));
}
