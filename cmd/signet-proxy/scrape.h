/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics and health: two small servers, and where they listen. An address in the settings stands.
 * Without one they listen where the workload is reached and nowhere else: in transparent mode on the
 * workload's own addresses (those of the mesh that this machine has; as long as there is none, those
 * of the namespace's interfaces but loopback), in explicit mode on loopback. The mesh file and the
 * interfaces may change: scrape_follow() goes after them.
 *
 * The main loop's thread only.
 */
#ifndef SIGNET_CMD_SIGNET_PROXY_SCRAPE_H
#define SIGNET_CMD_SIGNET_PROXY_SCRAPE_H

#include "core/runtime/net/interface.h"
#include "core/runtime/telemetry/log.h"
#include "core/runtime/web/health.h"
#include "core/sidecar/discovery/snapshot.h"

#define SCRAPE_METRICS_PORT 15020
#define SCRAPE_HEALTH_PORT 15021
#define SCRAPE_ADDRESSES_MAX 32

struct scrape_options {
    const char *metrics_address; /* NULL: by default, see above; "off" */
    const char *health_address;  /* likewise */
    bool transparent;
    struct health *health; /* borrowed; outlives the servers */
};

struct scrape {
    struct web_server *servers[2]; /* metrics, health; NULL: off, or not started */
    struct web_route routes[3];
    bool follows[2]; /* no address was given */
    bool transparent;
    bool failing;    /* the last try to listen failed, and was logged */
    char *listening; /* owned; the addresses last logged */
    struct log log;
};

/*
 * scrape_start starts both; give them back with scrape_close(), also after a failure. Must not move
 * in between. Errors of web_server_start(): an address that is taken ends the start.
 */
enum status scrape_start(struct scrape *scrape, struct worker *worker,
                         const struct scrape_options *options, struct failure *why) MUST_USE;

/*
 * scrape_follow goes to the addresses that are right now. `self` is this workload in the mesh, or
 * NULL. Failures are logged, and the next call tries again.
 */
void scrape_follow(struct scrape *scrape, const struct snapshot_workload *self);

/* scrape_close ends both; again does nothing. */
void scrape_close(struct scrape *scrape);

/*
 * scrape_choose is the rule for transparent mode: which of a machine's addresses to listen on, `here`
 * being those of its interfaces. `out` has room for `num_here`. Pure.
 */
size_t scrape_choose(const struct snapshot_workload *self, const struct interface_address *here,
                     size_t num_here, struct ip *out);

#endif
