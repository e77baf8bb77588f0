/* SPDX-License-Identifier: Apache-2.0 */
/* What `signet status` says about one sidecar: a row of the table, and the sentences below it. Pure. */
#ifndef SIGNET_CMD_SIGNET_PROXIES_H
#define SIGNET_CMD_SIGNET_PROXIES_H

#include "cmd/signet/replies.h"
#include "cmd/signet/table.h"
#include "core/runtime/base/buffer.h"

#define PROXIES_COLUMNS 8

/* proxies_titles are the table's titles, for table_init with PROXIES_COLUMNS. */
extern const char *const proxies_titles[PROXIES_COLUMNS];

/* proxies_add_row adds one sidecar's row; `now_s` is the present in Unix s. */
void proxies_add_row(struct table *table, const struct reply_status *status, int64_t now_s);

/*
 * proxies_add_notes appends a line for everything about this sidecar that needs a person: conditions
 * that do not hold, the agent's last failure, a mesh file that is not in force, the mesh's warnings.
 * A healthy sidecar adds nothing. Lines that do not fit the buffer are left out.
 */
void proxies_add_notes(struct buffer *notes, const struct reply_status *status);

#endif
