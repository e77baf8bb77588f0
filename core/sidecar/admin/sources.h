/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the admin pages read. The program that assembles the sidecar fills it; the pages ask at each
 * request, so a source that comes into being later is simply put in then.
 *
 * Everything is borrowed and must outlive the web server that serves the pages. A NULL pointer or
 * callback means "there is no such thing here"; the page then says null or leaves it out. The main
 * loop's thread only.
 */
#ifndef SIGNET_CORE_SIDECAR_ADMIN_SOURCES_H
#define SIGNET_CORE_SIDECAR_ADMIN_SOURCES_H

#include "core/runtime/json/writer.h"
#include "core/runtime/web/health.h"
#include "core/runtime/yaml/warnings.h"
#include "core/sidecar/discovery/snapshot.h"
#include "core/sidecar/rotation/agent.h"
#include "core/sidecar/rotation/current.h"

/* A name and its version, of a library linked in. */
struct admin_library {
    const char *name;
    const char *version;
};

/* A listener of explicit mode: bytes from `listen` go to `forward`. */
struct admin_listener {
    const char *listen;    /* "127.0.0.1:8080" */
    const char *forward;   /* "10.0.0.2:8443" */
    const char *direction; /* "inbound" or "outbound" */
    enum mtls_mode mode;   /* what it asks of callers; of an outbound one MTLS_STRICT */
    const char *peer;      /* the SPIFFE ID that must be at the other end; NULL: any of the mesh */
};

struct admin_sources {
    void *user; /* handed to every callback below */

    /* Who and what this process is. */
    const char *name;     /* of /run/signet/NAME; NULL: none given */
    const char *workload; /* "namespace/name" in the mesh; NULL: none given */
    const char *version;  /* of this build */
    const struct admin_library *libraries;
    size_t num_libraries;
    int64_t started_at;                     /* Unix s */
    uint64_t started_mono_ms;               /* the same moment on clock_mono_ms() */
    const char *(*drain_state)(void *user); /* a literal: "running", "draining", "stopped" */

    /* Its parts. */
    const struct health *health;
    const struct current *current;                               /* the identity set in force */
    bool (*agent_view)(void *user, struct agent_view *out_view); /* false: there is no agent */
    const struct failure *(*files_refusal)(
        void *user); /* identity from files: why the newest are not in force */
    struct snapshot *(*snapshot)(
        void *user); /* the mesh in force, borrowed; NULL before the first */
    const struct failure *(*mesh_failure)(
        void *user);                      /* why the newest mesh is not in force, or NULL */
    const struct warnings *mesh_warnings; /* of the mesh in force */

    /*
     * The proxy's live connections, which workers own: their number, and one object for each appended
     * to the writer's open array: id, direction, peer (who opened it) and destination, transport,
     * local_identity and peer_identity, state, state_ms, age_ms, received_bytes and sent_bytes (from and to
     * the network), reason and rule: at most `most` of them, from `from` on, and false when those were the
     * last, else *out_next says where to go on. proxy_num_live and proxy_describe do it.
     */
    unsigned (*num_connections)(void *user);
    bool (*connections)(void *user, uint64_t from, size_t most, struct json_writer *json,
                        uint64_t *out_next);

    /* Explicit mode's listeners; none in transparent mode. */
    const struct admin_listener *listeners;
    size_t num_listeners;

    /*
     * Settings in force: appends `name: value` lines (setting_print_values), and where one came from:
     * "default", "file", "environment" or "flag", or NULL when that is not known.
     */
    enum status (*settings)(void *user, struct buffer *out);
    const char *(*setting_origin)(void *user, struct bytes name);
};

#endif
