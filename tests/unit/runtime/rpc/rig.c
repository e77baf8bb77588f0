/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/runtime/rpc/rig.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "core/runtime/base/clock.h"

static void rig_note(struct rig *rig, const struct rpc_event *event)
{
    if (event->kind == RPC_EVENT_MESSAGE) {
        rig->messages++;
        buffer_reset(&rig->last);
        cr_assert_eq(buffer_add(&rig->last, event->message), STATUS_OK);
    } else if (event->kind == RPC_EVENT_HALF_CLOSE) {
        rig->half_closes++;
    } else if (event->kind == RPC_EVENT_END) {
        rig->ends++;
        rig->cancels += event->code == RPC_CANCELLED;
    }
}

static void rig_echo(void *service, struct rpc_exchange *exchange, const struct rpc_event *event)
{
    rig_note(service, event);
    if (event->kind == RPC_EVENT_MESSAGE) {
        rpc_exchange_reply(exchange, event->message);
    }
}

static void rig_who(void *service, struct rpc_exchange *exchange, const struct rpc_event *event)
{
    rig_note(service, event);
    if (event->kind == RPC_EVENT_MESSAGE) {
        rpc_exchange_reply(exchange, spiffe_id_text(&rpc_credentials_peer(exchange)->id));
    }
}

static void rig_never(void *service, struct rpc_exchange *exchange, const struct rpc_event *event)
{
    struct rig *rig = service;

    rig_note(rig, event);
    rig->kept = event->kind == RPC_EVENT_END ? NULL : exchange;
}

static void rig_refuse(void *service, struct rpc_exchange *exchange, const struct rpc_event *event)
{
    rig_note(service, event);
    if (event->kind == RPC_EVENT_MESSAGE) {
        rpc_exchange_refuse(exchange, RPC_PERMISSION_DENIED, "test/no", "because");
    }
}

static void rig_big(void *service, struct rpc_exchange *exchange, const struct rpc_event *event)
{
    static uint8_t big[RPC_MESSAGE_MAX + 1];

    rig_note(service, event);
    if (event->kind == RPC_EVENT_MESSAGE) {
        rpc_exchange_reply(exchange, bytes_make(big, sizeof big));
    }
}

static void rig_stream(void *service, struct rpc_exchange *exchange, const struct rpc_event *event)
{
    rig_note(service, event);
    if (event->kind == RPC_EVENT_MESSAGE) {
        cr_assert_eq(rpc_exchange_send(exchange, event->message, NULL), STATUS_OK);
    } else if (event->kind == RPC_EVENT_HALF_CLOSE) {
        rpc_exchange_finish(exchange);
    }
}

static enum status rig_admit(void *service, struct rpc_exchange *exchange, struct failure *why)
{
    const struct rig *rig = service;

    cr_assert_null(rpc_exchange_peer(exchange), "nothing is proved yet");
    return rig->closed ? fail(why, STATUS_LIMIT, "test/closed", "not now") : STATUS_OK;
}

static void rig_proved(void *service, struct rpc_exchange *exchange)
{
    struct rig *rig = service;

    cr_assert_not_null(rpc_exchange_peer(exchange));
    rig->proved++;
}

static enum status rig_judge(void *user, const struct rpc_presented *presented, void **out_peer,
                             struct failure *why)
{
    struct rig *rig = user;

    rig->judged++;
    return rig->judge.judge(rig->judge.user, presented, out_peer, why);
}

static struct rpc_method rig_methods[] = {
    {.name = "/test.Echo/Closed", .event = rig_echo, .admit = rig_admit, .proved = rig_proved},
    {.name = "/test.Echo/Echo", .event = rig_echo},
    {.name = "/test.Echo/Who", .event = rig_who, .needs_identity = true},
    {.name = "/test.Echo/Never", .event = rig_never},
    {.name = "/test.Echo/Refuse", .event = rig_refuse},
    {.name = "/test.Echo/Big", .event = rig_big},
    {.name = "/test.Echo/Stream", .event = rig_stream, .streaming = true},
};

void rig_open(struct rig *rig, const char *server_id)
{
    struct rpc_server_options options = {.address = "127.0.0.1:0"};
    struct failure why = {0};

    memset(rig, 0, sizeof *rig);
    buffer_init(&rig->last, RPC_MESSAGE_MAX);
    worker_init_main(&rig->home);
    rig->queue = rpc_queue_start(&rig->home);
    rig->root = test_ca_root("example.org");
    rig->intermediate = test_ca_intermediate(rig->root, "example.org");
    rig->bundle = test_ca_bundle(rig->root, "example.org");
    OWNED(test_ca) *server_leaf = test_ca_leaf(rig->intermediate, server_id);
    OWNED(test_ca) *web_leaf = test_ca_leaf(rig->intermediate, RIG_WEB);
    OWNED(svid) *server_svid = test_ca_svid(server_leaf);
    OWNED(svid) *web_svid = test_ca_svid(web_leaf);
    cr_assert_eq(identity_set_make(server_svid, rig->bundle, 1, &rig->control, &why), STATUS_OK,
                 "%s", why.detail);
    cr_assert_eq(identity_set_make(web_svid, rig->bundle, 1, &rig->web, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert_eq(rpc_server_credentials_make(rig->control, &rig->server_credentials, &why),
                 STATUS_OK, "%s", why.detail);
    for (size_t i = 0; i < sizeof rig_methods / sizeof rig_methods[0]; i++) {
        rig_methods[i].service = rig;
    }
    options.credentials = rpc_server_credentials_raw(rig->server_credentials);
    rig->judge = rpc_server_credentials_judge(rig->server_credentials);
    options.judge = (struct rpc_judge){rig_judge, rig->judge.peer_drop, rig};
    options.methods = rig_methods;
    options.num_methods = sizeof rig_methods / sizeof rig_methods[0];
    cr_assert_eq(rpc_server_start(rig->queue, &options, &rig->server, &why), STATUS_OK, "%s",
                 why.detail);
    (void)snprintf(rig->address, sizeof rig->address, "127.0.0.1:%u", rpc_server_port(rig->server));
}

static void rig_closed(void *user)
{
    *(bool *)user = true;
}

void rig_close(struct rig *rig)
{
    bool closed = false;

    if (rig->server != NULL) {
        rpc_server_close(TAKE(rig->server), 0, rig_closed, &closed);
        rig_run(rig, &closed);
    }
    rpc_server_credentials_drop(&rig->server_credentials);
    closed = false;
    rpc_queue_close(rig->queue, rig_closed, &closed);
    rig_run(rig, &closed);
    worker_stop(&rig->home);
    worker_run_main(&rig->home);
    worker_clear(&rig->home);
    identity_set_drop(&rig->control);
    identity_set_drop(&rig->web);
    bundle_drop(&rig->bundle);
    test_ca_drop(&rig->intermediate);
    test_ca_drop(&rig->root);
    buffer_clear(&rig->last);
}

static void rig_wake(uv_timer_t *timer)
{
    (void)timer;
}

void rig_turn(struct rig *rig, unsigned ms)
{
    uv_timer_t timer;
    uint64_t until = uv_hrtime() / 1000000 + ms;

    (void)uv_timer_init(&rig->home.loop, &timer);
    (void)uv_timer_start(&timer, rig_wake, 5, 5);
    while (uv_hrtime() / 1000000 < until) {
        (void)uv_run(&rig->home.loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&rig->home.loop, UV_RUN_NOWAIT);
}

void rig_run(struct rig *rig, const bool *flag)
{
    uv_timer_t timer;
    uint64_t until = uv_hrtime() / 1000000 + 10000;

    (void)uv_timer_init(&rig->home.loop, &timer);
    (void)uv_timer_start(&timer, rig_wake, 100, 100);
    while (!*flag) {
        cr_assert(uv_hrtime() / 1000000 < until, "nothing came for ten seconds");
        (void)uv_run(&rig->home.loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&rig->home.loop, UV_RUN_NOWAIT);
}

struct rpc_client_trust rig_trust(const struct rig *rig, struct svid *svid)
{
    struct rpc_client_trust trust = {.bundle = rig->bundle, .svid = svid};

    cr_assert_eq(spiffe_id_parse(bytes_of(RIG_CONTROL), &trust.expected, NULL), STATUS_OK);
    return trust;
}

void rig_event(void *user, const struct rpc_event *event)
{
    struct rig_end *end = user;

    end->events++;
    if (event->kind == RPC_EVENT_MESSAGE) {
        end->messages++;
        buffer_clear(&end->reply);
        buffer_init(&end->reply, RPC_MESSAGE_MAX);
        cr_assert_eq(buffer_add(&end->reply, event->message), STATUS_OK);
    } else if (event->kind == RPC_EVENT_SENT) {
        end->sent++;
    } else if (event->kind == RPC_EVENT_END) {
        cr_assert(!end->ended, "END came twice");
        end->ended = true;
        end->code = event->code;
        (void)snprintf(end->reason, sizeof end->reason, "%s", event->reason);
        (void)snprintf(end->detail, sizeof end->detail, "%s", event->detail);
        end->server_time_ms = event->server_time_ms;
        end->was_sent = event->sent;
    }
    if (end->drop_in_event != NULL) {
        rpc_call_drop(end->drop_in_event);
    }
}

void rig_call_on(struct rig *rig, struct rpc_channel *channel, const char *method,
                 struct bytes request, struct rig_end *out_end)
{
    struct rpc_call_options options = {.method = method, .limit_ms = 8000, .request = request};
    struct rpc_call *call = NULL;
    struct failure why = {0};

    memset(out_end, 0, sizeof *out_end);
    cr_assert_eq(rpc_call_start(channel, &options, rig_event, out_end, &call, &why), STATUS_OK,
                 "%s", why.detail);
    cr_assert_eq(out_end->events, 0, "no event comes from within the start");
    rig_run(rig, &out_end->ended);
    rpc_call_drop(&call);
}

void rig_call(struct rig *rig, struct rpc_client_credentials *credentials, const char *method,
              const char *request, struct rig_end *out_end)
{
    struct rpc_channel *channel = NULL;
    struct failure why = {0};

    cr_assert_eq(rpc_channel_make(rig->queue, rig->address, rpc_client_credentials_raw(credentials),
                                  &channel, &why),
                 STATUS_OK, "%s", why.detail);
    rig_call_on(rig, channel, method, bytes_of(request), out_end);
    rpc_channel_drop(&channel);
}

void rig_ask(struct rig *rig, const struct rpc_client_trust *trust, const char *method,
             const char *request, struct rig_end *out_end, char out_refusal[80])
{
    struct rpc_client_credentials *credentials = NULL;
    struct failure why = {0};

    cr_assert_eq(rpc_client_credentials_make(rig->queue, trust, &credentials, &why), STATUS_OK,
                 "%s", why.detail);
    rig_call(rig, credentials, method, request, out_end);
    const struct failure *refusal = rpc_client_credentials_refusal(credentials);
    (void)snprintf(out_refusal, 80, "%s", refusal == NULL ? "" : refusal->reason);
    rpc_client_credentials_drop(&credentials);
}

void rig_end_clear(struct rig_end *end)
{
    buffer_clear(&end->reply);
}

unsigned rig_threads(void)
{
    DIR *folder = opendir("/proc/self/task");
    unsigned count = 0;

    cr_assert_not_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(folder);
    return count;
}
