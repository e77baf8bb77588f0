/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sidecar/rotation/control_rig.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/control/ca/sign.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/rpc/codec.h"
#include "core/trust/identity/csr.h"
#include "mesh/v1/certificates.pb-c.h"

static int64_t passed_ms;  /* on both clocks, beyond real time */
static int64_t stepped_ms; /* on the wall clock only */

static uint64_t rig_mono(void)
{
    return uv_hrtime() / 1000000;
}

static uint64_t rig_boot(void)
{
    return uv_hrtime() / 1000000 + (uint64_t)passed_ms;
}

static int64_t rig_unix(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + passed_ms + stepped_ms;
}

static const struct clock_source rig_clock = {rig_mono, rig_boot, rig_unix};

void control_rig_pass(int64_t s)
{
    passed_ms += s * 1000;
}

void control_rig_step(int64_t s)
{
    stepped_ms += s * 1000;
}

static enum status rig_sign(struct signer *signer, struct bytes message,
                            struct buffer *out_signature, struct failure *why)
{
    struct control_rig *rig =
        (struct control_rig *)(void *)((char *)signer - offsetof(struct control_rig, signer));

    return key_sign(test_ca_key(rig->intermediate), message, out_signature, why);
}

static const struct signer_kind rig_signer_kind = {.sign = rig_sign};

/* The server reads its own clock: between these two nothing of the agent runs. */
static void rig_server_begins(const struct control_rig *rig)
{
    stepped_ms += rig->server_ahead_ms;
}

static void rig_server_ends(const struct control_rig *rig)
{
    stepped_ms -= rig->server_ahead_ms;
}

static void rig_note_key(struct control_rig *rig, struct bytes csr_der)
{
    OWNED(csr) *csr = NULL;

    cr_assert_eq(csr_parse(csr_der, &csr, NULL), STATUS_OK);
    struct bytes spki = csr_public_key(csr);
    cr_assert(rig->num_keys < KEYS_MAX && spki.len <= sizeof rig->keys[0]);
    memcpy(rig->keys[rig->num_keys], spki.at, spki.len);
    rig->key_lens[rig->num_keys++] = spki.len;
}

static void rig_issue(struct control_rig *rig, struct rpc_exchange *exchange, struct bytes csr_der)
{
    OWNED(csr) *csr = NULL;
    CLEARED(buffer) leaf = {0};
    CLEARED(buffer) out = {0};
    struct certificate issuer_cert;
    struct spiffe_id id;
    struct failure why = {0};
    int64_t now = clock_unix_s();
    struct sign_issuer issuer = {.signer = &rig->signer, .not_after = INT64_C(1) << 33};
    struct sign_leaf_order order = {.id = &id, .issued_at = now, .not_after = now + rig->life_s};
    int64_t not_after = 0;
    Mesh__V1__IssueReply reply = MESH__V1__ISSUE_REPLY__INIT;
    Mesh__V1__TrustBundle bundle = MESH__V1__TRUST_BUNDLE__INIT;
    struct bytes intermediate = test_ca_der(rig->intermediate);
    struct bytes root = test_ca_der(rig->told_root != NULL ? rig->told_root : rig->root);

    cr_assert_eq(csr_parse(csr_der, &csr, &why), STATUS_OK, "%s", why.detail);
    struct bytes spki = csr_public_key(csr);
    cr_assert_eq(certificate_parse(intermediate, &issuer_cert, &why), STATUS_OK);
    cr_assert_eq(spiffe_id_parse(bytes_of(rig->workload_id), &id, &why), STATUS_OK);
    issuer.name = issuer_cert.subject;
    cr_assert_eq(issuer_cert.subject_key_id.len, sizeof issuer.key_id);
    memcpy(issuer.key_id, issuer_cert.subject_key_id.at, sizeof issuer.key_id);
    order.spki_der = rig->foreign_key != NULL ? key_public_spki(rig->foreign_key) : spki;
    memset(order.serial, (int)rig->num_keys, sizeof order.serial);
    buffer_init(&leaf, SIGN_CERTIFICATE_MAX);
    cr_assert_eq(sign_leaf(&issuer, &order, &leaf, &not_after, &why), STATUS_OK, "%s: %s",
                 why.reason, why.detail);

    ProtobufCBinaryData chain[2] = {{leaf.len, leaf.at},
                                    {intermediate.len, (uint8_t *)(uintptr_t)intermediate.at}};
    ProtobufCBinaryData roots[1] = {{root.len, (uint8_t *)(uintptr_t)root.at}};
    bundle.trust_domain = (char *)(uintptr_t)rig->domain;
    bundle.root_der = roots;
    bundle.n_root_der = 1;
    bundle.sequence = rig->sequence;
    reply.chain_der = chain;
    reply.n_chain_der = 2;
    reply.bundle = rig->no_bundle ? NULL : &bundle;
    reply.issued_at = now;
    reply.renew_at = now + rig->life_s * 2 / 5;
    reply.not_after = rig->wrong_dates ? now - 5 : not_after;
    reply.server_time_ms = clock_unix_ms();
    buffer_init(&out, RPC_MESSAGE_MAX);
    cr_assert_eq(codec_pack(&reply.base, &out, &why), STATUS_OK);
    rpc_exchange_reply(exchange, rig->garbage ? bytes_of("\xff\xff garbage") : buffer_bytes(&out));
}

/* True when the call was refused, or shall never be answered. */
static bool rig_refuses(struct control_rig *rig, struct rpc_exchange *exchange, bool renew)
{
    if (rig->silent) {
        return true;
    }
    if (rig->refuse == RPC_OK || (rig->refuse_renew_only != 0 && !renew)) {
        return false;
    }
    rpc_exchange_refuse(exchange, rig->refuse, rig->refuse_reason, "as the test wants");
    return true;
}

static bool rig_same_key(const struct control_rig *rig, size_t a, size_t b)
{
    return bytes_equal(bytes_make(rig->keys[a], rig->key_lens[a]),
                       bytes_make(rig->keys[b], rig->key_lens[b]));
}

/* I6 as the real control plane holds it, for the key that came last. NULL: it may have its certificate. */
static const char *rig_use_token(struct control_rig *rig, struct bytes token)
{
    size_t key = rig->num_keys - 1;

    if (!bytes_equal_text(token, rig->token)) {
        return "bootstrap/token-unknown";
    }
    if (strcmp(rig->used_token, rig->token) != 0) {
        (void)snprintf(rig->used_token, sizeof rig->used_token, "%s", rig->token);
        rig->uses = 0;
    }
    for (unsigned i = 0; i < rig->uses; i++) {
        if (rig_same_key(rig, rig->users[i], key)) {
            return rig->renewed[i] ? "bootstrap/key-renewed" : NULL;
        }
    }
    if (rig->uses == rig->token_uses) {
        return "bootstrap/token-used";
    }
    rig->users[rig->uses] = key;
    rig->renewed[rig->uses++] = false;
    return NULL;
}

static void rig_serve_bootstrap(struct control_rig *rig, struct rpc_exchange *exchange,
                                const Mesh__V1__BootstrapRequest *request)
{
    struct bytes csr_der = bytes_make(request->csr_der.data, request->csr_der.len);
    const char *refusal = NULL;

    rig_note_key(rig, csr_der);
    if (rig->silent || rig->refuse == RPC_OK || rig->refuse_renew_only != 0 || rig->refuse_late) {
        refusal = rig_use_token(rig, bytes_make(request->token.data, request->token.len));
    }
    if (refusal != NULL) {
        rpc_exchange_refuse(exchange, RPC_UNAUTHENTICATED, refusal, "not with this token");
    } else if (!rig_refuses(rig, exchange, false)) {
        rig_issue(rig, exchange, csr_der);
    }
}

static void rig_bootstrap(void *service, struct rpc_exchange *exchange,
                          const struct rpc_event *event)
{
    struct control_rig *rig = service;
    ProtobufCMessage *message = NULL;

    if (event->kind != RPC_EVENT_MESSAGE) {
        return;
    }
    rig->bootstraps++;
    cr_assert_eq(codec_unpack(&mesh__v1__bootstrap_request__descriptor, event->message,
                              CODEC_BUDGET, &message, NULL),
                 STATUS_OK);
    rig_server_begins(rig);
    rig_serve_bootstrap(rig, exchange, (const void *)message);
    rig_server_ends(rig);
    codec_free(message);
}

static void rig_serve_renew(struct control_rig *rig, struct rpc_exchange *exchange,
                            const Mesh__V1__RenewRequest *request)
{
    struct bytes csr_der = bytes_make(request->csr_der.data, request->csr_der.len);

    if (rig->judged != STATUS_OK) {
        rpc_exchange_refuse_why(exchange, rig->judged, &rig->judged_why);
        return;
    }
    (void)snprintf(rig->caller, sizeof rig->caller, "%.120s",
                   rpc_credentials_peer(exchange)->id.text);
    rig_note_key(rig, csr_der);
    for (size_t i = 0; i + 1 < rig->num_keys; i++) {
        cr_assert(!rig_same_key(rig, i, rig->num_keys - 1), "a renewal has a key of its own");
    }
    if (!rig_refuses(rig, exchange, true)) {
        memset(rig->renewed, 1, sizeof rig->renewed);
        rig_issue(rig, exchange, csr_der);
    }
}

static void rig_renew(void *service, struct rpc_exchange *exchange, const struct rpc_event *event)
{
    struct control_rig *rig = service;
    ProtobufCMessage *message = NULL;

    if (event->kind != RPC_EVENT_MESSAGE) {
        return;
    }
    rig->renews++;
    cr_assert_eq(codec_unpack(&mesh__v1__renew_request__descriptor, event->message, CODEC_BUDGET,
                              &message, NULL),
                 STATUS_OK);
    rig_server_begins(rig);
    rig_serve_renew(rig, exchange, (const void *)message);
    rig_server_ends(rig);
    codec_free(message);
}

/* The real judge, at the server's time. Its refusal waits for the handler, which answers with that time too. */
static enum status rig_judge(void *user, const struct rpc_presented *presented, void **out_peer,
                             struct failure *why)
{
    struct control_rig *rig = user;
    struct rpc_judge real = rpc_server_credentials_judge(rig->credentials);

    (void)why;
    rig_server_begins(rig);
    rig->judged_why = (struct failure){0};
    rig->judged = real.judge(real.user, presented, out_peer, &rig->judged_why);
    rig_server_ends(rig);
    if (rig->judged != STATUS_OK) {
        *out_peer = NULL;
    }
    return STATUS_OK;
}

static struct rpc_method rig_methods[] = {
    {.name = "/mesh.v1.Certificates/Bootstrap", .event = rig_bootstrap},
    {.name = "/mesh.v1.Certificates/Renew", .event = rig_renew},
};

void control_rig_come_back(struct control_rig *rig)
{
    int64_t now = clock_unix_s() + rig->own_shift_s;
    /* Its leaf outlives every test: its own rotation is not what is tested. */
    OWNED(test_ca) *leaf =
        test_ca_leaf_between(rig->intermediate, rig->own_id, now - 300, now + 60000);
    OWNED(svid) *svid = test_ca_svid(leaf);
    OWNED(identity_set) *set = NULL;
    struct rpc_server_options options = {.methods = rig_methods, .num_methods = 2};
    struct failure why = {0};

    rig_methods[0].service = rig;
    rig_methods[1].service = rig;
    cr_assert_eq(identity_set_make(svid, rig->bundle, 1, &set, &why), STATUS_OK);
    rig->queue = rpc_queue_start(&rig->home);
    control_rig_step(rig->own_shift_s); /* it takes no certificate that its clock refuses */
    cr_assert_eq(rpc_server_credentials_make(set, &rig->credentials, &why), STATUS_OK, "%s",
                 why.detail);
    control_rig_step(-rig->own_shift_s);
    (void)snprintf(rig->address, sizeof rig->address, "127.0.0.1:%u", rig->port);
    options.address = rig->address;
    options.credentials = rpc_server_credentials_raw(rig->credentials);
    options.judge = rpc_server_credentials_judge(rig->credentials);
    options.judge.judge = rig_judge;
    options.judge.user = rig;
    cr_assert_eq(rpc_server_start(rig->queue, &options, &rig->server, &why), STATUS_OK, "%s",
                 why.detail);
    rig->port = rpc_server_port(rig->server);
    (void)snprintf(rig->address, sizeof rig->address, "127.0.0.1:%u", rig->port);
}

static void rig_wake(uv_timer_t *timer)
{
    (void)timer;
}

static void rig_closed(void *user)
{
    *(bool *)user = true;
}

static void rig_run(struct control_rig *rig, const bool *flag)
{
    uv_timer_t timer;
    uint64_t until = uv_hrtime() / 1000000 + 20000;

    (void)uv_timer_init(&rig->home.loop, &timer);
    (void)uv_timer_start(&timer, rig_wake, 5, 5);
    while (!*flag) {
        cr_assert(uv_hrtime() / 1000000 < until, "nothing came for twenty seconds");
        (void)uv_run(&rig->home.loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&rig->home.loop, UV_RUN_NOWAIT);
}

void control_rig_turn(struct control_rig *rig, unsigned ms)
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

void control_rig_go_away(struct control_rig *rig)
{
    bool closed = false;

    if (rig->queue == NULL) {
        return;
    }
    rpc_server_close(TAKE(rig->server), 0, rig_closed, &closed);
    rig_run(rig, &closed);
    rpc_server_credentials_drop(&rig->credentials);
    closed = false;
    rpc_queue_close(TAKE(rig->queue), rig_closed, &closed);
    rig_run(rig, &closed);
}

void control_rig_write(const char *path, struct bytes content)
{
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    cr_assert_eq(fwrite(content.at, 1, content.len, file), content.len);
    cr_assert_eq(fclose(file), 0);
}

void control_rig_new_token(struct control_rig *rig, const char *text)
{
    rig->token = text;
    control_rig_write(rig->token_file, bytes_of(text));
}

/* An authority that is older and younger than any clock of a test is off. */
static void rig_make_authority(struct control_rig *rig)
{
    struct test_ca_plan root = test_ca_plan_root("example.org");
    struct test_ca_plan intermediate = test_ca_plan_intermediate("example.org");
    int64_t now = clock_unix_s();

    root.not_before = intermediate.not_before = now - INT64_C(400) * 86400;
    root.not_after = intermediate.not_after = now + INT64_C(400) * 86400;
    rig->root = test_ca_make(&root, NULL);
    rig->intermediate = test_ca_make(&intermediate, rig->root);
}

void control_rig_open(struct control_rig *rig)
{
    memset(rig, 0, sizeof *rig);
    passed_ms = 0;
    stepped_ms = 0;
    clock_replace(&rig_clock);
    worker_init_main(&rig->home);
    current_init(&rig->current);
    (void)snprintf(rig->folder, sizeof rig->folder, "/tmp/signet-rotation-XXXXXX");
    cr_assert_not_null(mkdtemp(rig->folder));
    (void)snprintf(rig->token_file, sizeof rig->token_file, "%s/token", rig->folder);
    (void)snprintf(rig->bundle_file, sizeof rig->bundle_file, "%s/roots.pem", rig->folder);
    rig_make_authority(rig);
    rig->bundle = test_ca_bundle(rig->root, "example.org");
    rig->signer.kind = &rig_signer_kind;
    rig->signer.algorithm = key_signature(test_ca_key(rig->intermediate));
    rig->signer.spki = key_public_spki(test_ca_key(rig->intermediate));
    rig->own_id = CONTROL_ID;
    rig->workload_id = WEB_ID;
    rig->token = TOKEN;
    rig->token_uses = 1;
    rig->life_s = 3600;
    rig->sequence = 7;
    rig->domain = "example.org";
    control_rig_write(rig->token_file, bytes_of(TOKEN "\n"));
    control_rig_write(rig->bundle_file, test_ca_pem(rig->root));
    control_rig_come_back(rig);
}

void control_rig_close(struct control_rig *rig)
{
    bool closed = false;

    if (rig->agent != NULL) {
        agent_close(TAKE(rig->agent), rig_closed, &closed);
        rig_run(rig, &closed);
    }
    control_rig_go_away(rig);
    worker_stop(&rig->home);
    worker_run_main(&rig->home);
    worker_clear(&rig->home);
    current_clear(&rig->current);
    key_drop(&rig->foreign_key);
    test_ca_drop(&rig->told_root);
    bundle_drop(&rig->bundle);
    test_ca_drop(&rig->intermediate);
    test_ca_drop(&rig->root);
    (void)unlink(rig->token_file);
    (void)unlink(rig->bundle_file);
    cr_assert_eq(rmdir(rig->folder), 0, "something else was written there");
    clock_replace(NULL);
}

static void rig_news(void *user, enum agent_news news, const struct agent_view *view)
{
    struct control_rig *rig = user;

    rig->last = *view;
    rig->issued += news == AGENT_NEWS_ISSUED;
    rig->swapped += news == AGENT_NEWS_SWAPPED;
    rig->failed += news == AGENT_NEWS_FAILED;
    rig->worried += news == AGENT_NEWS_WORRY;
    rig->expired += news == AGENT_NEWS_EXPIRED;
    rig->stepped += news == AGENT_NEWS_CLOCK;
}

struct agent_options control_rig_agent_options(struct control_rig *rig)
{
    return (struct agent_options){
        .control_address = rig->address,
        .trust_domain = "example.org",
        .token_file = rig->token_file,
        .bundle_file = rig->bundle_file,
        .call_limit_ms = 3000,
        .news = rig_news,
        .user = rig,
    };
}

void control_rig_start(struct control_rig *rig, const struct agent_options *options)
{
    struct agent_options ordinary = control_rig_agent_options(rig);
    struct failure why = {0};

    cr_assert_eq(agent_start(&rig->home, &rig->current, options == NULL ? &ordinary : options,
                             &rig->agent, &why),
                 STATUS_OK, "%s", why.detail);
}

static bool rig_attempt_is_over(const struct control_rig *rig, unsigned before)
{
    struct agent_view view;

    agent_look(rig->agent, &view);
    return rig->issued + rig->failed != before && strcmp(view.state, "waiting") == 0;
}

void control_rig_attempt(struct control_rig *rig)
{
    uv_timer_t timer;
    unsigned before = rig->issued + rig->failed;
    uint64_t until = uv_hrtime() / 1000000 + 20000;

    (void)uv_timer_init(&rig->home.loop, &timer);
    (void)uv_timer_start(&timer, rig_wake, 5, 5);
    while (!rig_attempt_is_over(rig, before)) { /* at once: the next one may follow within ms */
        cr_assert(uv_hrtime() / 1000000 < until, "no attempt for twenty seconds");
        agent_reconsider(rig->agent);
        (void)uv_run(&rig->home.loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&rig->home.loop, UV_RUN_NOWAIT);
}

unsigned control_rig_files(const struct control_rig *rig)
{
    DIR *folder = opendir(rig->folder);
    unsigned count = 0;

    cr_assert_not_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(folder);
    return count;
}

/* Descriptors of this process that are open for writing on an ordinary file. */
unsigned control_rig_writable(void)
{
    unsigned count = 0;

    for (int fd = 3; fd < 256; fd++) {
        char path[64];
        char flags_line[128] = "";
        unsigned flags = 0;
        struct stat status;

        if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
            continue;
        }
        (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
        FILE *info = fopen(path, "r");
        while (info != NULL && fgets(flags_line, sizeof flags_line, info) != NULL) {
            if (sscanf(flags_line, "flags: %o", &flags) == 1) {
                count += (flags & 3) != 0;
            }
        }
        if (info != NULL) {
            (void)fclose(info);
        }
    }
    return count;
}

unsigned control_rig_threads(void)
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
