/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sidecar's admin pages: what it is doing now, as JSON, for the `signet` tool and for curl.
 *
 *   GET  /status       name, workload, identity, ready and why, mesh, who may call, ports, agent, drain,
 *                      versions, uptime, memory
 *   GET  /certs        the chain in force, the roots, next renewal, outage budget, last failure
 *   GET  /connections  the live connections: ends, identities, state and how long in it, bytes, rule;
 *                      ?most=N (256; up to 1024) a page, ?from=NEXT the one behind a page's "next"
 *   GET  /config       settings in force, each with its origin
 *   GET  /policy       who may call: modes of the ports, and the rules in the order of their judging;
 *                      ?peer=SPIFFE_ID&port=N judges that caller
 *   GET  /loglevel     levels in force; POST sets them: {"levels": "info,rotation=debug"}
 *
 * Moments are seconds of Unix time, spans say their unit in their name, what is not known is null.
 * No page ever holds a key or a token (I21): none of the sources can give one.
 *
 * Elsewhere: health and metrics have servers of their own (runtime/web). Main loop's thread only.
 */
#ifndef SIGNET_CORE_SIDECAR_ADMIN_PAGES_H
#define SIGNET_CORE_SIDECAR_ADMIN_PAGES_H

#include "core/runtime/web/server.h"
#include "core/sidecar/admin/sources.h"

#define PAGES_ROUTES 7

/* pages_routes fills the routes for web_server_start; `sources` is kept and outlives the server. */
void pages_routes(struct admin_sources *sources, struct web_route out_routes[PAGES_ROUTES]);

/*
 * The pages themselves, a web_route_fn each; `user` is the struct admin_sources. An answer that does
 * not fit WEB_ANSWER_MAX becomes an error with the reason "json/full".
 */
void pages_status(void *user, const struct web_request *request, struct web_answer *answer);
void pages_certs(void *user, const struct web_request *request, struct web_answer *answer);
void pages_config(void *user, const struct web_request *request, struct web_answer *answer);

/* pages_connections refuses a query it cannot read: "connections/from", "connections/most". */
void pages_connections(void *user, const struct web_request *request, struct web_answer *answer);

/* pages_policy refuses a query it cannot read: "policy/peer", "policy/port"; "policy/none" without a mesh. */
void pages_policy(void *user, const struct web_request *request, struct web_answer *answer);

/*
 * pages_loglevel answers with {"levels": "info,…"}; pages_set_loglevel takes the same, writes a
 * log line saying who changed it, and answers likewise. Refusals: "json/…", "log/level", "log/areas".
 */
void pages_loglevel(void *user, const struct web_request *request, struct web_answer *answer);
void pages_set_loglevel(void *user, const struct web_request *request, struct web_answer *answer);

#endif
