/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane as the main loop sees it: workers with a lane each, listeners, what is published to
 * them, and their end. Main thread only.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_PROXY_H
#define SIGNET_CORE_SIDECAR_PROXY_PROXY_H

#include "core/sidecar/proxy/lane.h"

struct json_writer;
struct proxy;

struct proxy_options {
    unsigned num_workers;    /* 1 to 64 */
    bool transparent;        /* listen on the two captured ports */
    struct address outbound; /* where captured outbound connections arrive: ":15001" */
    struct address inbound;  /* where captured inbound connections arrive: ":15006" */
    struct forward *forwards; /* explicit listeners; borrowed, outlive the proxy */
    size_t num_forwards;
    struct posture posture;
    struct lane_options lane;
};

/*
 * proxy_start binds every listener for every worker and starts the workers. Nothing is let through
 * until identity and mesh are published. `options` is copied, what it points to is borrowed.
 * STATUS_IO "listener/bind"; then nothing runs.
 */
enum status proxy_start(struct worker *home, const struct proxy_options *options,
                        struct proxy **out_proxy, struct failure *why) MUST_USE;

/*
 * proxy_take_identity builds the TLS contexts of `set` and publishes them; new handshakes use them,
 * connections that exist notice nothing. STATUS_IO "tls/context": what was in force stays.
 */
enum status proxy_take_identity(struct proxy *proxy, struct identity_set *set,
                                struct failure *why) MUST_USE;

/* proxy_take_snapshot publishes a mesh. */
void proxy_take_snapshot(struct proxy *proxy, struct snapshot *snapshot);

/* proxy_num_live is how many connections there are now, in any state. */
unsigned proxy_num_live(const struct proxy *proxy);

/* proxy_num_workers is how many workers there are. */
unsigned proxy_num_workers(const struct proxy *proxy);

/*
 * proxy_describe appends an object for each of at most `most` live connections to the writer's open
 * array, beginning where `from` says: 0, or what an earlier call gave as *out_next. False when it came
 * to the end of them. A connection that lives through all calls of a series is in it once. It waits for
 * each worker to come to its mailbox, which copies, and makes the text itself.
 */
bool proxy_describe(struct proxy *proxy, uint64_t from, size_t most, struct json_writer *json,
                    uint64_t *out_next);

/*
 * proxy_end_idle ends, in order, connections that relayed no byte for `idle_ms`: a wish to the workers.
 * proxy_num_idle_ended counts them.
 */
void proxy_end_idle(struct proxy *proxy, uint64_t idle_ms);
unsigned proxy_num_idle_ended(const struct proxy *proxy);

/* proxy_stop cuts what is left, waits for the workers' threads, and frees all; sets *proxy to NULL. */
void proxy_stop(struct proxy **proxy);

#endif
