/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators may ask of the control plane: one table of operations, served as HTTP/JSON on a unix
 * socket to root and to the user whom the control plane runs as, and to nobody else (I16).
 *
 *   GET    /status            counts, lives, ends, the setting of demo lifetimes; store_refusal: why the
 *                             store cannot be written, or null
 *   GET    /entries           {"entries":[{name, spiffe_id, description, max_life_s, max_instances,
 *                             instances, created_at, source}]}: source is "file" or "operator"
 *   POST   /entries           {name, spiffe_id, description?, max_life_s?, max_instances?}
 *   DELETE /entries/NAME
 *   GET    /tokens            {"tokens":[{id, entry, state, uses, uses_left, from, created_at,
 *                             expires_at, used_at}]}: used_at is the latest use, null before the first
 *   POST   /tokens            {entry, life_s? or until?, uses?, from?} → {id, entry, uses, expires_at,
 *                             token}: the only time that the token is shown; the tool writes it to a file
 *                             of mode 0600. from is an array of CIDRs
 *   DELETE /tokens/ID
 *   GET    /certs             the roots, our own chain, and each link that the authority keeps: file,
 *                             dates, state (valid, ahead, ended), whether it signs
 *   GET    /bundle            the root certificates in PEM
 *   GET    /config            the settings in force, as their file would say them
 *   GET    /loglevel          {"levels":"info,control=debug"};  POST /loglevel {levels}
 *
 * A refusal is {"reason":...,"detail":...}. Reasons: "admin/not-local", "admin/uid", "json/…", and those
 * of entry.h, token.h and log.h. Times are Unix seconds. The loop's thread only.
 */
#ifndef SIGNET_CORE_CONTROL_SERVE_OPERATORS_H
#define SIGNET_CORE_CONTROL_SERVE_OPERATORS_H

#include "core/control/serve/issue.h"
#include "core/control/serve/own_identity.h"
#include "core/runtime/telemetry/log.h"
#include "core/runtime/web/server.h"

#define OPERATORS_OPERATIONS 12
#define OPERATORS_TOKEN_LIFE_S 3600 /* of a token whose life is not given */

struct operators;
struct operators_operation; /* a row of the table in operators.c */

/* What one route of the server points at. */
struct operators_route {
    struct operators *operators;
    const struct operators_operation *operation;
};

/* What the pages speak of; all borrowed, and outliving the server that uses the routes. */
struct operators_view {
    struct issuer issuer;
    const struct own_identity *own;
    const char *version;
    struct bytes config_text; /* of /config */
    int64_t started_at;       /* Unix s */
    bool demo_lifetimes;
};

/* A value; it must not move while a server uses its routes. */
struct operators {
    struct log log;
    struct operators_view view;
    struct operators_route bindings[OPERATORS_OPERATIONS];
    struct web_route routes[OPERATORS_OPERATIONS]; /* for web_server_options */
};

/* operators_init makes the routes. There is nothing to clear. */
void operators_init(struct operators *operators, const struct operators_view *view);

/* operators_check_caller is the rule who may use them. STATUS_DENIED "admin/not-local", "admin/uid". */
enum status operators_check_caller(const struct web_request *request, struct failure *why) MUST_USE;

#endif
