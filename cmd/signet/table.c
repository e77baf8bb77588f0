/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"

#define TABLE_BOLD "\033[1m"
#define TABLE_RED "\033[31m"
#define TABLE_PLAINLY "\033[0m"

struct table_row {
    char *cells[TABLE_COLUMNS_MAX]; /* each owned */
    enum table_tone tone;
};

void table_init(struct table *table, const char *const *titles, size_t num_columns)
{
    assert(num_columns > 0 && num_columns <= TABLE_COLUMNS_MAX);
    table->titles = titles;
    table->num_columns = num_columns;
    table->rows = NULL;
    table->num_rows = 0;
}

static char *table_clean(struct bytes cell)
{
    char *clean = bytes_text(cell.len == 0 ? bytes_of("-") : cell);

    for (char *at = clean; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = '?';
        }
        /* U+0080 to U+009F, which a terminal may obey, begin with this pair in UTF-8. */
        if ((unsigned char)at[0] == 0xc2 && (unsigned char)at[1] >= 0x80 &&
            (unsigned char)at[1] < 0xa0) {
            at[0] = '?';
            at[1] = '?';
        }
    }
    return clean;
}

void table_add(struct table *table, enum table_tone tone, const struct bytes *cells)
{
    struct table_row *row;

    table->rows = memory_grow(table->rows, (table->num_rows + 1) * sizeof *table->rows);
    row = &table->rows[table->num_rows++];
    row->tone = tone;
    for (size_t column = 0; column < table->num_columns; column++) {
        row->cells[column] = table_clean(cells[column]);
    }
}

/* Code points, not bytes: identities may hold none but ASCII, names of files may. */
static size_t table_width(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

static const char *table_title(const struct table *table, size_t column, bool *out_right)
{
    const char *title = table->titles[column];

    *out_right = title[0] == '>';
    return *out_right ? title + 1 : title;
}

static void table_print_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
    size_t own = table_width(text);
    int gap = own < width ? (int)(width - own) : 0;

    if (right) {
        (void)fprintf(out, "%*s%s", gap, "", text);
    } else {
        (void)fprintf(out, "%s%*s", text, last ? 0 : gap, "");
    }
    if (!last) {
        (void)fputs("  ", out);
    }
}

void table_print(const struct table *table, FILE *out, bool colour)
{
    size_t widths[TABLE_COLUMNS_MAX];
    bool right[TABLE_COLUMNS_MAX];
    const char *titles[TABLE_COLUMNS_MAX];

    if (table->num_rows == 0) {
        return;
    }
    for (size_t column = 0; column < table->num_columns; column++) {
        titles[column] = table_title(table, column, &right[column]);
        widths[column] = table_width(titles[column]);
        for (size_t row = 0; row < table->num_rows; row++) {
            size_t width = table_width(table->rows[row].cells[column]);

            widths[column] = width > widths[column] ? width : widths[column];
        }
    }
    for (size_t line = 0; line <= table->num_rows; line++) {
        const struct table_row *row = line == 0 ? NULL : &table->rows[line - 1];
        const char *tone = row == NULL ? TABLE_BOLD : row->tone == TABLE_BAD ? TABLE_RED : "";

        (void)fputs(colour ? tone : "", out);
        for (size_t column = 0; column < table->num_columns; column++) {
            table_print_cell(out, row == NULL ? titles[column] : row->cells[column], widths[column],
                             right[column], column + 1 == table->num_columns);
        }
        (void)fputs(colour && tone[0] != '\0' ? TABLE_PLAINLY "\n" : "\n", out);
    }
}

void table_clear(struct table *table)
{
    for (size_t row = 0; row < table->num_rows; row++) {
        for (size_t column = 0; column < table->num_columns; column++) {
            free(table->rows[row].cells[column]);
        }
    }
    free(table->rows);
    table->rows = NULL;
    table->num_rows = 0;
}

bool table_colour_wanted(FILE *out)
{
    const char *term = getenv("TERM");
    const char *refused = getenv("NO_COLOR");

    return isatty(fileno(out)) == 1 && (refused == NULL || refused[0] == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}
