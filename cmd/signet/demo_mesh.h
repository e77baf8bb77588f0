/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo's mesh: a control plane, three sidecars, and an nginx that knows nothing of TLS; and what can
 * be asked of them while they run.
 *
 * Everything is done as a person would by hand: the same programs, the same flags, `signet entry add`
 * and `signet token create`. Files stand in DEMO_STATE (demo_state.h), sockets in /run/signet/NAME/.
 */
#ifndef SIGNET_CMD_SIGNET_DEMO_MESH_H
#define SIGNET_CMD_SIGNET_DEMO_MESH_H

#include <sys/types.h>

#include "cmd/signet/demo_net.h"
#include "cmd/signet/demo_state.h"
#include "core/runtime/base/buffer.h"

#define DEMO_MESH_PORT 8080         /* of the application */
#define DEMO_MESH_LIFE_S 12         /* of a certificate */
#define DEMO_MESH_NOBODY 65534      /* whom applications run as */
#define DEMO_MESH_SIDECAR_USER 1337 /* whom sidecars run as */
#define DEMO_MESH_LOGS DEMO_STATE "/logs"

/* The four programs of this build. */
struct demo_programs {
    char tool[4096]; /* this one */
    char proxy[4096];
    char control[4096];
    char init[4096];
};

struct demo_mesh {
    struct demo_programs programs;
    struct demo_net net;
    const char *prefix;              /* of the folders in /run/signet: "", or "demo-" */
    char word[48];                   /* what the application says in every request and answer */
    pid_t control;                   /* 0: does not run */
    pid_t sidecars[DEMO_NET_PLACES]; /* by place; 0 at DEMO_NET_CONTROL */
    pid_t app;
};

/* What the application counts itself (nginx's stub_status). */
struct demo_app_counts {
    uint64_t accepts;  /* connections taken since its start, this question's among them */
    uint64_t requests; /* likewise */
};

/* What a sidecar's certificate is. */
struct demo_leaf {
    char serial[64];      /* hex */
    int64_t not_after;    /* Unix s */
    int64_t next_renewal; /* Unix s; 0: not known */
};

/*
 * demo_mesh_find looks for the other three programs: beside this one, or where Bazel puts them.
 * STATUS_NOT_FOUND "demo/program" with the place that was looked at.
 */
enum status demo_mesh_find(struct demo_programs *out_programs, struct failure *why) MUST_USE;

/* demo_mesh_files writes mesh, passphrase and the application's settings, and makes the folders. */
enum status demo_mesh_files(struct demo_mesh *mesh, struct failure *why) MUST_USE;

/*
 * demo_mesh_start_control starts the control plane, for the first time or again, and waits until it
 * answers. STATUS_LIMIT "demo/not-ready" with the last line of its log.
 */
enum status demo_mesh_start_control(struct demo_mesh *mesh, struct failure *why) MUST_USE;

/* demo_mesh_admit makes an entry and a token for each workload, as its operator would. */
enum status demo_mesh_admit(struct demo_mesh *mesh, struct failure *why) MUST_USE;

/* demo_mesh_redirect sets the redirection in each workload's namespace, with signet-init. */
enum status demo_mesh_redirect(struct demo_mesh *mesh, struct failure *why) MUST_USE;

/*
 * demo_mesh_start_workloads starts the sidecars and the application, and waits until each is ready.
 * STATUS_LIMIT "demo/not-ready" with the last line of the log of whom it waited for.
 */
enum status demo_mesh_start_workloads(struct demo_mesh *mesh, struct failure *why) MUST_USE;

/* demo_mesh_stop ends whatever of it runs: TERM, two seconds, KILL. */
void demo_mesh_stop(struct demo_mesh *mesh);

/* demo_mesh_dead is the name of a process of the mesh that ended by itself; NULL: all live. */
const char *demo_mesh_dead(struct demo_mesh *mesh);

/* demo_mesh_ask gets an admin page of a place ("/status"). Errors: of web_client_call. */
enum status demo_mesh_ask(const struct demo_mesh *mesh, enum demo_net_place place, const char *page,
                          struct buffer *out_body, struct failure *why) MUST_USE;

/* demo_mesh_leaf asks a sidecar for its certificate. Errors: of demo_mesh_ask and reply_certs_parse. */
enum status demo_mesh_leaf(const struct demo_mesh *mesh, enum demo_net_place place,
                           struct demo_leaf *out_leaf, struct failure *why) MUST_USE;

/*
 * demo_mesh_count adds up a counter of a sidecar's metrics page: all lines that begin with `name` and
 * hold `label` ("direction=\"inbound\""; "" for all). Errors: of web_client_call.
 */
enum status demo_mesh_count(const struct demo_mesh *mesh, enum demo_net_place place,
                            const char *name, const char *label, uint64_t *out_sum,
                            struct failure *why) MUST_USE;

/* demo_mesh_app_counts asks the application. STATUS_PROTOCOL "demo/app" when the answer is not nginx's. */
enum status demo_mesh_app_counts(struct demo_app_counts *out_counts, struct failure *why) MUST_USE;

/* demo_mesh_sum is the part of demo_mesh_count that reads a metrics page. Pure. */
uint64_t demo_mesh_sum(struct bytes page, const char *name, const char *label);

#endif
