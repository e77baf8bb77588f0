/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/demo_mesh.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/signet/demo_process.h"
#include "cmd/signet/doors.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"

#define DEMO_MESH_READY_MS 20000u
#define DEMO_MESH_LOG_MAX ((size_t)64 << 20)

/* What every application says in every request and answer: found on a link, it was readable there. */
#define DEMO_MESH_WORD "sgd-canary-%016llx"

static const char demo_mesh_text[] =
    "# Made by `signet demo`. See deploy/dev/samples/mesh.yaml for what can stand here.\n"
    "trustDomain: cluster.local\n"
    "defaultMtls: strict # nobody is served in plaintext; permissive would take it, and judge it\n"
    "workloads:\n"
    "  - {name: web, namespace: shop, serviceAccount: web, addresses: [%s]}\n"
    "  - name: api\n"
    "    namespace: shop\n"
    "    serviceAccount: api\n"
    "    labels: {app: api}\n"
    "    addresses: [%s]\n"
    "    ports: [{port: %d, protocol: http}]\n"
    "  - {name: rogue, namespace: shop, serviceAccount: rogue, addresses: [%s]}\n"
    "---\n"
    "# web may call api's port, nobody else may.\n"
    "apiVersion: security.istio.io/v1\n"
    "kind: AuthorizationPolicy\n"
    "metadata: {name: api-allow, namespace: shop}\n"
    "spec:\n"
    "  selector: {matchLabels: {app: api}}\n"
    "  action: ALLOW\n"
    "  rules:\n"
    "    - from: [{source: {principals: [\"cluster.local/ns/shop/sa/web\"]}}]\n"
    "      to: [{operation: {ports: [\"%d\"]}}]\n";

/* One process and no master: nothing is left over when it is killed. */
static const char demo_mesh_app_text[] =
    "daemon off;\n"
    "master_process off;\n"
    "pid " DEMO_STATE "/app/pid;\n"
    "error_log " DEMO_MESH_LOGS "/app.log warn;\n"
    "events { worker_connections 1024; }\n"
    "http {\n"
    "    client_body_temp_path " DEMO_STATE "/app/body;\n"
    "    proxy_temp_path " DEMO_STATE "/app/proxy;\n"
    "    fastcgi_temp_path " DEMO_STATE "/app/fastcgi;\n"
    "    uwsgi_temp_path " DEMO_STATE "/app/uwsgi;\n"
    "    scgi_temp_path " DEMO_STATE "/app/scgi;\n"
    "    keepalive_requests 1000000000;\n"
    "    server {\n"
    "        listen 0.0.0.0:%d;\n"
    "        access_log " DEMO_MESH_LOGS "/app-access.log;\n"
    "        location / { return 200 \"hello from api, %s\\n\"; }\n"
    "        location = /load { access_log off; return 200 \"%s\\n\"; }\n"
    "    }\n"
    "    server {\n"
    "        listen unix:" DEMO_STATE "/app/status.sock;\n"
    "        access_log off;\n"
    "        location / { stub_status; }\n"
    "    }\n"
    "}\n";

static bool demo_mesh_is_program(const char *path)
{
    struct stat there;

    return stat(path, &there) == 0 && S_ISREG(there.st_mode) && access(path, X_OK) == 0;
}

/* Installed programs stand side by side; Bazel gives each a folder of its own name. */
static enum status demo_mesh_find_one(const char *folder, const char *name, char out_path[4096],
                                      struct failure *why)
{
    char path[4096 + 64];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!demo_mesh_is_program(path)) {
        (void)snprintf(path, sizeof path, "%s/../%s/%s", folder, name, name);
    }
    if (!demo_mesh_is_program(path) || strlen(path) >= 4096) {
        return fail(why, STATUS_NOT_FOUND, "demo/program",
                    "%s is missing: it was looked for in %s and beside that folder", name, folder);
    }
    memcpy(out_path, path, strlen(path) + 1);
    return STATUS_OK;
}

enum status demo_mesh_find(struct demo_programs *out_programs, struct failure *why)
{
    struct demo_programs found = {0};
    char folder[4096];
    ssize_t len = readlink("/proc/self/exe", found.tool, sizeof found.tool - 1);

    if (len <= 0 || (size_t)len >= sizeof found.tool - 1) {
        return fail_os(why, errno, "demo/program", "cannot tell where this program is");
    }
    memcpy(folder, found.tool, (size_t)len + 1);
    *strrchr(folder, '/') = '\0';
    TRY(demo_mesh_find_one(folder, "signet-proxy", found.proxy, why));
    TRY(demo_mesh_find_one(folder, "signet-control", found.control, why));
    TRY(demo_mesh_find_one(folder, "signet-init", found.init, why));
    *out_programs = found;
    return STATUS_OK;
}

static const char *demo_mesh_folder(const struct demo_mesh *mesh, enum demo_net_place place,
                                    char path[64])
{
    (void)snprintf(path, 64, DOORS_FOLDER "/%s%s", mesh->prefix, mesh->net.places[place].name);
    return path;
}

/* The sockets' folders: `web`, or `demo-web` when somebody has a sidecar of that name here. */
static enum status demo_mesh_make_run_folders(struct demo_mesh *mesh, struct failure *why)
{
    static const char *const prefixes[] = {"", "demo-"};
    char path[64];

    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        bool all_free = true;

        mesh->prefix = prefixes[i];
        for (int place = 0; place < DEMO_NET_PLACES; place++) {
            all_free = all_free &&
                       demo_state_is_free(DEMO_STATE_FOLDER, demo_mesh_folder(mesh, place, path));
        }
        if (all_free) {
            break;
        }
    }
    if (demo_state_is_free(DEMO_STATE_PARENT, DOORS_FOLDER)) {
        TRY(demo_state_note(DEMO_STATE_PARENT, DOORS_FOLDER, why));
        if (mkdir(DOORS_FOLDER, 0755) != 0 || chmod(DOORS_FOLDER, 0755) != 0) {
            return fail_os(why, errno, "demo/state", "cannot make " DOORS_FOLDER);
        }
    }
    for (int place = 0; place < DEMO_NET_PLACES; place++) {
        TRY(demo_state_folder(demo_mesh_folder(mesh, place, path),
                              place == DEMO_NET_CONTROL ? 0 : DEMO_MESH_SIDECAR_USER, why));
    }
    return STATUS_OK;
}

static enum status demo_mesh_make_folder(const char *path, unsigned owner, struct failure *why)
{
    if (mkdir(path, 0755) != 0 || chmod(path, 0755) != 0 || chown(path, owner, owner) != 0) {
        return fail_os(why, errno, "demo/state", "cannot make %s", path);
    }
    return STATUS_OK;
}

static enum status demo_mesh_write_texts(const struct demo_mesh *mesh, struct failure *why)
{
    const struct demo_place *places = mesh->net.places;
    char *text =
        memory_format(demo_mesh_text, places[DEMO_NET_WEB].address, places[DEMO_NET_API].address,
                      DEMO_MESH_PORT, places[DEMO_NET_ROGUE].address, DEMO_MESH_PORT);
    enum status status = demo_state_write("mesh.yaml", text, 0644, 0, why);

    free(text);
    TRY(status);
    text = memory_format(demo_mesh_app_text, DEMO_MESH_PORT, mesh->word, mesh->word);
    status = demo_state_write("app/nginx.conf", text, 0644, 0, why);
    free(text);
    TRY(status);
    TRY(demo_state_write("logs/app.log", "", 0644, DEMO_MESH_NOBODY, why));
    return demo_state_write("logs/app-access.log", "", 0644, DEMO_MESH_NOBODY, why);
}

enum status demo_mesh_files(struct demo_mesh *mesh, struct failure *why)
{
    uint64_t drawn[3];
    char secret[64];
    enum status status;

    if (getrandom(drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn) {
        return fail_os(why, errno, "demo/state", "no random numbers");
    }
    (void)snprintf(mesh->word, sizeof mesh->word, DEMO_MESH_WORD, (unsigned long long)drawn[0]);
    (void)snprintf(secret, sizeof secret, "%016llx%016llx\n", (unsigned long long)drawn[1],
                   (unsigned long long)drawn[2]);
    TRY(demo_mesh_make_run_folders(mesh, why));
    TRY(demo_mesh_make_folder(DEMO_STATE "/app", DEMO_MESH_NOBODY, why));
    TRY(demo_mesh_make_folder(DEMO_MESH_LOGS, 0, why));
    TRY(demo_mesh_write_texts(mesh, why));
    status = demo_state_write("passphrase", secret, 0600, 0, why);
    memory_wipe(secret, sizeof secret);
    return status;
}

enum status demo_mesh_ask(const struct demo_mesh *mesh, enum demo_net_place place, const char *page,
                          struct buffer *out_body, struct failure *why)
{
    char folder[64], address[128];
    const struct door door = {.name = (char *)(uintptr_t)mesh->net.places[place].name,
                              .address = address,
                              .control = place == DEMO_NET_CONTROL};

    (void)snprintf(address, sizeof address, "unix:%s/admin.sock",
                   demo_mesh_folder(mesh, place, folder));
    return door_get(&door, page, out_body, why);
}

/* The last line of a place's log, for the words of a failure. */
static enum status demo_mesh_not_ready(const char *name, struct failure *why)
{
    CLEARED(buffer) log = {.max = DEMO_MESH_LOG_MAX};
    char path[128];
    struct bytes rest, last;

    (void)snprintf(path, sizeof path, DEMO_MESH_LOGS "/%s.log", name);
    if (buffer_read_file(&log, path, NULL) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "demo/not-ready", "%s does not become ready", name);
    }
    rest = bytes_trim(buffer_bytes(&log));
    for (last = rest; rest.len > 0;) {
        last = bytes_split(&rest, '\n');
    }
    return fail(why, STATUS_LIMIT, "demo/not-ready", "%s does not become ready; its log: %.*s",
                name, (int)(last.len < 180 ? last.len : 180),
                last.len == 0 ? "" : (const char *)last.at);
}

static bool demo_mesh_is_ready(const struct demo_mesh *mesh, enum demo_net_place place)
{
    CLEARED(buffer) body = {0};
    struct demo_leaf leaf;

    if (place == DEMO_NET_CONTROL) {
        return demo_mesh_ask(mesh, place, "/status", &body, NULL) == STATUS_OK;
    }
    return demo_mesh_leaf(mesh, place, &leaf, NULL) == STATUS_OK &&
           demo_mesh_ask(mesh, place, "/status", &body, NULL) == STATUS_OK &&
           memmem(body.at, body.len, "\"ready\":true", 12) != NULL;
}

static enum status demo_mesh_await(struct demo_mesh *mesh, enum demo_net_place place, pid_t *child,
                                   struct failure *why)
{
    uint64_t until = clock_mono_ms() + DEMO_MESH_READY_MS;

    while (!demo_mesh_is_ready(mesh, place)) {
        if (!demo_process_wait(50)) {
            return fail(why, STATUS_CLOSED, "demo/interrupted", "interrupted");
        }
        if (!demo_process_lives(child) || clock_mono_ms() > until) {
            return demo_mesh_not_ready(mesh->net.places[place].name, why);
        }
    }
    return STATUS_OK;
}

enum status demo_mesh_start_control(struct demo_mesh *mesh, struct failure *why)
{
    const struct demo_place *place = &mesh->net.places[DEMO_NET_CONTROL];
    char folder[64], listen[32], metrics[32], admin[96], life[16];
    const struct demo_program program = {
        .path = mesh->programs.control,
        .arguments = DEMO_ARGUMENTS("signet-control", "--data-dir", DEMO_STATE "/control",
                                    "--ca-passphrase-file", DEMO_STATE "/passphrase",
                                    "--bundle-out", DEMO_STATE "/bundle.pem", "--listen-address",
                                    listen, "--admin-address", admin, "--metrics-address", metrics,
                                    "--demo-lifetimes", "--leaf-life-s", life),
        .room = DEMO_ROOM_NAMED,
        .netns = place->netns,
        .log = DEMO_MESH_LOGS "/control.log",
    };

    (void)snprintf(listen, sizeof listen, "%s:15012", place->address);
    (void)snprintf(metrics, sizeof metrics, "%s:15014", place->address);
    (void)snprintf(life, sizeof life, "%d", DEMO_MESH_LIFE_S);
    (void)snprintf(admin, sizeof admin, "unix:%s/admin.sock",
                   demo_mesh_folder(mesh, DEMO_NET_CONTROL, folder));
    TRY(demo_process_start(&program, &mesh->control, why));
    return demo_mesh_await(mesh, DEMO_NET_CONTROL, &mesh->control, why);
}

static enum status demo_mesh_admit_one(const struct demo_mesh *mesh, enum demo_net_place place,
                                       struct failure *why)
{
    const char *name = mesh->net.places[place].name;
    char folder[64], admin[96], id[128], file[128];
    struct demo_program program = {.path = mesh->programs.tool};
    CLEARED(buffer) said = {0};
    CLEARED(buffer) said_too = {0};

    (void)snprintf(admin, sizeof admin, "unix:%s/admin.sock",
                   demo_mesh_folder(mesh, DEMO_NET_CONTROL, folder));
    (void)snprintf(id, sizeof id, "spiffe://cluster.local/ns/shop/sa/%s", name);
    (void)snprintf(file, sizeof file, DEMO_STATE "/%s.token", name);
    program.arguments =
        DEMO_ARGUMENTS("signet", "entry", "add", name, "--id", id, "--admin", admin);
    TRY(demo_process_run(&program, 10000, &said, why));
    program.arguments = DEMO_ARGUMENTS("signet", "token", "create", "--entry", name, "--out", file,
                                       "--owner", "1337", "--admin", admin);
    return demo_process_run(&program, 10000, &said_too, why);
}

enum status demo_mesh_admit(struct demo_mesh *mesh, struct failure *why)
{
    for (int place = DEMO_NET_WEB; place < DEMO_NET_PLACES; place++) {
        TRY(demo_mesh_admit_one(mesh, place, why));
    }
    return STATUS_OK;
}

enum status demo_mesh_redirect(struct demo_mesh *mesh, struct failure *why)
{
    for (int place = DEMO_NET_WEB; place < DEMO_NET_PLACES; place++) {
        const struct demo_program program = {
            .path = mesh->programs.init,
            .arguments = DEMO_ARGUMENTS("signet-init", "set"),
            .room = DEMO_ROOM_NAMED,
            .netns = mesh->net.places[place].netns,
        };
        CLEARED(buffer) said = {0};

        TRY(demo_process_run(&program, 10000, &said, why));
    }
    return STATUS_OK;
}

static enum status demo_mesh_start_sidecar(struct demo_mesh *mesh, enum demo_net_place place,
                                           struct failure *why)
{
    const struct demo_place *here = &mesh->net.places[place];
    char control[32], token[128], log[128], workload[64], name[64];
    const struct demo_program program = {
        .path = mesh->programs.proxy,
        .arguments = DEMO_ARGUMENTS("signet-proxy", "--name", name, "--workload", workload,
                                    "--mesh", DEMO_STATE "/mesh.yaml", "--control-address", control,
                                    "--token-file", token, "--bootstrap-bundle",
                                    DEMO_STATE "/bundle.pem", "--drain-limit-ms", "1s"),
        .room = DEMO_ROOM_NAMED,
        .netns = here->netns,
        .user = DEMO_MESH_SIDECAR_USER,
        .log = log,
    };

    (void)snprintf(control, sizeof control, "%s:15012", mesh->net.places[DEMO_NET_CONTROL].address);
    (void)snprintf(token, sizeof token, DEMO_STATE "/%s.token", here->name);
    (void)snprintf(log, sizeof log, DEMO_MESH_LOGS "/%s.log", here->name);
    (void)snprintf(workload, sizeof workload, "shop/%s", here->name);
    (void)snprintf(name, sizeof name, "%s%s", mesh->prefix, here->name);
    return demo_process_start(&program, &mesh->sidecars[place], why);
}

static enum status demo_mesh_start_app(struct demo_mesh *mesh, struct failure *why)
{
    const struct demo_program program = {
        .path = "nginx",
        .arguments = DEMO_ARGUMENTS("nginx", "-p", DEMO_STATE "/app", "-c",
                                    DEMO_STATE "/app/nginx.conf", "-e", DEMO_MESH_LOGS "/app.log"),
        .room = DEMO_ROOM_NAMED,
        .netns = mesh->net.places[DEMO_NET_API].netns,
        .user = DEMO_MESH_NOBODY,
        .log = DEMO_MESH_LOGS "/app.log",
    };
    uint64_t until = clock_mono_ms() + DEMO_MESH_READY_MS;
    struct demo_app_counts counts;

    TRY(demo_process_start(&program, &mesh->app, why));
    while (demo_mesh_app_counts(&counts, NULL) != STATUS_OK) {
        if (!demo_process_wait(20)) {
            return fail(why, STATUS_CLOSED, "demo/interrupted", "interrupted");
        }
        if (!demo_process_lives(&mesh->app) || clock_mono_ms() > until) {
            return demo_mesh_not_ready("app", why);
        }
    }
    return STATUS_OK;
}

enum status demo_mesh_start_workloads(struct demo_mesh *mesh, struct failure *why)
{
    TRY(demo_mesh_start_app(mesh, why));
    for (int place = DEMO_NET_WEB; place < DEMO_NET_PLACES; place++) {
        TRY(demo_mesh_start_sidecar(mesh, place, why));
    }
    for (int place = DEMO_NET_WEB; place < DEMO_NET_PLACES; place++) {
        TRY(demo_mesh_await(mesh, place, &mesh->sidecars[place], why));
    }
    return STATUS_OK;
}

void demo_mesh_stop(struct demo_mesh *mesh)
{
    for (int place = DEMO_NET_WEB; place < DEMO_NET_PLACES; place++) {
        if (mesh->sidecars[place] > 0) {
            (void)kill(mesh->sidecars[place], SIGTERM); /* all at once, then wait */
        }
    }
    demo_process_end(&mesh->app, SIGTERM, 2000);
    for (int place = DEMO_NET_WEB; place < DEMO_NET_PLACES; place++) {
        demo_process_end(&mesh->sidecars[place], SIGTERM, 2000);
    }
    demo_process_end(&mesh->control, SIGTERM, 2000);
}

const char *demo_mesh_dead(struct demo_mesh *mesh)
{
    if (!demo_process_lives(&mesh->control)) {
        return "signet-control";
    }
    if (!demo_process_lives(&mesh->app)) {
        return "nginx";
    }
    for (int place = DEMO_NET_WEB; place < DEMO_NET_PLACES; place++) {
        if (!demo_process_lives(&mesh->sidecars[place])) {
            return mesh->net.places[place].name;
        }
    }
    return NULL;
}
