/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/demo_story.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/signet/demo_process.h"
#include "cmd/signet/doors.h"
#include "cmd/signet/replies.h"
#include "core/runtime/base/clock.h"

#define DEMO_STORY_TABLE_MS (60u * 1000)

void demo_story_say(const struct demo_story *story, const char *format, ...)
{
    va_list arguments;

    (void)printf("[%5.1f s] ", (double)(clock_mono_ms() - story->began_ms) / 1000);
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)putchar('\n');
    (void)fflush(stdout);
}

static const char *demo_story_address(const struct demo_story *story, enum demo_net_place place)
{
    return story->mesh.net.places[place].address;
}

/* Who may call, and by whose word plaintext is refused: in the words of api's own sidecar. */
static enum status demo_story_access(const struct demo_story *story, struct failure *why)
{
    CLEARED(buffer) body = {0};
    CLEARED(reply_status) status = {0};

    TRY(demo_mesh_ask(&story->mesh, DEMO_NET_API, "/status", &body, why));
    TRY(reply_status_parse(buffer_bytes(&body), &status, why));
    demo_story_say(story, "its sidecar says: %.*s", (int)status.policy.len,
                   status.policy.len > 0 ? (const char *)status.policy.at : "");
    return STATUS_OK;
}

enum status demo_story_set_up(struct demo_story *story, struct failure *why)
{
    struct demo_mesh *mesh = &story->mesh;

    TRY(demo_net_make(&mesh->net, why));
    (void)snprintf(story->report.subnet, sizeof story->report.subnet, "%s.0/24", mesh->net.prefix);
    demo_story_say(story, "network: bridge %s on %s, and four namespaces:", mesh->net.bridge,
                   story->report.subnet);
    for (int place = 0; place < DEMO_NET_PLACES; place++) {
        (void)printf("            %-12s %s\n", mesh->net.places[place].netns,
                     mesh->net.places[place].address);
    }
    TRY(demo_mesh_files(mesh, why));
    TRY(demo_mesh_start_control(mesh, why));
    demo_story_say(story,
                   "signet-control runs in %s: it made its root and intermediate, and issues "
                   "certificates of %d s",
                   mesh->net.places[DEMO_NET_CONTROL].netns, DEMO_MESH_LIFE_S);
    TRY(demo_mesh_admit(mesh, why));
    demo_story_say(story,
                   "entries and join tokens for web, api and rogue (signet entry add, signet "
                   "token create)");
    TRY(demo_mesh_redirect(mesh, why));
    TRY(demo_mesh_start_workloads(mesh, why));
    demo_story_say(
        story,
        "signet-init redirects their TCP; a signet-proxy runs in each as user %d, and has "
        "its certificate",
        DEMO_MESH_SIDECAR_USER);
    demo_story_say(story,
                   "the application: nginx in %s on port %d, plain HTTP. It knows nothing of TLS",
                   mesh->net.places[DEMO_NET_API].netns, DEMO_MESH_PORT);
    demo_story_say(story, "policy: web may call api, nobody else may");
    return demo_story_access(story, why);
}

void demo_story_where(const struct demo_story *story)
{
    const struct demo_mesh *mesh = &story->mesh;

    (void)printf("\nWhere to look while it runs:\n"
                 "  signet status; signet certs %sweb; signet conn\n"
                 "  ip netns exec %s curl http://%s:%d/      is answered\n"
                 "  ip netns exec %s curl http://%s:%d/    is refused\n",
                 mesh->prefix, mesh->net.places[DEMO_NET_WEB].netns,
                 demo_story_address(story, DEMO_NET_API), DEMO_MESH_PORT,
                 mesh->net.places[DEMO_NET_ROGUE].netns, demo_story_address(story, DEMO_NET_API),
                 DEMO_MESH_PORT);
    (void)printf("  tshark -i %s -d tcp.port==%d,tls    the wire\n",
                 mesh->net.places[DEMO_NET_API].netns, DEMO_MESH_PORT);
    (void)printf("  admin     ");
    for (int place = 0; place < DEMO_NET_PLACES; place++) {
        (void)printf(" " DOORS_FOLDER "/%s%s/admin.sock", mesh->prefix,
                     mesh->net.places[place].name);
    }
    (void)printf("\n  metrics    http://%s:15014/metrics (control)",
                 demo_story_address(story, DEMO_NET_CONTROL));
    for (int place = DEMO_NET_WEB; place < DEMO_NET_PLACES; place++) {
        (void)printf(" http://%s:15020/metrics (%s)", demo_story_address(story, place),
                     mesh->net.places[place].name);
    }
    (void)printf("\n  logs       " DEMO_MESH_LOGS "\n"
                 "  mesh       " DEMO_STATE "/mesh.yaml: change it, and the sidecars follow\n\n");
    (void)fflush(stdout);
}

static void demo_story_table(const struct demo_story *story)
{
    const struct demo_program program = {.path = story->mesh.programs.tool,
                                         .arguments = DEMO_ARGUMENTS("signet", "status")};
    CLEARED(buffer) said = {0};

    /* Code 1 says that something is not ready: the table is worth reading all the more. */
    (void)!demo_process_run(&program, 10000, &said, NULL);
    if (said.len > 0) {
        (void)printf("\n%.*s\n", (int)said.len, (const char *)said.at);
        (void)fflush(stdout);
    }
}

void demo_story_stay(struct demo_story *story)
{
    uint64_t next_table = clock_mono_ms();
    bool complained = false;

    demo_story_say(story, "the mesh stays up. Ctrl-C ends it and takes all of it away");
    while (demo_process_asked() == 0) {
        const char *dead = demo_mesh_dead(&story->mesh);

        if (dead != NULL && !complained) {
            complained = true;
            demo_story_say(story, "%s has ended: see its log in " DEMO_MESH_LOGS, dead);
        }
        if (clock_mono_ms() >= next_table) {
            next_table = clock_mono_ms() + DEMO_STORY_TABLE_MS;
            demo_story_table(story);
        }
        (void)demo_process_wait(1000);
    }
}
