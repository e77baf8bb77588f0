/* SPDX-License-Identifier: Apache-2.0 */
/* `signet entry add|list|remove`: the control plane's registry of who may be whom. */
#include <stdio.h>
#include <string.h>

#include "cmd/signet/commands.h"
#include "cmd/signet/doors.h"
#include "cmd/signet/entries.h"
#include "cmd/signet/manual.h"
#include "cmd/signet/words.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/json/writer.h"

const char *const entries_titles[ENTRIES_COLUMNS] = {
    "NAME", "IDENTITY", "LONGEST LIFE", ">INSTANCES", ">MOST", "ADDED", "DESCRIPTION",
};

static enum status entries_add_row(struct table *table, const struct json_value *object,
                                   int64_t now_s, struct failure *why)
{
    struct bytes name = {0}, id = {0}, description = {0};
    int64_t life_s = 0, instances = 0, most = 0, created_at = 0;
    char count[24], limit[24];

    TRY(json_get_text(object, "name", 256, &name, why));
    TRY(json_get_text(object, "spiffe_id", 4096, &id, why));
    TRY(json_get_text(object, "description", 4096, &description, why));
    TRY(json_get_number(object, "max_life_s", 0, UINT32_MAX, &life_s, why));
    TRY(json_get_number(object, "instances", 0, UINT32_MAX, &instances, why));
    TRY(json_get_number(object, "max_instances", 0, UINT32_MAX, &most, why));
    TRY(json_get_number(object, "created_at", 0, INT64_MAX, &created_at, why));
    struct words life = words_span(life_s * 1000);
    struct words added = words_moment(created_at, now_s);
    (void)snprintf(count, sizeof count, "%lld", (long long)instances);
    (void)snprintf(limit, sizeof limit, "%lld", (long long)most);
    const struct bytes cells[ENTRIES_COLUMNS] = {
        name,
        id,
        bytes_of(life_s == 0 ? "" : life.text),
        bytes_of(count),
        bytes_of(most == 0 ? "" : limit),
        bytes_of(added.text),
        description,
    };
    table_add(table, TABLE_PLAIN, cells);
    return STATUS_OK;
}

enum status entries_add(struct table *table, struct bytes body, int64_t now_s, struct failure *why)
{
    OWNED(json_value) *top = NULL;
    const struct json_value *list = NULL;

    TRY(json_read(body, DOORS_REPLY_MAX, &top, why));
    TRY(json_get_array(top, "entries", &list, why));
    for (size_t i = 0; i < json_count(list); i++) {
        TRY(entries_add_row(table, json_at(list, i), now_s, why));
    }
    return STATUS_OK;
}

static int entries_list(int count, char **arguments)
{
    struct doors_choice choice = {0};
    bool as_json = false;
    const struct manual_flag flags[] = {
        {"admin", "ADDRESS", DOORS_HELP_ADMIN, &choice.address, NULL},
        {"run-folder", "FOLDER", DOORS_HELP_FOLDER, &choice.folder, NULL},
        {"json", NULL, "the control plane's reply as it is", NULL, &as_json},
    };
    const struct manual manual = {
        .synopsis = "signet entry list [--json]",
        .purpose =
            "Lists the registry: which entry may hold which SPIFFE ID.",
        .flags = flags,
        .num_flags = sizeof flags / sizeof flags[0],
    };
    struct manual_words words;
    const struct door_question question = {.method = "GET", .path = "/entries"};
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
    table_init(&table, entries_titles, ENTRIES_COLUMNS);
    if (entries_add(&table, buffer_bytes(&body), clock_unix_s(), &why) != STATUS_OK) {
        (void)fprintf(stderr, "signet: the control plane's reply cannot be read: %s\n", why.detail);
        return VERDICT_NO;
    }
    if (table.num_rows == 0) {
        (void)puts("no entries: signet entry add NAME --id SPIFFE_ID makes one");
    }
    table_print(&table, stdout, table_colour_wanted(stdout));
    return VERDICT_OK;
}

enum status entries_question(const struct entries_new *entry, struct buffer *out,
                             struct failure *why)
{
    struct json_writer json = json_writer_to(out);
    uint64_t life_s = 0, instances = 0;

    if (entry->life != NULL) {
        TRY(words_read_span_s(entry->life, &life_s, why));
    }
    if (entry->instances != NULL &&
        (!bytes_to_number(bytes_of(entry->instances), UINT32_MAX, &instances) || instances == 0)) {
        return fail(why, STATUS_CONFIG, "entry/instances",
                    "--instances must be a whole number from 1 on, not \"%s\"", entry->instances);
    }
    json_open_object(&json, NULL);
    json_put_text(&json, "name", entry->name);
    json_put_text(&json, "spiffe_id", entry->id);
    if (entry->description != NULL) {
        json_put_text(&json, "description", entry->description);
    }
    if (entry->life != NULL) {
        json_put_uint(&json, "max_life_s", life_s);
    }
    if (entry->instances != NULL) {
        json_put_uint(&json, "max_instances", instances);
    }
    json_close_object(&json);
    return json_writer_end(&json, why);
}

static int entries_add_one(int count, char **arguments)
{
    struct doors_choice choice = {0};
    struct entries_new entry = {0};
    const struct manual_flag flags[] = {
        {"id", "SPIFFE_ID", "the identity; needed", &entry.id, NULL},
        {"description", "TEXT", "for people", &entry.description, NULL},
        {"life", "SPAN", "longest life of its certificates: 10m, 12h; else the authority's",
         &entry.life, NULL},
        {"instances", "N", "how many may hold it at once; else any number", &entry.instances, NULL},
        {"admin", "ADDRESS", DOORS_HELP_ADMIN, &choice.address, NULL},
        {"run-folder", "FOLDER", DOORS_HELP_FOLDER, &choice.folder, NULL},
    };
    const struct manual manual = {
        .synopsis = "signet entry add NAME --id SPIFFE_ID [flags]",
        .purpose =
            "Adds an entry: from now on a workload that proves to be NAME (with a join token\n"
            "made for it) gets certificates for SPIFFE_ID. The very same entry a second time\n"
            "is fine.",
        .flags = flags,
        .num_flags = sizeof flags / sizeof flags[0],
        .examples = "  signet entry add web --id spiffe://cluster.local/ns/shop/sa/web\n"
                    "  signet token create --entry web --out /run/signet/web/token",
        .operands_max = 1,
    };
    struct manual_words words;
    CLEARED(buffer) wanted = {.max = 16384};
    CLEARED(buffer) body = {0};
    struct failure why = {0};
    int verdict;

    if (!manual_open(&manual, count, arguments, &words, &verdict)) {
        return verdict;
    }
    entry.name = words.num_operands == 1 ? words.operands[0] : NULL;
    if (entry.name == NULL || entry.id == NULL) {
        (void)fprintf(stderr, "signet: %s is missing\nUsage: %s\n",
                      entry.name == NULL ? "NAME" : "--id SPIFFE_ID", manual.synopsis);
        return VERDICT_USAGE;
    }
    if (entries_question(&entry, &wanted, &why) != STATUS_OK) {
        (void)fprintf(stderr, "signet: %s\n", why.detail);
        return VERDICT_USAGE;
    }
    const struct door_question question = {"POST", "/entries", buffer_bytes(&wanted)};
    verdict = doors_ask_control(&choice, &question, &body);
    if (verdict == VERDICT_OK) {
        (void)printf("entry %s: %s\n", entry.name, entry.id);
    }
    return verdict;
}

bool entries_name_ok(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-");

    return len > 0 && len <= 63 && name[len] == '\0' && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static int entries_remove(int count, char **arguments)
{
    struct doors_choice choice = {0};
    const struct manual_flag flags[] = {
        {"admin", "ADDRESS", DOORS_HELP_ADMIN, &choice.address, NULL},
        {"run-folder", "FOLDER", DOORS_HELP_FOLDER, &choice.folder, NULL},
    };
    const struct manual manual = {
        .synopsis = "signet entry remove NAME",
        .purpose =
            "Takes an entry out, with its open tokens: that is eviction. Who holds a certificate\n"
            "of it keeps it to its end and is refused the next one, also when the same entry is\n"
            "made again: then he joins anew, with a token of the new entry.",
        .flags = flags,
        .num_flags = sizeof flags / sizeof flags[0],
        .operands_max = 1,
    };
    struct manual_words words;
    CLEARED(buffer) body = {0};
    char path[128];
    int verdict;

    if (!manual_open(&manual, count, arguments, &words, &verdict)) {
        return verdict;
    }
    /* The name becomes a part of a path: nothing that could be another path may pass. */
    if (words.num_operands != 1 || !entries_name_ok(words.operands[0])) {
        (void)fprintf(stderr, "signet: %s\nUsage: %s\n",
                      words.num_operands == 1
                          ? "a name is made of a-z, 0-9, '.' and '-', at most 63"
                          : "NAME is missing",
                      manual.synopsis);
        return VERDICT_USAGE;
    }
    (void)snprintf(path, sizeof path, "/entries/%s", words.operands[0]);
    const struct door_question question = {.method = "DELETE", .path = path};
    verdict = doors_ask_control(&choice, &question, &body);
    if (verdict == VERDICT_OK) {
        (void)printf("entry %s is removed\n", words.operands[0]);
    }
    return verdict;
}

int entries_command(int count, char **arguments)
{
    static const struct manual_verb verbs[] = {
        {"add", "add an entry: NAME may be SPIFFE_ID", entries_add_one},
        {"list", "list the registry", entries_list},
        {"remove", "take an entry out", entries_remove},
    };

    return manual_run_verb("signet entry", verbs, sizeof verbs / sizeof verbs[0], count, arguments);
}
