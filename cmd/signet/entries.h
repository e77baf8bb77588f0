/* SPDX-License-Identifier: Apache-2.0 */
/* What `signet entry` asks of the control plane, and how its answer is shown. Pure. */
#ifndef SIGNET_CMD_SIGNET_ENTRIES_H
#define SIGNET_CMD_SIGNET_ENTRIES_H

#include "cmd/signet/table.h"
#include "core/runtime/base/buffer.h"
#include "core/runtime/json/json.h"

#define ENTRIES_COLUMNS 7

/* entries_titles are the table's titles, for table_init with ENTRIES_COLUMNS. */
extern const char *const entries_titles[ENTRIES_COLUMNS];

/* A new entry as the command line gave it; what is not given is NULL. Borrowed. */
struct entries_new {
    const char *name;
    const char *id;
    const char *description;
    const char *life;      /* "12h" */
    const char *instances; /* "3" */
};

/*
 * entries_question writes the body of POST /entries. Names and identities are judged by the control
 * plane. STATUS_CONFIG "words/span", "entry/instances"; STATUS_LIMIT "json/full".
 */
enum status entries_question(const struct entries_new *entry, struct buffer *out,
                             struct failure *why) MUST_USE;

/* entries_add adds a row per entry of a GET /entries reply. Errors: of json_read and its getters. */
enum status entries_add(struct table *table, struct bytes body, int64_t now_s,
                        struct failure *why) MUST_USE;

/* entries_name_ok tells whether a name may stand in a path: a-z 0-9 . -, 1 to 63, not "." or "..". */
bool entries_name_ok(const char *name);

#endif
