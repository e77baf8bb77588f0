/* SPDX-License-Identifier: Apache-2.0 */
/* The text of --help, made of the table. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/runtime/config/setting.h"
#include "core/runtime/config/setting_value.h"

enum { SETTING_FLAG_MAX = 80, SETTING_HELP_RANGE_MAX = 256 };

/* "--drain-limit-ms" of "drain_limit_ms", with what it takes. */
static void setting_help_flag(const struct setting_row *row, char out[SETTING_FLAG_MAX])
{
    static const char *const takes[] = {
        [SETTING_TYPE_text] = " TEXT",     [SETTING_TYPE_path] = " PATH",
        [SETTING_TYPE_number] = " NUMBER", [SETTING_TYPE_duration] = " DURATION",
        [SETTING_TYPE_bool] = "",          [SETTING_TYPE_list] = " TEXT...",
        [SETTING_TYPE_choice] = " CHOICE",
    };

    (void)snprintf(out, SETTING_FLAG_MAX, "--%s%s", row->name, takes[row->type]);
    for (char *at = out; *at != '\0' && *at != ' '; at++) {
        *at = *at == '_' ? '-' : *at;
    }
}

static enum status setting_help_row(const struct setting_table *table,
                                    const struct setting_row *row, struct buffer *out)
{
    CLEARED(buffer) range = {.max = SETTING_HELP_RANGE_MAX};
    char flag[SETTING_FLAG_MAX];

    setting_help_flag(row, flag);
    TRY(setting_value_range(row, &range));
    TRY(buffer_add_format(out, "  %s\n      %s\n      (%.*s; default %s; ", flag, row->help,
                          (int)range.len, (const char *)range.at,
                          row->default_text == NULL ? "none" : row->default_text));
    TRY(buffer_add_text(out, table->env_prefix));
    for (const char *at = row->name; *at != '\0'; at++) {
        TRY(buffer_add_format(out, "%c", toupper((unsigned char)*at)));
    }
    return buffer_add_text(out,
                           row->change == SETTING_RELOADS ? "; taken up again on HUP)\n" : ")\n");
}

enum status setting_print_help(const struct setting_table *table, struct buffer *out)
{
    TRY(buffer_add_format(out, "%s: %s\n\nusage: %s [--setting VALUE]...%s%s\n", table->program,
                          table->summary, table->program, table->arguments[0] == '\0' ? "" : " ",
                          table->arguments));
    for (size_t i = 0; i < table->num_rows; i++) {
        const struct setting_row *row = &table->rows[i];

        if (row->type == SETTING_GROUP) {
            TRY(buffer_add_format(out, "\n%s\n", row->name));
        } else {
            TRY(setting_help_row(table, row, out));
        }
    }
    return buffer_add_text(
        out,
        "\nOther\n  --help\n      this text\n  --version\n      the program's version\n\n"
        "A flag beats the environment, which beats the file given by --config; a line of the file "
        "is\n"
        "`name: value`, its name as above with _ for -. A list is repeated; in the environment "
        "its\n"
        "items are separated by `;`. A DURATION is 500ms, 30s, 5m, 2h or plain milliseconds.\n");
}
