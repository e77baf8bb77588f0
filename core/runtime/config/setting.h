/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: file < environment < flags, into a typed struct that is made of a table. A setting is a
 * row of the program's settings.def, or it does not exist.
 *
 * A program writes cmd/NAME/settings.def:
 *
 *     GROUP("Data path")
 *     SETTING(outbound_port, number, 1, 65535, "15001", FIXED, "port of captured connections")
 *     SETTING(drain_limit_ms, duration, 0, 3600000, "30s", RELOADS, "longest time to drain")
 *     SETTING(inbound, list, 0, 64, NULL, FIXED, "LISTEN=FORWARD[,peer=SPIFFE_ID]")
 *     CHOICE(log_format, "json|text", "json", FIXED, "form of log lines")
 *
 * then, in its settings.h (or in main.c when nobody else needs the struct):
 *
 *     #define SETTING_DEF "cmd/NAME/settings.def"
 *     #define SETTING_STRUCT proxy_settings
 *     #include "core/runtime/config/setting_struct.inc"     declares struct proxy_settings
 *
 * and in one .c, which includes that settings.h:
 *
 *     #include "core/runtime/config/setting_table.inc"      defines static const struct
 *                                                           setting_row proxy_settings_rows[]
 *     static const struct setting_table table = SETTING_TABLE(proxy_settings, "signet-proxy",
 *         "SIGNET_PROXY_", "[--check FILE...]", "carries a workload's traffic in mutual TLS");
 *
 *     struct proxy_settings settings = {0};
 *     struct setting_input input = {.argc = argc, .argv = argv, .environment = environ};
 *     TRY(setting_load(&table, &input, &settings, &request, why));
 *     ... settings.outbound_port ...
 *     setting_clear(&table, &settings);
 *
 * type      member               min and max        accepted text
 * text      char * or NULL       length in bytes    anything
 * path      char * or NULL       length in bytes    anything
 * number    int64_t              value              decimal digits, perhaps a minus
 * duration  int64_t, ms          value in ms        500ms 30s 5m 2h, or plain ms
 * bool      bool                 (0, 1)             true false yes no on off 1 0
 * list      struct setting_list  number of items    repeated; in the environment split at ;
 * CHOICE    char *               -                  one of "a|b|c"
 *
 * Where a setting is found: flag --drain-limit-ms 5s or --drain-limit-ms=5s (a bool needs no
 * value); environment SIGNET_PROXY_DRAIN_LIMIT_MS; file `drain_limit_ms: 5s`, one per line, #
 * begins a comment line. The file is the setting named `config`, where the table has it. A list
 * from a higher source replaces the whole list of a lower one. Unknown variables of the environment
 * are left alone: Kubernetes puts SIGNET_CONTROL_SERVICE_HOST and the like into every pod.
 */
#ifndef SIGNET_CORE_RUNTIME_CONFIG_SETTING_H
#define SIGNET_CORE_RUNTIME_CONFIG_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/status.h"

#define SETTING_FILE_MAX ((size_t)64 * 1024) /* bytes of a settings file */
#define SETTING_LINE_MAX ((size_t)4096)      /* bytes of one line of it, and of one value */
#define SETTING_ROWS_MAX 128

enum setting_type {
    SETTING_GROUP, /* a heading of --help, no setting */
    SETTING_TYPE_text,
    SETTING_TYPE_path,
    SETTING_TYPE_number,
    SETTING_TYPE_duration,
    SETTING_TYPE_bool,
    SETTING_TYPE_list,
    SETTING_TYPE_choice,
};

enum setting_change {
    SETTING_FIXED,   /* a change needs a restart */
    SETTING_RELOADS, /* a change is taken up on HUP */
};

struct setting_list {
    char **items;    /* owned */
    unsigned *lines; /* owned: of each item, its line in the settings file; 0: it came from elsewhere */
    size_t num_items;
};

struct setting_row {
    const char *name; /* like_this; of a group: its heading */
    enum setting_type type;
    int64_t min;
    int64_t max;
    const char *default_text; /* NULL: not set (0, false, empty, NULL) */
    const char *choices;      /* "a|b|c", of a choice */
    enum setting_change change;
    const char *help;
    size_t offset; /* of the member in the program's struct */
};

struct setting_table {
    const struct setting_row *rows;
    size_t num_rows;
    size_t struct_size;
    const char *program;    /* "signet-proxy" */
    const char *env_prefix; /* "SIGNET_PROXY_" */
    const char *arguments;  /* of the usage line, behind the flags; "" for none */
    const char *summary;    /* one sentence: what the program does */
};

#define SETTING_TABLE_OF_(struct_, program_, prefix_, arguments_, summary_)                        \
    {                                                                                              \
        .rows = struct_##_rows, .num_rows = sizeof struct_##_rows / sizeof struct_##_rows[0],      \
        .struct_size = sizeof(struct struct_), .program = (program_), .env_prefix = (prefix_),     \
        .arguments = (arguments_), .summary = (summary_),                                          \
    }
/* SETTING_TABLE initialises a struct setting_table from the rows made by setting_table.inc. */
#define SETTING_TABLE(struct_, program_, prefix_, arguments_, summary_)                            \
    SETTING_TABLE_OF_(struct_, program_, prefix_, arguments_, summary_)

/* Where settings are looked for; all borrowed for the call. */
struct setting_input {
    int argc;
    char **argv;              /* its pointers are reordered: positional arguments come last */
    char *const *environment; /* environ, or NULL: none */
};

/* Where a value came from; a higher one wins. */
enum setting_origin {
    SETTING_FROM_DEFAULT,
    SETTING_FROM_FILE,
    SETTING_FROM_ENVIRONMENT,
    SETTING_FROM_FLAG,
};

/* What the command line asks for besides values, and where each value came from. */
struct setting_request {
    bool help;               /* --help or -h: print setting_print_help(); no value was judged */
    bool version;            /* --version: likewise */
    char *const *positional; /* borrowed from argv, which was reordered: flags first */
    int num_positional;
    uint8_t origins[SETTING_ROWS_MAX]; /* enum setting_origin, of each row */
    unsigned lines[SETTING_ROWS_MAX];  /* of each row, its line in the settings file; else 0 */
};

#define SETTING_PLACE_MAX 128

/*
 * setting_load fills `out_values`, the program's zeroed struct, from defaults, file, environment
 * and flags. On a failure nothing is held and `out_values` is zeroed. Give it back with
 * setting_clear().
 *
 * STATUS_CONFIG "setting/unknown" (with the nearest name), "setting/value", "setting/range",
 * "setting/choice", "setting/twice", "setting/no-value", "setting/line" (not `name: value`),
 * "setting/line-too-long", "setting/nul"; details begin with FILE:LINE, the flag or the variable.
 * Of the file itself: STATUS_NOT_FOUND "file/missing", STATUS_IO "file/read", STATUS_LIMIT
 * "file/too-long".
 */
enum status setting_load(const struct setting_table *table, const struct setting_input *input,
                         void *out_values, struct setting_request *out_request,
                         struct failure *why) MUST_USE;

/*
 * setting_origin is "default", "file", "environment" or "flag": where setting_load found the value
 * of the setting `name` (like_this or like-this); NULL when there is no such setting. Any thread.
 */
const char *setting_origin(const struct setting_table *table, const struct setting_request *request,
                           struct bytes name);

/*
 * setting_place writes where the value of the setting `name` (for a list: its index-th item) was
 * given, as a message about it should begin: "proxy.conf:12: inbound", "--inbound",
 * "SIGNET_PROXY_INBOUND", or the name alone when nobody gave it. `values` is what setting_load
 * filled. Returns `out`. Any thread.
 */
const char *setting_place(const struct setting_table *table, const struct setting_request *request,
                          const void *values, const char *name, size_t index,
                          char out[SETTING_PLACE_MAX]);

/*
 * setting_read_text reads the text of a settings file into `values`, which defaults or an earlier
 * source filled. `origin` names it in errors. Errors as setting_load; `values` may then be half
 * changed. For setting_load and tests.
 */
enum status setting_read_text(const struct setting_table *table, const char *origin,
                              struct bytes text, void *values, struct failure *why) MUST_USE;

/* setting_clear frees what a program's struct holds and zeroes it. */
void setting_clear(const struct setting_table *table, void *values);

/*
 * setting_fixed_change is the name of the first FIXED setting that differs between two loaded
 * structs, or NULL: a reload that would need a restart says so by this name.
 */
const char *setting_fixed_change(const struct setting_table *table, const void *old_values,
                                 const void *new_values);

/*
 * setting_print_help appends the text of --help: usage, then each group with defaults and
 * variables.
 */
enum status setting_print_help(const struct setting_table *table, struct buffer *out) MUST_USE;

/*
 * setting_print_values appends one `name: value` line per setting that has a value, in the form of
 * the settings file: for the admin page's /config.
 */
enum status setting_print_values(const struct setting_table *table, const void *values,
                                 struct buffer *out) MUST_USE;

#endif
