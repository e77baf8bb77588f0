/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the admin pages say, read into structs: JSON in, checked values out.
 *
 * The tool may be newer or older than the program that it asks: unknown members are passed over, a
 * missing or malformed one that a table needs is a refusal that names the member. Pure.
 *
 * Elsewhere: the sidecar's pages (core/sidecar/admin/pages.h says what is in them), the control
 * plane's (core/control/serve/operators.h).
 */
#ifndef SIGNET_CMD_SIGNET_REPLIES_H
#define SIGNET_CMD_SIGNET_REPLIES_H

#include "core/runtime/base/bytes.h"
#include "core/runtime/base/status.h"
#include "core/runtime/json/json.h"

#define REPLY_TEXT_MAX 4096 /* bytes of one text within a reply */

/* GET /status of a sidecar. Slices borrow from the document; a text that is not known is empty. */
struct reply_status {
    struct json_value *document; /* owned */
    struct bytes name, workload, identity, policy, drain, agent_state;
    struct bytes error_reason, error_detail; /* why the agent's last attempt failed; empty: it did not */
    const struct json_value *conditions;     /* array for reply_condition_parse */
    const struct json_value *ports;          /* array of {port, mode}; NULL: none */
    const struct json_value *warnings;       /* array of texts, of the mesh; NULL: none */
    struct bytes mesh_reason, mesh_detail;   /* why the newest mesh is not in force; empty: it is */
    int64_t next_renewal, not_after;         /* Unix s; 0: not known */
    int64_t outage_budget_s;                 /* -1: not known */
    int64_t connections;                     /* living ones */
    int64_t rss_bytes, started_at;           /* bytes; Unix s */
    bool ready;
};

/* One certificate, or one root, of GET /certs. */
struct reply_certificate {
    struct bytes uri, subject, serial, issuer_key_id, sha256, trust_domain;
    int64_t not_before, not_after; /* Unix s */
};

/* GET /certs of a sidecar. */
struct reply_certs {
    struct json_value *document; /* owned */
    struct bytes identity, source;
    struct bytes error_reason, error_detail; /* of the last failed renewal; empty: none */
    const struct json_value *chain;          /* array for reply_certificate_parse, leaf first */
    const struct json_value *roots;          /* likewise */
    int64_t next_renewal;                    /* Unix s; 0: not known */
    int64_t outage_budget_s;                 /* -1: not known */
};

/* One connection of GET /connections. */
struct reply_connection {
    struct bytes direction, transport, peer, destination, local_identity, peer_identity, state;
    struct bytes reason, rule; /* why it was let in; empty before the verdict */
    int64_t id, state_ms, age_ms;
    int64_t received_bytes, sent_bytes; /* from and to the network */
};

/* One condition of `conditions`. */
struct reply_condition {
    struct bytes name, value, text; /* value: "yes", "no" or "unproved" */
};

/*
 * The readers. On STATUS_OK the struct holds its document until reply_…_clear. Errors are those of
 * json_read and of the getters of core/runtime/json/json.h; the detail names the page.
 */
enum status reply_status_parse(struct bytes body, struct reply_status *out_status,
                               struct failure *why) MUST_USE;
enum status reply_certs_parse(struct bytes body, struct reply_certs *out_certs,
                              struct failure *why) MUST_USE;

/* reply_status_clear and reply_certs_clear free the document; a zeroed struct may be cleared. */
void reply_status_clear(struct reply_status *status);
void reply_certs_clear(struct reply_certs *certs);

/* Items of the arrays above; they borrow. `object` NULL is STATUS_PROTOCOL "json/type". */
enum status reply_certificate_parse(const struct json_value *object,
                                    struct reply_certificate *out_certificate,
                                    struct failure *why) MUST_USE;
enum status reply_condition_parse(const struct json_value *object,
                                  struct reply_condition *out_condition,
                                  struct failure *why) MUST_USE;
enum status reply_connection_parse(const struct json_value *object,
                                   struct reply_connection *out_connection,
                                   struct failure *why) MUST_USE;

/*
 * reply_mode says the modes of a status' ports in one cell: "strict", or where they differ
 * "8080 strict, 5432 permissive". An empty list is "-". The result is owned by the caller: free().
 */
char *reply_mode(const struct json_value *ports);

#endif
