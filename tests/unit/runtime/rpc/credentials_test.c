/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC's TLS with our identities: each trap of gRPC is a test here. A request stands for a token: what
 * the tests of I8 watch is whether its bytes reach the wrong server.
 */
#include <arpa/inet.h>
#include <grpc/credentials.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/rpc/operation.h"
#include "tests/support/suite.h"
#include "tests/unit/runtime/rpc/rig.h"

#define TOKEN "canary-token-6f1c"

SUITE(rpc_credentials, .timeout = 60);

Test(rpc_credentials, a_client_without_a_certificate_reaches_a_server_that_has_only_a_spiffe_id)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    char refusal[80];

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    rig_ask(&rig, &trust, "/test.Echo/Echo", TOKEN, &end, refusal);
    cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
    cr_assert_str_eq(refusal, "");
    rig_close(&rig);
}

Test(rpc_credentials, mutual_tls_tells_the_handler_who_calls)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    char refusal[80];

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, identity_set_svid(rig.web));
    rig_ask(&rig, &trust, "/test.Echo/Who", "?", &end, refusal);
    cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
    cr_assert(bytes_equal_text(buffer_bytes(&end.reply), RIG_WEB));
    rig_close(&rig);
}

Test(rpc_credentials, a_method_that_needs_an_identity_is_not_reached_without_one)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    char refusal[80];

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    rig_ask(&rig, &trust, "/test.Echo/Who", "?", &end, refusal);
    cr_assert_eq(end.code, RPC_UNAUTHENTICATED);
    cr_assert_str_eq(end.reason, "rpc/no-identity");
    cr_assert(end.server_time_ms > 0, "a refusal tells the time too");
    cr_assert_eq(rig.messages, 0);
    rig_close(&rig);
}

Test(rpc_credentials, a_certificate_of_another_authority_is_worse_than_none)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    char refusal[80];

    rig_open(&rig, RIG_CONTROL);
    OWNED(test_ca) *other_root = test_ca_root("example.org");
    OWNED(test_ca) *leaf = test_ca_leaf(other_root, RIG_WEB);
    OWNED(svid) *svid = test_ca_svid(leaf);
    struct rpc_client_trust trust = rig_trust(&rig, svid);
    rig_ask(&rig, &trust, "/test.Echo/Echo", "?", &end, refusal);
    cr_assert_eq(end.code, RPC_UNAUTHENTICATED);
    cr_assert(strncmp(end.reason, "verify/", 7) == 0, "%s", end.reason);
    cr_assert_eq(rig.messages, 0);
    rig_close(&rig);
}

/* I8: a man in the middle with a valid certificate, of the same authority, of someone else. */
Test(rpc_credentials, I8_the_token_does_not_leave_for_another_identity_of_the_same_authority)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    char refusal[80];

    rig_open(&rig, RIG_WEB);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    rig_ask(&rig, &trust, "/test.Echo/Echo", TOKEN, &end, refusal);
    cr_assert_eq(end.code, RPC_UNAVAILABLE);
    cr_assert_str_eq(refusal, "rpc/other-identity");
    cr_assert_eq(rig.messages, 0);
    rig_close(&rig);
}

/* I8: the control plane's name, vouched for by somebody else's root. */
Test(rpc_credentials, I8_the_token_does_not_leave_for_the_right_name_under_another_root)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    char refusal[80];

    rig_open(&rig, RIG_CONTROL);
    OWNED(test_ca) *other_root = test_ca_root("example.org");
    OWNED(bundle) *other_bundle = test_ca_bundle(other_root, "example.org");
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    trust.bundle = other_bundle;
    rig_ask(&rig, &trust, "/test.Echo/Echo", TOKEN, &end, refusal);
    cr_assert_eq(end.code, RPC_UNAVAILABLE);
    cr_assert_str_eq(refusal, "rpc/server-root");
    cr_assert_eq(rig.messages, 0);
    rig_close(&rig);
}

/* What a raw gRPC server of the tests takes: its first message, if one ever comes. */
struct raw_server {
    grpc_completion_queue *queue;
    grpc_server *server;
    int port;
};

static void raw_server_open(struct raw_server *raw, grpc_server_credentials *credentials)
{
    raw->queue = grpc_completion_queue_create_for_next(NULL);
    raw->server = grpc_server_create(NULL, NULL);
    grpc_server_register_completion_queue(raw->server, raw->queue, NULL);
    raw->port = grpc_server_add_http2_port(raw->server, "127.0.0.1:0", credentials);
    grpc_server_start(raw->server);
    grpc_server_credentials_release(credentials);
}

/* Closes it and tells whether a call had arrived. */
static bool raw_server_close(struct raw_server *raw)
{
    grpc_call *call = NULL;
    grpc_call_details details;
    grpc_metadata_array metadata;
    bool arrived = false;

    grpc_call_details_init(&details);
    grpc_metadata_array_init(&metadata);
    (void)grpc_server_request_call(raw->server, &call, &details, &metadata, raw->queue, raw->queue,
                                   (void *)1);
    grpc_server_shutdown_and_notify(raw->server, raw->queue, (void *)2);
    grpc_server_cancel_all_calls(raw->server);
    for (int events = 0; events < 2; events++) {
        grpc_event event =
            grpc_completion_queue_next(raw->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);

        arrived = arrived || (event.tag == (void *)1 && event.success != 0);
    }
    if (call != NULL) {
        grpc_call_unref(call);
    }
    grpc_call_details_destroy(&details);
    grpc_metadata_array_destroy(&metadata);
    grpc_server_destroy(raw->server);
    grpc_completion_queue_shutdown(raw->queue);
    while (grpc_completion_queue_next(raw->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL).type !=
           GRPC_QUEUE_SHUTDOWN) {
    }
    grpc_completion_queue_destroy(raw->queue);
    return arrived;
}

static char *pem_text(struct bytes pem)
{
    return bytes_text(pem);
}

/* I8: a server of the web: DNS name, chain to a root that the whole machine trusts. */
Test(rpc_credentials, I8_the_token_does_not_leave_for_a_web_certificate_even_of_a_system_root)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    struct raw_server raw;
    char refusal[80];
    char roots_path[] = "/tmp/signet-test-roots-XXXXXX";
    int roots_file = mkstemp(roots_path);

    OWNED(test_ca) *web_root = test_ca_root("web");
    struct test_ca_plan plan = test_ca_plan_leaf("unused");
    plan.num_uris = 0;
    plan.dns[0] = "localhost";
    OWNED(test_ca) *web_leaf = test_ca_make(&plan, web_root);
    cr_assert_eq(write(roots_file, test_ca_pem(web_root).at, test_ca_pem(web_root).len),
                 (ssize_t)test_ca_pem(web_root).len);
    (void)close(roots_file);
    (void)setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", roots_path, 1);

    rig_open(&rig, RIG_CONTROL);
    char *chain = pem_text(test_ca_chain_pem(web_leaf));
    char *key = pem_text(test_ca_key_pem(web_leaf));
    grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = chain};
    raw_server_open(&raw, grpc_ssl_server_credentials_create(NULL, &pair, 1, 0, NULL));
    (void)snprintf(rig.address, sizeof rig.address, "localhost:%d", raw.port);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    rig_ask(&rig, &trust, "/test.Echo/Echo", TOKEN, &end, refusal);
    cr_assert_eq(end.code, RPC_UNAVAILABLE);
    cr_assert_str_eq(refusal, "rpc/server-certificate");
    cr_assert(!raw_server_close(&raw), "a call reached it");
    free(chain);
    free(key);
    rig_close(&rig);
    (void)unlink(roots_path);
}

/* I8: no TLS at all. */
struct plain_server {
    int listener;
    uint16_t port;
    char heard[65536];
    size_t heard_len;
    bool answers_http2;
};

static void *plain_server_run(void *user)
{
    struct plain_server *plain = user;
    static const char settings[] = "\0\0\0\4\0\0\0\0\0"; /* an empty SETTINGS frame */
    int client = accept(plain->listener, NULL, NULL);
    struct timeval limit = {.tv_sec = 1};

    if (client < 0) {
        return NULL;
    }
    (void)setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (plain->answers_http2) {
        (void)!write(client, settings, 9);
    }
    while (plain->heard_len < sizeof plain->heard) {
        ssize_t got =
            read(client, plain->heard + plain->heard_len, sizeof plain->heard - plain->heard_len);

        if (got <= 0) {
            break;
        }
        plain->heard_len += (size_t)got;
    }
    (void)close(client);
    return NULL;
}

Test(rpc_credentials, I8_the_token_does_not_leave_without_tls)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    static struct plain_server plain = {.answers_http2 = true};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_len = sizeof address;
    pthread_t thread;
    char refusal[80];

    plain.listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(plain.listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(plain.listener, 1), 0);
    cr_assert_eq(getsockname(plain.listener, (struct sockaddr *)&address, &address_len), 0);
    rig_open(&rig, RIG_CONTROL);
    cr_assert_eq(pthread_create(&thread, NULL, plain_server_run, &plain), 0);
    (void)snprintf(rig.address, sizeof rig.address, "127.0.0.1:%u", ntohs(address.sin_port));
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    rig_ask(&rig, &trust, "/test.Echo/Echo", TOKEN, &end, refusal);
    (void)pthread_join(thread, NULL);
    (void)close(plain.listener);
    cr_assert_eq(end.code, RPC_UNAVAILABLE);
    cr_assert(plain.heard_len > 0, "the client did connect");
    cr_assert_null(memmem(plain.heard, plain.heard_len, TOKEN, strlen(TOKEN)));
    rig_close(&rig);
}

Test(rpc_credentials, tls_1_2_is_refused)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    struct raw_server raw;
    char refusal[80];

    rig_open(&rig, RIG_CONTROL);
    OWNED(test_ca) *leaf = test_ca_leaf(rig.root, RIG_CONTROL);
    char *chain = pem_text(test_ca_chain_pem(leaf));
    char *key = pem_text(test_ca_key_pem(leaf));
    grpc_tls_certificate_provider *provider = grpc_tls_certificate_provider_in_memory_create();
    grpc_tls_identity_pairs *pairs = grpc_tls_identity_pairs_create();
    grpc_tls_credentials_options *options = grpc_tls_credentials_options_create();
    grpc_tls_identity_pairs_add_pair(pairs, key, chain);
    (void)grpc_tls_certificate_provider_in_memory_set_identity_certificate(provider, pairs);
    grpc_tls_credentials_options_set_identity_certificate_provider(options, provider);
    grpc_tls_credentials_options_set_min_tls_version(options, TLS1_2);
    grpc_tls_credentials_options_set_max_tls_version(options, TLS1_2);
    raw_server_open(&raw, grpc_tls_server_credentials_create(options));
    grpc_tls_certificate_provider_release(provider);
    (void)snprintf(rig.address, sizeof rig.address, "127.0.0.1:%d", raw.port);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    rig_ask(&rig, &trust, "/test.Echo/Echo", TOKEN, &end, refusal);
    cr_assert_eq(end.code, RPC_UNAVAILABLE);
    cr_assert_str_eq(refusal, "", "it did not even come to a certificate");
    cr_assert(!raw_server_close(&raw));
    free(chain);
    free(key);
    rig_close(&rig);
}

Test(rpc_credentials, a_pinned_root_is_found_in_the_chain_and_given_out)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    struct rpc_client_credentials *credentials = NULL;

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    trust.bundle = NULL;
    trust.pin = bundle_root_sha256(bundle_find(rig.bundle, bytes_of("example.org")), 0);
    cr_assert_eq(rpc_client_credentials_make(rig.queue, &trust, &credentials, NULL), STATUS_OK);
    rig_call(&rig, credentials, "/test.Echo/Echo", TOKEN, &end);
    cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
    cr_assert(bytes_equal(rpc_client_credentials_root(credentials), test_ca_der(rig.root)));
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

Test(rpc_credentials, I8_the_token_does_not_leave_when_the_pin_does_not_fit)
{
    static const uint8_t other[RPC_PIN_SIZE] = {1, 2, 3};
    struct rig rig;
    CLEARED(rig_end) end = {0};
    char refusal[80];

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    trust.bundle = NULL;
    trust.pin = other;
    rig_ask(&rig, &trust, "/test.Echo/Echo", TOKEN, &end, refusal);
    cr_assert_eq(end.code, RPC_UNAVAILABLE);
    cr_assert_str_eq(refusal, "rpc/pin");
    cr_assert_eq(rig.messages, 0);
    rig_close(&rig);
}

Test(rpc_credentials, I8_the_right_pin_does_not_make_another_identity_the_control_plane)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    char refusal[80];

    rig_open(&rig, RIG_WEB);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    trust.pin = bundle_root_sha256(bundle_find(rig.bundle, bytes_of("example.org")), 0);
    trust.bundle = NULL;
    rig_ask(&rig, &trust, "/test.Echo/Echo", TOKEN, &end, refusal);
    cr_assert_str_eq(refusal, "rpc/other-identity");
    cr_assert_eq(rig.messages, 0);
    rig_close(&rig);
}

/* A chain that shows the pinned root (it is public), below which the leaf does not stand. */
Test(rpc_credentials, I8_a_stolen_copy_of_the_pinned_root_vouches_for_nobody)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    struct raw_server raw;
    char refusal[80];

    rig_open(&rig, RIG_CONTROL);
    OWNED(test_ca) *own_root = test_ca_root("example.org");
    OWNED(test_ca) *leaf = test_ca_leaf(own_root, RIG_CONTROL);
    struct buffer chain;
    buffer_init(&chain, 65536);
    cr_assert_eq(buffer_add(&chain, test_ca_chain_pem(leaf)), STATUS_OK);
    cr_assert_eq(buffer_add(&chain, test_ca_pem(own_root)), STATUS_OK);
    cr_assert_eq(buffer_add(&chain, test_ca_pem(rig.root)), STATUS_OK);
    char *chain_text = pem_text(buffer_bytes(&chain));
    char *key = pem_text(test_ca_key_pem(leaf));
    grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = chain_text};
    raw_server_open(&raw, grpc_ssl_server_credentials_create(NULL, &pair, 1, 0, NULL));
    (void)snprintf(rig.address, sizeof rig.address, "127.0.0.1:%d", raw.port);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    trust.pin = bundle_root_sha256(bundle_find(rig.bundle, bytes_of("example.org")), 0);
    trust.bundle = NULL;
    rig_ask(&rig, &trust, "/test.Echo/Echo", TOKEN, &end, refusal);
    cr_assert_eq(end.code, RPC_UNAVAILABLE);
    cr_assert_str_eq(refusal, "rpc/server-root");
    cr_assert(!raw_server_close(&raw));
    free(chain_text);
    free(key);
    buffer_clear(&chain);
    rig_close(&rig);
}

Test(rpc_credentials, either_roots_or_a_pin_must_be_given)
{
    static const uint8_t pin[RPC_PIN_SIZE] = {1};
    struct rig rig;
    struct rpc_client_credentials *credentials = NULL;
    struct failure why = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    trust.pin = pin;
    cr_assert_eq(rpc_client_credentials_make(rig.queue, &trust, &credentials, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "rpc/trust");
    trust.pin = NULL;
    trust.bundle = NULL;
    cr_assert_eq(rpc_client_credentials_make(rig.queue, &trust, &credentials, &why), STATUS_CONFIG);
    rig_close(&rig);
}

/* Time as a test sets it: real time plus an offset. */
static int64_t shifted_ms;

static uint64_t shifted_mono(void)
{
    return uv_hrtime() / 1000000;
}

static int64_t shifted_unix(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + shifted_ms;
}

static const struct clock_source shifted = {shifted_mono, shifted_mono, shifted_unix};

Test(rpc_credentials, a_leaf_that_ends_on_a_live_connection_ends_its_right_at_once)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    struct rpc_client_credentials *credentials = NULL;
    struct rpc_channel *channel = NULL;

    clock_replace(&shifted);
    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, identity_set_svid(rig.web));
    cr_assert_eq(rpc_client_credentials_make(rig.queue, &trust, &credentials, NULL), STATUS_OK);
    cr_assert_eq(rpc_channel_make(rig.queue, rig.address, rpc_client_credentials_raw(credentials),
                                  &channel, NULL),
                 STATUS_OK);
    rig_call_on(&rig, channel, "/test.Echo/Who", bytes_of("?"), &end);
    cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
    rig_end_clear(&end);
    shifted_ms = 2 * 3600 * 1000;
    rig_call_on(&rig, channel, "/test.Echo/Who", bytes_of("?"), &end);
    cr_assert_eq(end.code, RPC_UNAUTHENTICATED);
    cr_assert_str_eq(end.reason, "verify/expired");
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

/*
 * Whether our clock is behind or the server's authority was ahead, nobody can tell from two times. Both are
 * said; who was set is for the agent to find out, which remembers what both clocks said before.
 */
Test(rpc_credentials, a_server_of_another_time_is_refused_with_both_times_and_a_word_of_its_own)
{
    static const struct {
        int64_t shift_ms;
        const char *reason, *part;
    } cases[] = {
        {-346 * 1000, "rpc/server-not-yet-valid", "46 s before"}, /* it is backdated by 300 s */
        {3646 * 1000, "rpc/server-expired", "46 s after"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig rig;
        CLEARED(rig_end) end = {0};
        struct rpc_client_credentials *credentials = NULL;

        shifted_ms = 0;
        clock_replace(&shifted);
        rig_open(&rig, RIG_CONTROL);
        struct rpc_client_trust trust = rig_trust(&rig, NULL);
        cr_assert_eq(rpc_client_credentials_make(rig.queue, &trust, &credentials, NULL), STATUS_OK);
        shifted_ms = cases[i].shift_ms;
        rig_call(&rig, credentials, "/test.Echo/Echo", TOKEN, &end);
        const struct failure *refusal = rpc_client_credentials_refusal(credentials);
        cr_assert_not_null(refusal);
        cr_assert_str_eq(refusal->reason, cases[i].reason);
        cr_assert_not_null(strstr(refusal->detail, cases[i].part), "%s", refusal->detail);
        cr_assert_null(strstr(refusal->detail, "your clock"), "%s", refusal->detail);
        cr_assert_eq(rig.messages, 0);
        rpc_client_credentials_drop(&credentials);
        rig_close(&rig);
    }
}

Test(rpc_credentials, a_new_identity_is_for_new_connections_and_a_fresh_channel_is_one)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    struct rpc_client_credentials *credentials = NULL;
    struct rpc_channel *old_channel = NULL;
    struct failure why = {0};

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    cr_assert_eq(rpc_client_credentials_make(rig.queue, &trust, &credentials, NULL), STATUS_OK);
    cr_assert_eq(rpc_channel_make(rig.queue, rig.address, rpc_client_credentials_raw(credentials),
                                  &old_channel, NULL),
                 STATUS_OK);
    rig_call_on(&rig, old_channel, "/test.Echo/Echo", bytes_of("1"), &end);
    cr_assert_eq(end.code, RPC_OK);
    rig_end_clear(&end);
    cr_assert_eq(rpc_server_credentials_set(rig.server_credentials, rig.web, &why), STATUS_OK, "%s",
                 why.detail);
    rig_call_on(&rig, old_channel, "/test.Echo/Echo", bytes_of("2"), &end);
    cr_assert_eq(end.code, RPC_OK, "the live connection keeps what it began with");
    rig_end_clear(&end);
    rig_call(&rig, credentials, "/test.Echo/Echo", "3", &end);
    cr_assert_eq(end.code, RPC_UNAVAILABLE,
                 "same address, same credentials, but a connection of its own");
    cr_assert_str_eq(rpc_client_credentials_refusal(credentials)->reason, "rpc/other-identity");
    rpc_channel_drop(&old_channel);
    rpc_client_credentials_drop(&credentials);
    rig_close(&rig);
}

Test(rpc_credentials, an_identity_that_does_not_verify_is_not_served_and_the_old_one_stays)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    char refusal[80];
    struct failure why = {0};

    rig_open(&rig, RIG_CONTROL);
    OWNED(test_ca) *other_root = test_ca_root("example.org");
    OWNED(test_ca) *leaf = test_ca_leaf(other_root, RIG_CONTROL);
    OWNED(svid) *svid = test_ca_svid(leaf);
    OWNED(identity_set) *set = NULL;
    cr_assert_eq(identity_set_make(svid, rig.bundle, 9, &set, NULL), STATUS_OK);
    cr_assert_eq(rpc_server_credentials_set(rig.server_credentials, set, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "rpc/identity");
    struct rpc_client_trust trust = rig_trust(&rig, NULL);
    rig_ask(&rig, &trust, "/test.Echo/Echo", "x", &end, refusal);
    cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
    rig_close(&rig);
}

/* A client that keeps tickets: gRPC's server cannot be kept from giving them. */
static void call_with_tickets(struct rig *rig, grpc_ssl_session_cache *cache, struct rig_end *end)
{
    struct rpc_client_trust trust = rig_trust(rig, NULL);
    struct rpc_client_credentials *credentials = NULL;
    grpc_arg arguments[3] = {grpc_ssl_session_cache_create_channel_arg(cache)};
    grpc_channel_args all = {3, arguments};
    struct rpc_channel *channel;
    char target[48];

    arguments[1].type = GRPC_ARG_STRING;
    arguments[1].key = (char *)(uintptr_t)GRPC_SSL_TARGET_NAME_OVERRIDE_ARG;
    arguments[1].value.string = (char *)(uintptr_t) "control.example";
    arguments[2].type = GRPC_ARG_INTEGER;
    arguments[2].key = (char *)(uintptr_t)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL;
    arguments[2].value.integer = 1;
    (void)snprintf(target, sizeof target, "ipv4:%s", rig->address);
    cr_assert_eq(rpc_client_credentials_make(rig->queue, &trust, &credentials, NULL), STATUS_OK);
    channel = rpc_channel_adopt(
        rig->queue, grpc_channel_create(target, rpc_client_credentials_raw(credentials), &all));
    rig_call_on(rig, channel, "/test.Echo/Echo", bytes_of("x"), end);
    rpc_channel_drop(&channel);
    rpc_client_credentials_drop(&credentials);
}

Test(rpc_credentials, I10_a_resumed_session_is_refused)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};

    rig_open(&rig, RIG_CONTROL);
    grpc_ssl_session_cache *cache = grpc_ssl_session_cache_create_lru(8);
    call_with_tickets(&rig, cache, &end);
    cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
    rig_end_clear(&end);
    rig_turn(&rig, 100);
    call_with_tickets(&rig, cache, &end);
    cr_assert_eq(end.code, RPC_UNAUTHENTICATED, "%s: it was not resumed", rpc_code_word(end.code));
    cr_assert_str_eq(end.reason, "rpc/resumed-session");
    cr_assert_eq(rig.messages, 1);
    grpc_ssl_session_cache_destroy(cache);
    rig_close(&rig);
}

Test(rpc_credentials, nothing_hangs_when_all_is_given_up_while_the_verifier_is_asked)
{
    for (unsigned after_ms = 0; after_ms < 12; after_ms += 2) {
        struct rig rig;
        CLEARED(rig_end) end = {0};
        struct rpc_client_credentials *credentials = NULL;
        struct rpc_channel *channel = NULL;
        struct rpc_call *call = NULL;
        struct rpc_call_options options = {.method = "/test.Echo/Echo", .limit_ms = 5000};

        rig_open(&rig, RIG_CONTROL);
        struct rpc_client_trust trust = rig_trust(&rig, NULL);
        cr_assert_eq(rpc_client_credentials_make(rig.queue, &trust, &credentials, NULL), STATUS_OK);
        cr_assert_eq(rpc_channel_make(rig.queue, rig.address,
                                      rpc_client_credentials_raw(credentials), &channel, NULL),
                     STATUS_OK);
        cr_assert_eq(rpc_call_start(channel, &options, rig_event, &end, &call, NULL), STATUS_OK);
        if (after_ms > 0) {
            struct timespec pause = {.tv_nsec = after_ms * 1000000L};

            (void)nanosleep(&pause,
                            NULL); /* gRPC goes on, our loop stands still: the question waits */
        }
        rpc_call_drop(&call);
        rpc_channel_drop(&channel);
        rpc_client_credentials_drop(&credentials);
        rig_close(&rig);
        cr_assert_eq(end.events, 0);
    }
}

Test(rpc_credentials, I17_who_is_not_admitted_costs_no_judgement_and_who_proves_himself_is_told_of)
{
    struct rig rig;
    CLEARED(rig_end) end = {0};
    char refusal[80];

    rig_open(&rig, RIG_CONTROL);
    struct rpc_client_trust trust = rig_trust(&rig, identity_set_svid(rig.web));
    struct rpc_client_trust nobody = rig_trust(&rig, NULL);
    rig.closed = true;
    rig_ask(&rig, &trust, "/test.Echo/Closed", "x", &end, refusal);
    cr_assert_eq(end.code, RPC_RESOURCE_EXHAUSTED);
    cr_assert_str_eq(end.reason, "test/closed");
    cr_assert_eq(rig.judged, 0, "his certificate was looked at");
    cr_assert_eq(rig.messages, 0);
    rig.closed = false;
    rig_end_clear(&end);
    rig_ask(&rig, &trust, "/test.Echo/Closed", "x", &end, refusal);
    cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
    cr_assert(rig.judged == 1 && rig.proved == 1);
    rig_end_clear(&end);
    rig_ask(&rig, &nobody, "/test.Echo/Closed", "x", &end, refusal);
    cr_assert_eq(end.code, RPC_OK, "%s %s", end.reason, end.detail);
    cr_assert(rig.judged == 2 && rig.proved == 1);
    rig_close(&rig);
}
