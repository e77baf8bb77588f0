/* SPDX-License-Identifier: Apache-2.0 */
/* `signet token list` and `signet token revoke`: tokens by their ids; none is ever shown. */
#include <stdio.h>
#include <string.h>

#include "cmd/signet/commands.h"
#include "cmd/signet/manual.h"
#include "cmd/signet/tokens.h"
#include "cmd/signet/words.h"
#include "core/runtime/base/buffer.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/json/json.h"

const char *const tokens_titles[TOKENS_COLUMNS] = {
    "ID", "ENTRY", "STATE", ">USES LEFT", "ENDS", "LAST USED", "FROM",
};

/* The blocks of addresses, with blanks between them; as many as fit. */
static void tokens_say_from(const struct json_value *object, char *out, size_t room)
{
    const struct json_value *list = NULL;
    size_t len = 0;

    out[0] = '\0';
    if (json_get_array(object, "from", &list, NULL) != STATUS_OK) {
        return;
    }
    for (size_t i = 0; i < json_count(list); i++) {
        struct bytes block = {0};

        if (json_text_of(json_at(list, i), &block) && len + block.len + 2 < room) {
            len += (size_t)snprintf(out + len, room - len, "%s%.*s", len == 0 ? "" : " ",
                                    (int)block.len, (const char *)block.at);
        }
    }
}

static enum status tokens_add_row(struct table *table, const struct json_value *object,
                                  int64_t now_s, struct failure *why)
{
    struct bytes id = {0}, entry = {0}, state = {0};
    int64_t uses = 0, left = 0, expires_at = 0, used_at = 0;
    char count[48], from[512];
    enum status status;

    TRY(json_get_text(object, "id", 64, &id, why));
    TRY(json_get_text(object, "entry", 256, &entry, why));
    TRY(json_get_text(object, "state", 64, &state, why));
    TRY(json_get_number(object, "uses", 1, UINT32_MAX, &uses, why));
    TRY(json_get_number(object, "uses_left", 0, UINT32_MAX, &left, why));
    TRY(json_get_number(object, "expires_at", 0, INT64_MAX, &expires_at, why));
    status = json_get_number(object, "used_at", 0, INT64_MAX, &used_at, why);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    struct words ends = words_moment(expires_at, now_s);
    struct words used = words_moment(used_at, now_s);
    (void)snprintf(count, sizeof count, "%lld of %lld", (long long)left, (long long)uses);
    tokens_say_from(object, from, sizeof from);
    const struct bytes cells[TOKENS_COLUMNS] = {
        id,
        entry,
        state,
        bytes_of(count),
        bytes_of(ends.text),
        bytes_of(used.text),
        bytes_of(from),
    };
    table_add(table, TABLE_PLAIN, cells);
    return STATUS_OK;
}

enum status tokens_add(struct table *table, struct bytes body, int64_t now_s, struct failure *why)
{
    OWNED(json_value) *top = NULL;
    const struct json_value *list = NULL;

    TRY(json_read(body, DOORS_REPLY_MAX, &top, why));
    TRY(json_get_array(top, "tokens", &list, why));
    for (size_t i = 0; i < json_count(list); i++) {
        TRY(tokens_add_row(table, json_at(list, i), now_s, why));
    }
    return STATUS_OK;
}

int tokens_list(int count, char **arguments)
{
    struct doors_choice choice = {0};
    bool as_json = false;
    const struct manual_flag flags[] = {
        {"admin", "ADDRESS", DOORS_HELP_ADMIN, &choice.address, NULL},
        {"run-folder", "FOLDER", DOORS_HELP_FOLDER, &choice.folder, NULL},
        {"json", NULL, "the control plane's reply as it is", NULL, &as_json},
    };
    const struct manual manual = {
        .synopsis = "signet token list [--json]",
        .purpose =
            "Lists join tokens by their ids: how many uses are left, until when, from where.\n"
            "One that is used up or over stays in the list until a day after its end.",
        .flags = flags,
        .num_flags = sizeof flags / sizeof flags[0],
    };
    struct manual_words words;
    const struct door_question question = {.method = "GET", .path = "/tokens"};
    CLEARED(buffer) body = {0};
    CLEARED(table) table = {0};
    struct failure why = {0};
    int verdict;

    if (!manual_open(&manual, count, arguments, &words, &verdict)) {
        return verdict;
    }
    verdict = doors_ask_control(&choice, &question, &body);
    if (verdict != VERDICT_OK) {
        return verdict;
    }
    if (as_json) {
        (void)printf("%.*s\n", (int)body.len, (const char *)body.at);
        return VERDICT_OK;
    }
    table_init(&table, tokens_titles, TOKENS_COLUMNS);
    if (tokens_add(&table, buffer_bytes(&body), clock_unix_s(), &why) != STATUS_OK) {
        (void)fprintf(stderr, "signet: the control plane's reply cannot be read: %s\n", why.detail);
        return VERDICT_NO;
    }
    if (table.num_rows == 0) {
        (void)puts("no tokens: signet token create --entry NAME --out FILE makes one");
    }
    table_print(&table, stdout, table_colour_wanted(stdout));
    return VERDICT_OK;
}

int tokens_revoke(int count, char **arguments)
{
    struct doors_choice choice = {0};
    const struct manual_flag flags[] = {
        {"admin", "ADDRESS", DOORS_HELP_ADMIN, &choice.address, NULL},
        {"run-folder", "FOLDER", DOORS_HELP_FOLDER, &choice.folder, NULL},
    };
    const struct manual manual = {
        .synopsis = "signet token revoke ID",
        .purpose =
            "Withdraws a token: no workload begins with it any more. Those that have begun keep\n"
            "their certificates and renew them: `signet entry remove` is what evicts.",
        .flags = flags,
        .num_flags = sizeof flags / sizeof flags[0],
        .examples = "  signet token list\n  signet token revoke 5c01d5b2a4f3e697",
        .operands_max = 1,
    };
    struct manual_words words;
    CLEARED(buffer) body = {0};
    char path[64];
    int verdict;

    if (!manual_open(&manual, count, arguments, &words, &verdict)) {
        return verdict;
    }
    /* The id becomes a part of a path: nothing that could be another path may pass. */
    if (words.num_operands != 1 || strlen(words.operands[0]) != 16 ||
        strspn(words.operands[0], "0123456789abcdef") != 16) {
        (void)fprintf(stderr, "signet: %s\nUsage: %s\n",
                      words.num_operands == 1 ? "an id is 16 digits of hex: see signet token list"
                                              : "ID is missing",
                      manual.synopsis);
        return VERDICT_USAGE;
    }
    (void)snprintf(path, sizeof path, "/tokens/%s", words.operands[0]);
    const struct door_question question = {.method = "DELETE", .path = path};
    verdict = doors_ask_control(&choice, &question, &body);
    if (verdict == VERDICT_OK) {
        (void)printf("token %s is withdrawn\n", words.operands[0]);
    }
    return verdict;
}
