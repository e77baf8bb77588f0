/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole way of a certificate over real gRPC and TLS within one process: a client's request, the
 * service, the rule of issuing, the store, and back. Time passes by a replaced wall clock.
 *
 * Who may stand between client and server is tested with the credentials (unit/runtime/rpc).
 */
#include "core/control/serve/certificates.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/control/serve/own_identity.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/rpc/call.h"
#include "core/runtime/rpc/codec.h"
#include "core/runtime/rpc/credentials.h"
#include "core/runtime/telemetry/metrics.h"
#include "mesh/v1/certificates.pb-c.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"
#include "tests/unit/control/serve/office.h"

SUITE(control, .timeout = 60);

#define BOOTSTRAP "/mesh.v1.Certificates/Bootstrap"
#define RENEW "/mesh.v1.Certificates/Renew"
#define LEAF_S 3600

/* --- a wall clock that the test moves --------------------------------------------------------------- */

static int64_t flow_ahead_ms;
static uint64_t flow_still_ms; /* not 0: the monotonic clock stands here, and no limit refills */

static uint64_t flow_read_ms(clockid_t which)
{
    struct timespec now;

    cr_assert_eq(clock_gettime(which, &now), 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t flow_mono_ms(void)
{
    return flow_still_ms != 0 ? flow_still_ms : flow_read_ms(CLOCK_MONOTONIC);
}

static uint64_t flow_boot_ms(void)
{
    return flow_read_ms(CLOCK_BOOTTIME);
}

static int64_t flow_unix_ms(void)
{
    return (int64_t)flow_read_ms(CLOCK_REALTIME) + flow_ahead_ms;
}

/* --- a control plane and its client ------------------------------------------------------------------ */

struct flow {
    struct office office;
    struct worker worker;
    struct rpc_queue *queue;
    struct own_identity *own;
    struct rpc_server_credentials *credentials;
    struct rpc_server *server;
    struct certificates certificates;
    unsigned swaps;
};

/* How a call ended. */
struct flow_end {
    bool over;
    enum rpc_code code;
    char reason[RPC_REASON_MAX + 1];
    char detail[FAILURE_DETAIL_MAX];
    int64_t server_time_ms;
    struct buffer reply;
};

static void flow_end_clear(struct flow_end *end)
{
    buffer_clear(&end->reply);
}

static enum status flow_swap(void *user, struct identity_set *set, struct failure *why)
{
    struct flow *flow = user;

    TRY(rpc_server_credentials_set(flow->credentials, set, why));
    flow->swaps++;
    return STATUS_OK;
}

static void flow_make(struct flow *flow)
{
    static const struct clock_source source = {flow_mono_ms, flow_boot_ms, flow_unix_ms};
    struct own_identity_plan plan = {.changed = flow_swap, .user = flow};
    struct rpc_server_options options = {.address = "127.0.0.1:0",
                                         .num_methods = CERTIFICATES_METHODS};
    struct failure why = {0};

    clock_replace(&source);
    office_make(&flow->office, LEAF_S, clock_unix_s());
    place_add(&flow->office.place, "web", 0);
    place_add(&flow->office.place, "gone", 0);
    worker_init_main(&flow->worker);
    certificates_init(&flow->certificates, &flow->office.issuer);
    flow->queue = rpc_queue_start(&flow->worker);
    plan.authority = flow->office.authority;
    plan.registry = &flow->office.place.registry;
    cr_assert_eq(own_identity_start(&flow->worker.loop, &plan, &flow->own, &why), STATUS_OK);
    cr_assert_eq(rpc_server_credentials_make(own_identity_set(flow->own), &flow->credentials, &why),
                 STATUS_OK, "%s: %s", why.reason, why.detail);
    options.credentials = rpc_server_credentials_raw(flow->credentials);
    options.judge = rpc_server_credentials_judge(flow->credentials);
    options.methods = flow->certificates.methods;
    cr_assert_eq(rpc_server_start(flow->queue, &options, &flow->server, &why), STATUS_OK, "%s: %s",
                 why.reason, why.detail);
}

static void flow_queue_closed(void *user)
{
    struct flow *flow = user;

    worker_stop(&flow->worker);
}

static void flow_server_closed(void *user)
{
    struct flow *flow = user;

    rpc_server_credentials_drop(&flow->credentials);
    rpc_queue_close(flow->queue, flow_queue_closed, flow);
}

static void flow_clear(struct flow *flow)
{
    own_identity_close(flow->own);
    rpc_server_close(flow->server, 100, flow_server_closed, flow);
    worker_run_main(&flow->worker);
    worker_clear(&flow->worker);
    certificates_clear(&flow->certificates);
    office_clear(&flow->office);
    metrics_clear();
    clock_replace(NULL);
}

/* A client's side of one connection: who it is (svid, or NULL) and whom it expects. */
struct flow_client {
    struct rpc_client_credentials *credentials;
    struct rpc_channel *channel;
};

static void flow_connect(struct flow *flow, struct svid *svid, struct flow_client *out_client)
{
    struct rpc_client_trust trust = {.expected = flow->office.place.registry.own,
                                     .bundle = authority_bundle(flow->office.authority),
                                     .svid = svid};
    struct failure why = {0};
    char target[32];

    (void)snprintf(target, sizeof target, "127.0.0.1:%u", rpc_server_port(flow->server));
    cr_assert_eq(rpc_client_credentials_make(flow->queue, &trust, &out_client->credentials, &why),
                 STATUS_OK, "%s: %s", why.reason, why.detail);
    cr_assert_eq(rpc_channel_make(flow->queue, target,
                                  rpc_client_credentials_raw(out_client->credentials),
                                  &out_client->channel, &why),
                 STATUS_OK, "%s: %s", why.reason, why.detail);
}

static void flow_disconnect(struct flow_client *client)
{
    rpc_channel_drop(&client->channel);
    rpc_client_credentials_drop(&client->credentials);
}

static void flow_event(void *user, const struct rpc_event *event)
{
    struct flow_end *end = user;

    if (event->kind == RPC_EVENT_MESSAGE) {
        cr_assert_eq(buffer_add(&end->reply, event->message), STATUS_OK);
    } else if (event->kind == RPC_EVENT_END) {
        end->over = true;
        end->code = event->code;
        end->server_time_ms = event->server_time_ms;
        (void)snprintf(end->reason, sizeof end->reason, "%s", event->reason);
        (void)snprintf(end->detail, sizeof end->detail, "%s", event->detail);
    }
}

static void flow_call(struct flow *flow, struct flow_client *client, const char *method,
                      const ProtobufCMessage *message, struct flow_end *out_end)
{
    CLEARED(buffer) request = {.max = RPC_MESSAGE_MAX};
    struct rpc_call_options options = {.method = method, .limit_ms = 10000};
    struct rpc_call *call = NULL;
    struct failure why = {0};

    flow_end_clear(out_end);
    *out_end = (struct flow_end){0};
    buffer_init(&out_end->reply, RPC_MESSAGE_MAX);
    cr_assert_eq(codec_pack(message, &request, &why), STATUS_OK);
    options.request = buffer_bytes(&request);
    cr_assert_eq(rpc_call_start(client->channel, &options, flow_event, out_end, &call, &why),
                 STATUS_OK, "%s", why.detail);
    while (!out_end->over) {
        (void)uv_run(&flow->worker.loop, UV_RUN_ONCE);
    }
    rpc_call_drop(&call);
}

static ProtobufCBinaryData flow_field(struct bytes from)
{
    return (ProtobufCBinaryData){.len = from.len, .data = (uint8_t *)(uintptr_t)from.at};
}

static void flow_bootstrap(struct flow *flow, struct flow_client *client, struct bytes token,
                           struct bytes csr, struct flow_end *out_end)
{
    Mesh__V1__BootstrapRequest request = MESH__V1__BOOTSTRAP_REQUEST__INIT;
    char instance[] = "test-instance";

    request.token = flow_field(token);
    request.csr_der = flow_field(csr);
    request.instance_id = instance;
    flow_call(flow, client, BOOTSTRAP, &request.base, out_end);
}

static void flow_renew(struct flow *flow, struct flow_client *client, struct bytes csr,
                       struct flow_end *out_end)
{
    Mesh__V1__RenewRequest request = MESH__V1__RENEW_REQUEST__INIT;

    request.csr_der = flow_field(csr);
    flow_call(flow, client, RENEW, &request.base, out_end);
}

/* The certificate of a reply with its key, after a look at what else the reply says. */
static struct svid *flow_svid(struct flow *flow, const struct flow_end *end, struct key *key)
{
    CLEARED(buffer) chain = {.max = SVID_CHAIN_MAX};
    ProtobufCMessage *message = NULL;
    const Mesh__V1__IssueReply *reply;
    struct svid *svid = NULL;
    struct failure why = {0};

    cr_assert_eq(end->code, RPC_OK, "%s: %s", end->reason, end->detail);
    cr_assert_eq(codec_unpack(&mesh__v1__issue_reply__descriptor, buffer_bytes(&end->reply),
                              CODEC_BUDGET, &message, &why),
                 STATUS_OK, "%s", why.detail);
    reply = (const Mesh__V1__IssueReply *)message;
    for (size_t i = 0; i < reply->n_chain_der; i++) {
        cr_assert_eq(
            buffer_add(&chain, bytes_make(reply->chain_der[i].data, reply->chain_der[i].len)),
            STATUS_OK);
    }
    cr_assert_eq(svid_parse(buffer_bytes(&chain), key, &svid, &why), STATUS_OK, "%s: %s",
                 why.reason, why.detail);
    cr_assert_eq(reply->not_after, svid_expires_at(svid));
    cr_assert(reply->renew_at > reply->issued_at && reply->renew_at < reply->not_after);
    cr_assert(reply->renew_at - reply->issued_at <= (reply->not_after - reply->issued_at) / 2);
    cr_assert_eq(reply->n_chain_der, 2);
    cr_assert_str_eq(reply->bundle->trust_domain, "cluster.local");
    cr_assert_eq(reply->bundle->n_root_der, 1);
    cr_assert_eq(reply->bundle->sequence,
                 bundle_sequence(authority_bundle(flow->office.authority)));
    cr_assert_leq(llabs(reply->server_time_ms - clock_unix_ms()), 5000);
    cr_assert_leq(llabs(end->server_time_ms - clock_unix_ms()), 5000);
    codec_free(message);
    return svid;
}

/* Bootstraps `entry` over a connection of its own. */
static struct svid *flow_join(struct flow *flow, const char *entry)
{
    CLEARED(secret) token = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(flow_end) end = {0};
    struct flow_client client = {0};
    struct key *key = NULL;
    struct svid *svid;

    office_token(&flow->office, entry, clock_unix_s(), &token);
    office_csr(&csr, &key);
    flow_connect(flow, NULL, &client);
    flow_bootstrap(flow, &client, secret_bytes(&token), buffer_bytes(&csr), &end);
    flow_disconnect(&client);
    svid = flow_svid(flow, &end, key);
    key_drop(&key);
    return svid;
}

/* --- the tests ---------------------------------------------------------------------------------- */

Test(control, I4_bootstraps_with_a_token_then_renews_with_the_leaf_and_stays_who_it_is)
{
    struct flow flow = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(flow_end) end = {0};
    struct flow_client client = {0};
    struct key *key = NULL;
    struct svid *first;
    struct svid *second;

    flow_make(&flow);
    first = flow_join(&flow, "web");
    cr_assert_str_eq(svid_id(first)->text, "spiffe://cluster.local/ns/shop/sa/web");
    office_csr(&csr, &key);
    flow_connect(&flow, first, &client);
    flow_renew(&flow, &client, buffer_bytes(&csr), &end);
    second = flow_svid(&flow, &end, key);
    cr_assert_str_eq(svid_id(second)->text, "spiffe://cluster.local/ns/shop/sa/web");
    cr_assert_str_neq(svid_serial_hex(second), svid_serial_hex(first));
    flow_disconnect(&client);
    key_drop(&key);
    svid_drop(&first);
    svid_drop(&second);
    cr_assert_eq(metrics_read(METRIC_ISSUED, LABEL_BOOTSTRAP, LABEL_OK), 1);
    cr_assert_eq(metrics_read(METRIC_ISSUED, LABEL_RENEW, LABEL_OK), 1);
    flow_clear(&flow);
}

/* What is wrong with a Bootstrap, and what the caller hears. */
struct flow_refusal {
    char token[12]; /* good, unknown, used, expired, malformed, huge, gone */
    char csr[12];   /* good, broken, huge, empty */
    int code;
    char reason[32];
};

ParameterizedTestParameters(control, refuses_to_bootstrap)
{
    static struct flow_refusal cases[] = {
        {"unknown", "good", RPC_UNAUTHENTICATED, "bootstrap/token-unknown"},
        {"used", "good", RPC_UNAUTHENTICATED, "bootstrap/token-used"},
        {"expired", "good", RPC_UNAUTHENTICATED, "bootstrap/token-expired"},
        {"malformed", "good", RPC_UNAUTHENTICATED, "bootstrap/token-form"},
        {"gone", "good", RPC_UNAUTHENTICATED, "bootstrap/token-unknown"},
        {"huge", "good", RPC_RESOURCE_EXHAUSTED, "bootstrap/token-form"},
        {"good", "broken", RPC_INVALID_ARGUMENT, "csr/signature"},
        {"good", "huge", RPC_RESOURCE_EXHAUSTED, "csr/too-long"},
        {"good", "empty", RPC_INVALID_ARGUMENT, "csr/der"},
    };
    return cr_make_param_array(struct flow_refusal, cases, sizeof cases / sizeof cases[0]);
}

static void flow_bad_token(struct flow *flow, const char *kind, struct secret *token)
{
    static char huge[TOKEN_MAX + 1];
    CLEARED(buffer) csr = {0};
    CLEARED(flow_end) end = {0};
    struct flow_client client = {0};

    office_token(&flow->office, strcmp(kind, "gone") == 0 ? "gone" : "web", clock_unix_s(), token);
    if (strcmp(kind, "unknown") == 0) {
        token->at[10] = token->at[10] == 'A' ? 'B' : 'A';
    } else if (strcmp(kind, "malformed") == 0) {
        secret_set(token, bytes_of("not a token"));
    } else if (strcmp(kind, "huge") == 0) {
        secret_set(token, bytes_make(huge, sizeof huge));
    } else if (strcmp(kind, "expired") == 0) {
        flow_ahead_ms += 100 * 1000;
    } else if (strcmp(kind, "gone") == 0) {
        cr_assert_eq(entry_remove(&flow->office.place.registry, bytes_of("gone"), NULL), STATUS_OK);
    } else if (strcmp(kind, "used") == 0) {
        office_csr(&csr, NULL);
        flow_connect(flow, NULL, &client);
        flow_bootstrap(flow, &client, secret_bytes(token), buffer_bytes(&csr), &end);
        flow_disconnect(&client);
        cr_assert_eq(end.code, RPC_OK, "%s", end.detail);
    }
}

static void flow_bad_csr(const char *kind, struct buffer *csr)
{
    office_csr(csr, NULL);
    if (strcmp(kind, "broken") == 0) {
        csr->at[csr->len - 1] ^= 1;
    } else if (strcmp(kind, "empty") == 0) {
        buffer_reset(csr);
    } else if (strcmp(kind, "huge") == 0) {
        buffer_clear(csr);
        buffer_init(csr, CSR_MAX + 1);
        cr_assert_not_null(buffer_reserve(csr, CSR_MAX + 1));
        memset(csr->at, 0x30, CSR_MAX + 1);
        buffer_commit(csr, CSR_MAX + 1);
    }
}

ParameterizedTest(struct flow_refusal *given, control, refuses_to_bootstrap)
{
    struct flow flow = {0};
    CLEARED(secret) token = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(flow_end) end = {0};
    struct flow_client client = {0};

    flow_ahead_ms = 0;
    flow_make(&flow);
    flow_bad_token(&flow, given->token, &token);
    flow_bad_csr(given->csr, &csr);
    flow_connect(&flow, NULL, &client);
    flow_bootstrap(&flow, &client, secret_bytes(&token), buffer_bytes(&csr), &end);
    cr_assert_eq(end.code, given->code, "%s: %s", end.reason, end.detail);
    cr_assert_str_eq(end.reason, given->reason);
    cr_assert_gt(end.server_time_ms, 0);
    flow_disconnect(&client);
    flow_clear(&flow);
}

Test(control, refuses_to_renew_without_a_certificate)
{
    struct flow flow = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(flow_end) end = {0};
    struct flow_client client = {0};

    flow_make(&flow);
    office_csr(&csr, NULL);
    flow_connect(&flow, NULL, &client);
    flow_renew(&flow, &client, buffer_bytes(&csr), &end);
    cr_assert_eq(end.code, RPC_UNAUTHENTICATED);
    cr_assert_str_eq(end.reason, "rpc/no-identity");
    flow_disconnect(&client);
    flow_clear(&flow);
}

Test(control, refuses_to_renew_what_has_no_entry_any_more)
{
    struct flow flow = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(flow_end) end = {0};
    struct flow_client client = {0};
    struct svid *svid;

    flow_make(&flow);
    svid = flow_join(&flow, "web");
    cr_assert_eq(entry_remove(&flow.office.place.registry, bytes_of("web"), NULL), STATUS_OK);
    office_csr(&csr, NULL);
    flow_connect(&flow, svid, &client);
    flow_renew(&flow, &client, buffer_bytes(&csr), &end);
    cr_assert_eq(end.code, RPC_PERMISSION_DENIED);
    cr_assert_str_eq(end.reason, "renew/no-entry");
    flow_disconnect(&client);
    svid_drop(&svid);
    flow_clear(&flow);
}

/* The leaf is judged at each call, on a connection that was made while it was good. */
Test(control, I10_refuses_an_expired_leaf_on_a_living_connection)
{
    struct flow flow = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(flow_end) end = {0};
    struct flow_client client = {0};
    struct svid *svid;

    flow_ahead_ms = 0;
    flow_make(&flow);
    svid = flow_join(&flow, "web");
    office_csr(&csr, NULL);
    flow_connect(&flow, svid, &client);
    flow_renew(&flow, &client, buffer_bytes(&csr), &end);
    cr_assert_eq(end.code, RPC_OK, "%s: %s", end.reason, end.detail);
    flow_ahead_ms = (int64_t)LEAF_S * 1000;
    flow_renew(&flow, &client, buffer_bytes(&csr), &end);
    cr_assert_eq(end.code, RPC_UNAUTHENTICATED, "%s: %s", end.reason, end.detail);
    cr_assert_str_eq(end.reason, "verify/expired");
    flow_disconnect(&client);
    svid_drop(&svid);
    flow_clear(&flow);
}

/* Renewed in place: the open connection goes on, a new one sees the new leaf. */
Test(control, its_own_identity_is_renewed_without_a_connection_noticing)
{
    struct flow flow = {0};
    CLEARED(secret) token = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(flow_end) end = {0};
    struct flow_client client = {0};
    struct svid *svid;

    flow_ahead_ms = 0;
    flow_make(&flow);
    office_csr(&csr, NULL);
    flow_connect(&flow, NULL, &client);
    office_token(&flow.office, "web", clock_unix_s(), &token);
    flow_bootstrap(&flow, &client, secret_bytes(&token), buffer_bytes(&csr), &end);
    cr_assert_eq(end.code, RPC_OK, "%s: %s", end.reason, end.detail);
    flow_ahead_ms = (int64_t)LEAF_S * 1000 + 10000; /* the leaf that it began with is over */
    while (flow.swaps == 0) {
        (void)uv_run(&flow.worker.loop, UV_RUN_ONCE);
    }
    cr_assert_gt(svid_expires_at(identity_set_svid(own_identity_set(flow.own))), clock_unix_s());
    office_token(&flow.office, "web", clock_unix_s(), &token);
    flow_bootstrap(&flow, &client, secret_bytes(&token), buffer_bytes(&csr), &end);
    cr_assert_eq(end.code, RPC_OK, "%s: %s", end.reason, end.detail);
    flow_disconnect(&client);
    svid = flow_join(&flow, "web"); /* a new handshake, at a time when only the new leaf is good */
    svid_drop(&svid);
    flow_clear(&flow);
}

Test(control, I17_a_flood_of_bad_tokens_is_cut_by_address)
{
    struct flow flow = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(flow_end) end = {0};
    struct flow_client client = {0};
    unsigned limited = 0;

    flow_make(&flow);
    office_csr(&csr, NULL);
    flow_connect(&flow, NULL, &client);
    flow_still_ms = flow_read_ms(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < CERTIFICATES_ADDRESS_BURST + 100; i++) {
        flow_bootstrap(&flow, &client, bytes_of("flood"), buffer_bytes(&csr), &end);
        limited += strcmp(end.reason, "bootstrap/rate") == 0 ? 1 : 0;
    }
    cr_assert_eq(limited, 100, "%u", limited);
    cr_assert_eq(end.code, RPC_RESOURCE_EXHAUSTED);
    flow_disconnect(&client);
    flow_clear(&flow);
}

/* A certificate that nobody vouches for costs a signature each time, up to the limit. */
Test(control, I17_a_flood_of_forged_certificates_is_cut_before_they_are_judged)
{
    struct flow flow = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(flow_end) end = {0};
    OWNED(test_ca) *root = test_ca_root("cluster.local");
    OWNED(test_ca) *leaf = test_ca_leaf(root, "spiffe://cluster.local/ns/shop/sa/web");
    OWNED(svid) *forged = test_ca_svid(leaf);
    struct flow_client client = {0};
    unsigned judged = 0;
    unsigned limited = 0;

    flow_make(&flow);
    office_csr(&csr, NULL);
    flow_connect(&flow, forged, &client);
    flow_still_ms = flow_read_ms(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < CERTIFICATES_ADDRESS_PROOFS_BURST + 300; i++) {
        flow_renew(&flow, &client, buffer_bytes(&csr), &end);
        judged += strncmp(end.reason, "verify/", 7) == 0;
        limited += strcmp(end.reason, "renew/rate") == 0;
    }
    cr_assert_eq(judged, CERTIFICATES_ADDRESS_PROOFS_BURST, "%u, %s", judged, end.reason);
    cr_assert_eq(limited, 300, "%u", limited);
    cr_assert_eq(metrics_read(METRIC_ISSUED, LABEL_RENEW, LABEL_REFUSED), (int64_t)limited);
    flow_disconnect(&client);
    flow_clear(&flow);
}

/* A token of two uses over the wire: from here only, with what is told about it. */
Test(control, I6_a_token_for_several_starts_is_good_that_often_and_from_its_addresses_only)
{
    static const struct {
        const char *from;
        unsigned csr; /* which key asks */
        int code;
        const char *reason;
    } asks[] = {
        {"10.0.0.0/8", 0, RPC_UNAUTHENTICATED, "bootstrap/token-address"},
        {"127.0.0.0/8", 0, RPC_OK, ""},
        {"127.0.0.0/8", 1, RPC_OK, ""},
        {"127.0.0.0/8", 0, RPC_OK, ""},
        {"127.0.0.0/8", 2, RPC_UNAUTHENTICATED, "bootstrap/token-used"},
    };
    struct flow flow = {0};
    CLEARED(flow_end) end = {0};
    struct secret tokens[2] = {{0}};
    struct buffer csr[3] = {{0}};
    struct flow_client client = {0};

    flow_make(&flow);
    flow_connect(&flow, NULL, &client);
    for (size_t i = 0; i < 3; i++) {
        office_csr(&csr[i], NULL);
    }
    for (size_t i = 0; i < 2; i++) {
        struct ip_block block;
        struct token_order order = {.entry = bytes_of("web"),
                                    .life_s = 600,
                                    .now = clock_unix_s(),
                                    .uses = 2,
                                    .from = &block,
                                    .num_from = 1};

        cr_assert(ip_block_parse(bytes_of(asks[i].from), &block));
        cr_assert_eq(token_create(&flow.office.place.registry, &order, &tokens[i], NULL, NULL),
                     STATUS_OK);
    }
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        flow_bootstrap(&flow, &client, secret_bytes(&tokens[i == 0 ? 0 : 1]),
                       buffer_bytes(&csr[asks[i].csr]), &end);
        cr_assert_eq((int)end.code, asks[i].code, "%zu: %s: %s", i, end.reason, end.detail);
        cr_assert_str_eq(end.reason, asks[i].reason);
    }
    cr_assert_str_eq(end.detail,
                     "all 2 uses of this token were spent by earlier starts of this workload; make "
                     "another with `signet token create --entry web --uses N --out FILE`");
    for (size_t i = 0; i < 3; i++) {
        buffer_clear(&csr[i]);
    }
    secret_clear(&tokens[0]);
    secret_clear(&tokens[1]);
    flow_disconnect(&client);
    flow_clear(&flow);
}

Test(control, refuses_a_renewal_with_the_leaf_s_key_and_one_of_an_entry_that_was_made_again)
{
    struct flow flow = {0};
    CLEARED(secret) token = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(buffer) other = {0};
    CLEARED(flow_end) end = {0};
    struct flow_client client = {0};
    struct key *key = NULL;
    struct svid *leaf;

    flow_make(&flow);
    office_token(&flow.office, "web", clock_unix_s(), &token);
    office_csr(&csr, &key);
    office_csr(&other, NULL);
    flow_connect(&flow, NULL, &client);
    flow_bootstrap(&flow, &client, secret_bytes(&token), buffer_bytes(&csr), &end);
    leaf = flow_svid(&flow, &end, key);
    flow_disconnect(&client);
    flow_connect(&flow, leaf, &client);
    flow_renew(&flow, &client, buffer_bytes(&csr), &end);
    cr_assert_eq(end.code, RPC_INVALID_ARGUMENT);
    cr_assert_str_eq(end.reason, "renew/same-key");
    cr_assert_eq(entry_remove(&flow.office.place.registry, bytes_of("web"), NULL), STATUS_OK);
    flow_renew(&flow, &client, buffer_bytes(&other), &end);
    cr_assert_str_eq(end.reason, "renew/no-entry");
    place_add(&flow.office.place, "web", 0);
    flow_renew(&flow, &client, buffer_bytes(&other), &end);
    cr_assert_eq(end.code, RPC_UNAUTHENTICATED);
    cr_assert_str_eq(end.reason, "renew/evicted");
    flow_disconnect(&client);
    key_drop(&key);
    svid_drop(&leaf);
    flow_clear(&flow);
}

Test(control, I21_a_token_is_in_no_log_line_no_answer_and_no_metric)
{
    struct flow flow = {0};
    CLEARED(secret) token = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(buffer) other = {0};
    CLEARED(flow_end) end = {0};
    CLEARED(buffer) lines = {.max = (size_t)1 << 20};
    CLEARED(buffer) metrics = {.max = (size_t)1 << 20};
    struct flow_client client = {0};
    char path[64];
    int log;

    (void)snprintf(path, sizeof path, "/tmp/signet-control-log-%d", (int)getpid());
    log = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    cr_assert_geq(log, 0);
    log_set_output(log);
    cr_assert_eq(log_set_levels("debug", NULL), STATUS_OK);
    flow_make(&flow);
    office_token(&flow.office, "web", clock_unix_s(), &token);
    office_csr(&csr, NULL);
    office_csr(&other, NULL);
    flow_connect(&flow, NULL, &client);
    flow_bootstrap(&flow, &client, secret_bytes(&token), buffer_bytes(&csr), &end);
    cr_assert_eq(end.code, RPC_OK, "%s", end.detail);
    flow_bootstrap(&flow, &client, secret_bytes(&token), buffer_bytes(&other), &end);
    cr_assert_str_eq(end.reason, "bootstrap/token-used");
    cr_assert_null(strstr(end.detail, (const char *)token.at + 4));
    cr_assert_eq(buffer_read_file(&lines, path, NULL), STATUS_OK);
    cr_assert_not_null(memmem(lines.at, lines.len, "certificate.issued", 18));
    cr_assert_not_null(memmem(lines.at, lines.len, "certificate.refused", 19));
    cr_assert_null(memmem(lines.at, lines.len, token.at + 4, TOKEN_TEXT_LEN - 4));
    cr_assert_null(memmem(lines.at, lines.len, OFFICE_PASSPHRASE, strlen(OFFICE_PASSPHRASE)));
    cr_assert_eq(metrics_render(METRICS_CONTROL, &metrics, NULL), STATUS_OK);
    cr_assert_null(memmem(metrics.at, metrics.len, token.at + 4, TOKEN_TEXT_LEN - 4));
    (void)unlink(path);
    flow_disconnect(&client);
    flow_clear(&flow);
}
