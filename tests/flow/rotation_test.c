/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sidecar's agent against the real certificate service: join token, renewal, the control plane's
 * restart on the same store, expiry, a fresh token. Real gRPC and TLS; simulated time.
 *
 * What the agent refuses of a control plane that errs is in tests/unit/sidecar/rotation.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/control/serve/certificates.h"
#include "core/control/serve/own_identity.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/rpc/credentials.h"
#include "core/runtime/telemetry/metrics.h"
#include "core/sidecar/rotation/agent.h"
#include "tests/support/suite.h"
#include "tests/unit/control/serve/office.h"

SUITE(rotation, .timeout = 60);

#define WEB_ID "spiffe://cluster.local/ns/shop/sa/web"

enum { MESH_LEAF_S = 3600 };

static int64_t mesh_passed_ms; /* on the boot and the wall clock, beyond real time */

static uint64_t mesh_mono(void)
{
    return uv_hrtime() / 1000000;
}

static uint64_t mesh_boot(void)
{
    return uv_hrtime() / 1000000 + (uint64_t)mesh_passed_ms;
}

static int64_t mesh_unix(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + mesh_passed_ms;
}

static const struct clock_source mesh_clock = {mesh_mono, mesh_boot, mesh_unix};

/* A control plane and one sidecar's agent on one loop. */
struct mesh {
    struct worker home;
    struct office office;
    struct certificates certificates;
    struct rpc_queue *queue; /* NULL: the control plane is down */
    struct own_identity *own;
    struct rpc_server_credentials *credentials;
    struct rpc_server *server;
    char address[32];
    char token_file[112], bundle_file[112];
    struct current current;
    struct agent *agent;
    unsigned issued, failed;
    struct agent_view last;
};

static enum status mesh_swap(void *user, struct identity_set *set, struct failure *why)
{
    struct mesh *mesh = user;

    return rpc_server_credentials_set(mesh->credentials, set, why);
}

static void mesh_control_up(struct mesh *mesh)
{
    struct own_identity_plan plan = {
        .authority = mesh->office.authority,
        .registry = &mesh->office.place.registry,
        .changed = mesh_swap,
        .user = mesh,
    };
    struct rpc_server_options options = {.address = mesh->address,
                                         .num_methods = CERTIFICATES_METHODS};
    struct failure why = {0};

    certificates_init(&mesh->certificates, &mesh->office.issuer);
    mesh->queue = rpc_queue_start(&mesh->home);
    cr_assert_eq(own_identity_start(&mesh->home.loop, &plan, &mesh->own, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert_eq(rpc_server_credentials_make(own_identity_set(mesh->own), &mesh->credentials, &why),
                 STATUS_OK, "%s", why.detail);
    options.credentials = rpc_server_credentials_raw(mesh->credentials);
    options.judge = rpc_server_credentials_judge(mesh->credentials);
    options.methods = mesh->certificates.methods;
    cr_assert_eq(rpc_server_start(mesh->queue, &options, &mesh->server, &why), STATUS_OK, "%s",
                 why.detail);
    (void)snprintf(mesh->address, sizeof mesh->address, "127.0.0.1:%u",
                   rpc_server_port(mesh->server));
}

static void mesh_wake(uv_timer_t *timer)
{
    (void)timer;
}

/* Turns the loop until *flag, or for `ms`. */
static void mesh_turn(struct mesh *mesh, const bool *flag, unsigned ms)
{
    uv_timer_t timer;
    uint64_t until = mesh_mono() + ms;

    (void)uv_timer_init(&mesh->home.loop, &timer);
    (void)uv_timer_start(&timer, mesh_wake, 5, 5);
    while ((flag == NULL || !*flag) && mesh_mono() < until) {
        (void)uv_run(&mesh->home.loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&mesh->home.loop, UV_RUN_NOWAIT);
}

static void mesh_flag(void *user)
{
    *(bool *)user = true;
}

static void mesh_control_down(struct mesh *mesh)
{
    bool closed = false;

    own_identity_close(TAKE(mesh->own));
    rpc_server_close(TAKE(mesh->server), 0, mesh_flag, &closed);
    mesh_turn(mesh, &closed, 10000);
    rpc_server_credentials_drop(&mesh->credentials);
    closed = false;
    rpc_queue_close(TAKE(mesh->queue), mesh_flag, &closed);
    mesh_turn(mesh, &closed, 10000);
    cr_assert(closed);
    certificates_clear(&mesh->certificates);
}

static void mesh_write(const char *path, struct bytes content)
{
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    cr_assert_eq(fwrite(content.at, 1, content.len, file), content.len);
    cr_assert_eq(fclose(file), 0);
}

/* Whoever launched the sidecar puts a fresh join token into its file. */
static void mesh_new_token(struct mesh *mesh)
{
    CLEARED(secret) token = {0};

    office_token(&mesh->office, "web", clock_unix_s(), &token);
    mesh_write(mesh->token_file, secret_bytes(&token));
}

static void mesh_news(void *user, enum agent_news news, const struct agent_view *view)
{
    struct mesh *mesh = user;

    mesh->last = *view;
    mesh->issued += news == AGENT_NEWS_ISSUED;
    mesh->failed += news == AGENT_NEWS_FAILED;
}

static void mesh_open(struct mesh *mesh)
{
    CLEARED(buffer) roots = {0};
    struct failure why = {0};

    memset(mesh, 0, sizeof *mesh);
    mesh_passed_ms = 0;
    clock_replace(&mesh_clock);
    worker_init_main(&mesh->home);
    current_init(&mesh->current);
    office_make(&mesh->office, MESH_LEAF_S, clock_unix_s());
    place_add(&mesh->office.place, "web", 0);
    (void)snprintf(mesh->address, sizeof mesh->address, "127.0.0.1:0");
    (void)snprintf(mesh->token_file, sizeof mesh->token_file, "%s/token",
                   mesh->office.place.folder);
    (void)snprintf(mesh->bundle_file, sizeof mesh->bundle_file, "%s/roots.pem",
                   mesh->office.place.folder);
    buffer_init(&roots, BUNDLE_MAX);
    cr_assert_eq(
        bundle_pem(bundle_find(authority_bundle(mesh->office.authority), bytes_of("cluster.local")),
                   &roots),
        STATUS_OK);
    mesh_write(mesh->bundle_file, buffer_bytes(&roots));
    mesh_new_token(mesh);
    mesh_control_up(mesh);
    struct agent_options options = {
        .control_address = mesh->address,
        .trust_domain = "cluster.local",
        .token_file = mesh->token_file,
        .bundle_file = mesh->bundle_file,
        .news = mesh_news,
        .user = mesh,
    };
    cr_assert_eq(agent_start(&mesh->home, &mesh->current, &options, &mesh->agent, &why), STATUS_OK,
                 "%s", why.detail);
}

static void mesh_close(struct mesh *mesh)
{
    bool closed = false;

    agent_close(TAKE(mesh->agent), mesh_flag, &closed);
    mesh_turn(mesh, &closed, 10000);
    cr_assert(closed);
    if (mesh->queue != NULL) {
        mesh_control_down(mesh);
    }
    worker_stop(&mesh->home);
    worker_run_main(&mesh->home);
    worker_clear(&mesh->home);
    current_clear(&mesh->current);
    (void)unlink(mesh->token_file);
    (void)unlink(mesh->bundle_file);
    office_clear(&mesh->office);
    metrics_clear();
    clock_replace(NULL);
}

/* Lets `s` seconds pass, then waits for one more attempt's end. */
static void mesh_attempt_after(struct mesh *mesh, int64_t s)
{
    unsigned before = mesh->issued + mesh->failed;
    struct agent_view view;

    mesh_passed_ms += s * 1000;
    for (int turns = 0; turns < 4000; turns++) {
        agent_reconsider(mesh->agent);
        mesh_turn(mesh, NULL, 5);
        agent_look(mesh->agent, &view);
        if (mesh->issued + mesh->failed > before && strcmp(view.state, "waiting") == 0) {
            return;
        }
    }
    cr_assert_fail("no attempt ended");
}

Test(rotation, a_sidecar_joins_and_renews_and_a_restart_of_the_control_plane_is_not_noticed)
{
    struct mesh mesh;
    char first_serial[48];

    mesh_open(&mesh);
    mesh_attempt_after(&mesh, 0);
    cr_assert_eq(mesh.issued, 1, "%s: %s", mesh.last.last_error_reason,
                 mesh.last.last_error_detail);
    cr_assert_str_eq(svid_id(identity_set_svid(current_get(&mesh.current)))->text, WEB_ID);
    cr_assert_str_eq(mesh.last.method, "bootstrap");
    (void)snprintf(first_serial, sizeof first_serial, "%s", mesh.last.serial);
    mesh_control_down(&mesh);
    mesh_control_up(&mesh);
    mesh_attempt_after(&mesh,
                       1801); /* the server draws the moment: at the latest at half of life */
    cr_assert_eq(mesh.issued, 2, "%s: %s", mesh.last.last_error_reason,
                 mesh.last.last_error_detail);
    cr_assert_str_eq(mesh.last.method, "renew");
    cr_assert_str_neq(mesh.last.serial, first_serial);
    cr_assert_eq(mesh.failed, 0);
    mesh_close(&mesh);
}

Test(rotation, I13_an_expired_sidecar_joins_again_with_a_fresh_token_and_without_a_restart)
{
    struct mesh mesh;
    struct identity_set *old;

    mesh_open(&mesh);
    mesh_attempt_after(&mesh, 0);
    cr_assert_eq(mesh.issued, 1, "%s: %s", mesh.last.last_error_reason,
                 mesh.last.last_error_detail);
    old = current_get(&mesh.current);
    mesh_control_down(&mesh);
    mesh_attempt_after(&mesh, 1801);
    cr_assert_eq(mesh.failed, 1);
    mesh_attempt_after(&mesh, 3600); /* and a half of its life */
    cr_assert_eq(mesh.last.outage_budget_s, 0);
    cr_assert_eq(current_get(&mesh.current), old);
    mesh_control_up(&mesh);
    mesh_attempt_after(&mesh, 61); /* the file still holds the token that is used up */
    cr_assert_eq(mesh.issued, 1);
    cr_assert_str_eq(mesh.last.method, "bootstrap");
    cr_assert_str_eq(mesh.last.last_error_reason, "bootstrap/token-used");
    mesh_new_token(&mesh);
    mesh_attempt_after(&mesh, 61);
    cr_assert_eq(mesh.issued, 2, "%s: %s", mesh.last.last_error_reason,
                 mesh.last.last_error_detail);
    cr_assert_eq(mesh.last.failures, 0);
    mesh_close(&mesh);
}
