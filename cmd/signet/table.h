/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table for people: a row of titles, rows of cells, columns aligned by what the eye sees.
 *
 * Cells may hold text that came from a peer: control bytes are shown as '?', so that nothing in a
 * certificate or a log line can move the reader's cursor.
 */
#ifndef SIGNET_CMD_SIGNET_TABLE_H
#define SIGNET_CMD_SIGNET_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/runtime/base/bytes.h"

#define TABLE_COLUMNS_MAX 16

/* How a row is to be seen; only a terminal shows it. */
enum table_tone {
    TABLE_PLAIN,
    TABLE_BAD, /* this line is why the answer is no */
};

struct table_row;

struct table {
    const char *const
        *titles;        /* borrowed for the table's life; a title beginning with '>' is set right */
    size_t num_columns; /* at most TABLE_COLUMNS_MAX */
    struct table_row *rows; /* owned */
    size_t num_rows;
};

/* table_init makes a table without rows. Nothing is allocated yet. */
void table_init(struct table *table, const char *const *titles, size_t num_columns);

/* table_add copies a row of `num_columns` cells, UTF-8; an empty cell is printed as "-". */
void table_add(struct table *table, enum table_tone tone, const struct bytes *cells);

/*
 * table_print writes the table to `out`, two blanks between columns and none at a line's end. With
 * `colour` the titles are bold and bad rows red. A table without rows prints nothing.
 */
void table_print(const struct table *table, FILE *out, bool colour);

/* table_clear frees the rows; the table may be filled again. */
void table_clear(struct table *table);

/*
 * table_colour_wanted tells whether `out` is a terminal that shows colour: isatty, TERM not "dumb",
 * NO_COLOR not set.
 */
bool table_colour_wanted(FILE *out);

#endif
