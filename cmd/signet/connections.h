/* SPDX-License-Identifier: Apache-2.0 */
/* What `signet conn` says about one sidecar's connections. Pure. */
#ifndef SIGNET_CMD_SIGNET_CONNECTIONS_H
#define SIGNET_CMD_SIGNET_CONNECTIONS_H

#include "cmd/signet/replies.h"
#include "cmd/signet/table.h"

#define CONNECTIONS_COLUMNS 13

/* connections_titles are the table's titles, for table_init with CONNECTIONS_COLUMNS. */
extern const char *const connections_titles[CONNECTIONS_COLUMNS];

/* Which connections are wanted; NULL: all. Both are borrowed. */
struct connections_filter {
    const char *peer;  /* a part of either address, or of the peer's identity */
    const char *state; /* the whole word: "relay" */
};

/* connections_wanted tells whether the filter lets a connection through. */
bool connections_wanted(const struct connections_filter *filter,
                        const struct reply_connection *connection);

/*
 * connections_add adds a row for each wanted connection of a GET /connections reply of the sidecar
 * `name`. Errors: of json_read, its getters and reply_connection_parse; rows before it stay.
 */
enum status connections_add(struct table *table, const char *name, struct bytes body,
                            const struct connections_filter *filter, struct failure *why) MUST_USE;

/* connections_next is where the page behind such a reply begins; -1: it is the last one. */
int64_t connections_next(struct bytes body);

#endif
