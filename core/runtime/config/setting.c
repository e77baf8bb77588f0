/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/config/setting.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/config/setting_value.h"

enum { SETTING_NAME_MAX = 64, SETTING_ORIGIN_MAX = 96, SETTING_NEAR_ENOUGH = 3 };

/*
 * Reading one source: which rows it has given already. A higher source replaces a list as a whole.
 */
struct setting_source {
    const struct setting_table *table;
    void *values; /* the program's struct */
    enum setting_origin kind;
    struct setting_request *request; /* its origins and lines are kept up to date; NULL: nobody asks */
    unsigned line;                   /* in the settings file, being read; 0: no file */
    bool given[SETTING_ROWS_MAX];
};

/* "-" and "_" are the same in a name; returns the row, or NULL. */
static const struct setting_row *setting_row_of(const struct setting_table *table,
                                                struct bytes name)
{
    for (size_t i = 0; i < table->num_rows; i++) {
        const struct setting_row *row = &table->rows[i];
        bool same = row->type != SETTING_GROUP && strlen(row->name) == name.len;

        for (size_t j = 0; same && j < name.len; j++) {
            same = row->name[j] == (name.at[j] == '-' ? '_' : (char)name.at[j]);
        }
        if (same) {
            return row;
        }
    }
    return NULL;
}

/* How many single-letter changes make `a` of `b` (Levenshtein), both short. */
static unsigned setting_distance(const char *a, const char *b)
{
    unsigned costs[SETTING_NAME_MAX + 1];
    size_t b_len = strlen(b);

    for (size_t j = 0; j <= b_len; j++) {
        costs[j] = (unsigned)j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = costs[0];

        costs[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned above = costs[j];
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);

            best = above + 1 < best ? above + 1 : best;
            best = costs[j - 1] + 1 < best ? costs[j - 1] + 1 : best;
            costs[j] = best;
            diagonal = above;
        }
    }
    return costs[b_len];
}

static enum status setting_unknown(const struct setting_table *table, const char *origin,
                                   struct bytes name, struct failure *why)
{
    char asked[SETTING_NAME_MAX] = "";
    const char *nearest = NULL;
    unsigned least = SETTING_NEAR_ENOUGH + 1;

    for (size_t i = 0; i < name.len && i + 1 < sizeof asked; i++) {
        asked[i] = name.at[i] == '-' ? '_' : (char)name.at[i];
    }
    for (size_t i = 0; i < table->num_rows; i++) {
        unsigned distance;

        if (table->rows[i].type == SETTING_GROUP) {
            continue;
        }
        distance = setting_distance(asked, table->rows[i].name);
        if (distance < least) {
            least = distance;
            nearest = table->rows[i].name;
        }
    }
    return fail(why, STATUS_CONFIG, "setting/unknown", "%s: there is no setting \"%s\"%s%s%s",
                origin, asked, nearest == NULL ? "" : "; did you mean ",
                nearest == NULL ? "" : nearest, nearest == NULL ? "" : "?");
}

static void setting_note_origin(const struct setting_source *source, const struct setting_row *row)
{
    if (source->request != NULL) {
        source->request->origins[row - source->table->rows] = (uint8_t)source->kind;
        source->request->lines[row - source->table->rows] = source->line;
    }
}

static struct setting_list *setting_list_of(const struct setting_row *row, void *values)
{
    return (struct setting_list *)(void *)((char *)values + row->offset);
}

/* Gives a row a value of this source. The first one of a list replaces what a lower source gave. */
static enum status setting_give(struct setting_source *source, const struct setting_row *row,
                                const char *origin, struct bytes text, struct failure *why)
{
    bool *given = &source->given[row - source->table->rows];

    if (*given && row->type != SETTING_TYPE_list) {
        return fail(why, STATUS_CONFIG, "setting/twice", "%s: %s is given twice", origin,
                    row->name);
    }
    if (!*given && row->type == SETTING_TYPE_list) {
        setting_value_clear(row, source->values);
    }
    *given = true;
    setting_note_origin(source, row);
    TRY(setting_value_set(row, origin, text, source->values, why));
    if (row->type == SETTING_TYPE_list) {
        struct setting_list *list = setting_list_of(row, source->values);

        list->lines[list->num_items - 1] = source->line;
    }
    return STATUS_OK;
}

static enum status setting_load_defaults(const struct setting_table *table, void *values,
                                         struct setting_request *request,
                                         struct failure *why)
{
    struct setting_source source = {
        .table = table, .values = values, .kind = SETTING_FROM_DEFAULT, .request = request};

    for (size_t i = 0; i < table->num_rows; i++) {
        const struct setting_row *row = &table->rows[i];

        if (row->type != SETTING_GROUP && row->default_text != NULL) {
            TRY(setting_give(&source, row, "default", bytes_of(row->default_text), why));
        }
    }
    return STATUS_OK;
}

static enum status setting_read_line(struct setting_source *source, const char *origin,
                                     struct bytes line, struct failure *why)
{
    const struct setting_row *row;
    struct bytes value;
    struct bytes name;

    if (line.len > SETTING_LINE_MAX) {
        return fail(why, STATUS_CONFIG, "setting/line-too-long", "%s: longer than %zu bytes",
                    origin, SETTING_LINE_MAX);
    }
    line = bytes_trim(line);
    if (line.len == 0 || line.at[0] == '#') {
        return STATUS_OK;
    }
    value = line;
    name = bytes_split(&value, ':');
    if (value.at == NULL) {
        return fail(why, STATUS_CONFIG, "setting/line", "%s: not of the form `name: value`",
                    origin);
    }
    name = bytes_trim(name);
    row = setting_row_of(source->table, name);
    if (row == NULL) {
        return setting_unknown(source->table, origin, name, why);
    }
    return setting_give(source, row, origin, bytes_trim(value), why);
}

static enum status setting_read_lines(struct setting_source *source, const char *origin,
                                      struct bytes text, struct failure *why)
{
    unsigned line_number = 0;

    if (text.len > SETTING_FILE_MAX) {
        return fail(why, STATUS_LIMIT, "file/too-long", "%s holds more than %zu bytes", origin,
                    SETTING_FILE_MAX);
    }
    while (text.len > 0) {
        char place[SETTING_ORIGIN_MAX];

        source->line = ++line_number;
        (void)snprintf(place, sizeof place, "%.80s:%u", origin, line_number);
        TRY(setting_read_line(source, place, bytes_split(&text, '\n'), why));
    }
    return STATUS_OK;
}

enum status setting_read_text(const struct setting_table *table, const char *origin,
                              struct bytes text, void *values, struct failure *why)
{
    struct setting_source source = {.table = table, .values = values, .kind = SETTING_FROM_FILE};

    return setting_read_lines(&source, origin, text, why);
}

/* The items of a list in the environment. */
static enum status setting_give_list(struct setting_source *source, const struct setting_row *row,
                                     const char *origin, struct bytes text, struct failure *why)
{
    struct bytes rest = text;

    setting_value_clear(row, source->values); /* an empty variable is an empty list */
    setting_note_origin(source, row);
    while (rest.at != NULL) {
        struct bytes item = bytes_trim(bytes_split(&rest, ';'));

        if (item.len > 0) {
            TRY(setting_give(source, row, origin, item, why));
        }
    }
    return STATUS_OK;
}

static enum status setting_load_environment(const struct setting_table *table,
                                            char *const *environment, void *values,
                                            struct setting_request *request,
                                         struct failure *why)
{
    struct setting_source source = {
        .table = table, .values = values, .kind = SETTING_FROM_ENVIRONMENT, .request = request};
    size_t prefix_len = strlen(table->env_prefix);

    for (; environment != NULL && *environment != NULL; environment++) {
        char name[SETTING_NAME_MAX];
        char origin[SETTING_ORIGIN_MAX];
        struct bytes value = bytes_of(*environment);
        struct bytes variable = bytes_split(&value, '=');
        const struct setting_row *row;

        if (!bytes_starts(variable, bytes_of(table->env_prefix)) ||
            variable.len - prefix_len >= sizeof name) {
            continue;
        }
        for (size_t i = prefix_len; i < variable.len; i++) {
            name[i - prefix_len] = (char)tolower(variable.at[i]);
        }
        row = setting_row_of(table, bytes_make(name, variable.len - prefix_len));
        if (row == NULL) {
            continue; /* not ours: setting.h says whose it may be */
        }
        (void)snprintf(origin, sizeof origin, "%.*s", (int)variable.len, (const char *)variable.at);
        TRY(row->type == SETTING_TYPE_list ? setting_give_list(&source, row, origin, value, why)
                                           : setting_give(&source, row, origin, value, why));
    }
    return STATUS_OK;
}

/* Reads the flag argv[*at]; on return *at is the last argument that it used. */
static enum status setting_read_flag(struct setting_source *source, int argc, char *const *argv,
                                     int *at, struct failure *why)
{
    char origin[SETTING_ORIGIN_MAX];
    bool is_long = strncmp(argv[*at], "--", 2) == 0;
    struct bytes value =
        bytes_of(argv[*at] + (is_long ? 2 : 0)); /* "-x" is a name we do not have */
    struct bytes name = bytes_split(&value, '=');
    const struct setting_row *row = setting_row_of(source->table, name);

    (void)snprintf(origin, sizeof origin, "--%.*s", (int)(name.len > 60 ? 60 : name.len),
                   (const char *)name.at);
    if (row == NULL) {
        return setting_unknown(source->table, origin, name, why);
    }
    if (value.at == NULL && row->type == SETTING_TYPE_bool) {
        value = bytes_of("true");
    }
    if (value.at == NULL) {
        if (*at + 1 >= argc) {
            return fail(why, STATUS_CONFIG, "setting/no-value", "%s needs a value", origin);
        }
        value = bytes_of(argv[++*at]);
    }
    return setting_give(source, row, origin, value, why);
}

/* Moves argv[from] up to position `to`, which is not behind it; the order of the rest stays. */
static void setting_move_up(char **argv, int from, int to)
{
    char *moved = argv[from];

    memmove(&argv[to + 1], &argv[to], (size_t)(from - to) * sizeof argv[0]);
    argv[to] = moved;
}

/* "-" alone is positional: it stands for standard input and the like. */
static bool setting_is_flag(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0';
}

/*
 * Reads the flags, which end at "--"; flags and their values move to the front, in order, so that
 * what is left behind them is positional.
 */
static enum status setting_load_flags(const struct setting_table *table,
                                      const struct setting_input *input, void *values,
                                      struct setting_request *request, struct failure *why)
{
    struct setting_source source = {
        .table = table, .values = values, .kind = SETTING_FROM_FLAG, .request = request};
    char **argv = input->argv;
    int argc = input->argc;
    int front = 1;
    int at = 1;

    for (; at < argc; at++) {
        int last = at;

        if (!setting_is_flag(argv[at])) {
            continue;
        }
        if (strcmp(argv[at], "--") == 0) {
            setting_move_up(argv, at, front++);
            break;
        }
        TRY(setting_read_flag(&source, argc, argv, &last, why));
        for (int moved = at; moved <= last; moved++) {
            setting_move_up(argv, moved, front++);
        }
        at = last;
    }
    request->positional = argv + front;
    request->num_positional = argc < front ? 0 : argc - front;
    return STATUS_OK;
}

/* Reads the settings file that `found` names, if it names one, into `values`. */
static enum status setting_load_file(const struct setting_table *table, const void *found,
                                     void *values, struct setting_request *request,
                                         struct failure *why)
{
    struct setting_source source = {
        .table = table, .values = values, .kind = SETTING_FROM_FILE, .request = request};
    const struct setting_row *row = setting_row_of(table, bytes_of("config"));
    CLEARED(buffer) text = {.max = SETTING_FILE_MAX};
    const char *path;

    if (row == NULL) {
        return STATUS_OK;
    }
    assert(row->type == SETTING_TYPE_path);
    path = *(char *const *)(const void *)((const char *)found + row->offset);
    if (path == NULL || path[0] == '\0') {
        return STATUS_OK;
    }
    TRY(buffer_read_file(&text, path, why));
    return setting_read_lines(&source, path, buffer_bytes(&text), why);
}

/* Environment and flags over what `values` holds already. */
static enum status setting_load_over(const struct setting_table *table,
                                     const struct setting_input *input, void *values,
                                     struct setting_request *request, struct failure *why)
{
    TRY(setting_load_environment(table, input->environment, values, request, why));
    return setting_load_flags(table, input, values, request, why);
}

/* The order of sources. `found` is a scratch struct: only its `config` is used. */
static enum status setting_load_all(const struct setting_table *table,
                                    const struct setting_input *input, void *found, void *values,
                                    struct setting_request *request, struct failure *why)
{
    TRY(setting_load_defaults(table, found, request, why));
    TRY(setting_load_over(table, input, found, request, why));
    memset(request->origins, SETTING_FROM_DEFAULT, sizeof request->origins);
    memset(request->lines, 0, sizeof request->lines);
    TRY(setting_load_defaults(table, values, request, why));
    TRY(setting_load_file(table, found, values, request, why));
    return setting_load_over(table, input, values, request, why);
}

static void setting_find_help(int argc, char *const *argv, struct setting_request *request)
{
    for (int at = 1; at < argc && strcmp(argv[at], "--") != 0; at++) {
        request->help =
            request->help || strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0;
        request->version = request->version || strcmp(argv[at], "--version") == 0;
    }
}

enum status setting_load(const struct setting_table *table, const struct setting_input *input,
                         void *out_values, struct setting_request *out_request, struct failure *why)
{
    struct setting_request request = {0};
    enum status status;
    void *found;

    assert(table->num_rows <= SETTING_ROWS_MAX);
    setting_find_help(input->argc, input->argv, &request);
    if (request.help || request.version) {
        *out_request = request;
        return STATUS_OK;
    }
    found = memory_make(table->struct_size);
    status = setting_load_all(table, input, found, out_values, &request, why);
    setting_clear(table, found);
    free(found);
    if (status != STATUS_OK) {
        setting_clear(table, out_values);
        return status;
    }
    *out_request = request;
    return STATUS_OK;
}

const char *setting_origin(const struct setting_table *table, const struct setting_request *request,
                           struct bytes name)
{
    static const char *const words[] = {
        [SETTING_FROM_DEFAULT] = "default",
        [SETTING_FROM_FILE] = "file",
        [SETTING_FROM_ENVIRONMENT] = "environment",
        [SETTING_FROM_FLAG] = "flag",
    };
    const struct setting_row *row = setting_row_of(table, name);

    return row == NULL ? NULL : words[request->origins[row - table->rows]];
}

/* The settings file's name among the values; "" without one. */
static const char *setting_file_of(const struct setting_table *table, const void *values)
{
    const struct setting_row *row = setting_row_of(table, bytes_of("config"));
    const char *path =
        row == NULL ? NULL
                    : *(char *const *)(const void *)((const char *)values + row->offset);

    return path == NULL ? "" : path;
}

const char *setting_place(const struct setting_table *table, const struct setting_request *request,
                          const void *values, const char *name, size_t index,
                          char out[SETTING_PLACE_MAX])
{
    const struct setting_row *row = setting_row_of(table, bytes_of(name));
    size_t at = row == NULL ? 0 : (size_t)(row - table->rows);
    unsigned line = row == NULL ? 0 : request->lines[at];
    const char *before = "";

    if (row != NULL && row->type == SETTING_TYPE_list) {
        const struct setting_list *list =
            (const struct setting_list *)(const void *)((const char *)values + row->offset);

        line = index < list->num_items ? list->lines[index] : 0;
    }
    if (line > 0) {
        (void)snprintf(out, SETTING_PLACE_MAX, "%.80s:%u: %.32s", setting_file_of(table, values),
                       line, name);
        return out;
    }
    if (row != NULL && request->origins[at] == SETTING_FROM_FLAG) {
        before = "--";
    } else if (row != NULL && request->origins[at] == SETTING_FROM_ENVIRONMENT) {
        before = table->env_prefix;
    }
    (void)snprintf(out, SETTING_PLACE_MAX, "%.32s%.64s", before, name);
    for (size_t i = 0; before[0] != '\0' && out[i] != '\0'; i++) {
        bool is_flag = before[0] == '-';

        out[i] = is_flag ? (out[i] == '_' ? '-' : out[i]) : (char)toupper(out[i]);
    }
    return out;
}

void setting_clear(const struct setting_table *table, void *values)
{
    for (size_t i = 0; i < table->num_rows; i++) {
        setting_value_clear(&table->rows[i], values);
    }
}

const char *setting_fixed_change(const struct setting_table *table, const void *old_values,
                                 const void *new_values)
{
    for (size_t i = 0; i < table->num_rows; i++) {
        const struct setting_row *row = &table->rows[i];

        if (row->type != SETTING_GROUP && row->change == SETTING_FIXED &&
            !setting_value_equal(row, old_values, new_values)) {
            return row->name;
        }
    }
    return NULL;
}

enum status setting_print_values(const struct setting_table *table, const void *values,
                                 struct buffer *out)
{
    for (size_t i = 0; i < table->num_rows; i++) {
        if (table->rows[i].type != SETTING_GROUP) {
            TRY(setting_value_print(&table->rows[i], values, out));
        }
    }
    return STATUS_OK;
}
