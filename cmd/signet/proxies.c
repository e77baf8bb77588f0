/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `signet status`: every sidecar of this machine in one table, the control plane below it, and a
 * sentence for everything that needs a person.
 */
#include "cmd/signet/proxies.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd/signet/commands.h"
#include "cmd/signet/control_plane.h"
#include "cmd/signet/doors.h"
#include "cmd/signet/manual.h"
#include "cmd/signet/words.h"
#include "core/runtime/base/clock.h"

#define PROXIES_NOTES_MAX ((size_t)256 * 1024)

const char *const proxies_titles[PROXIES_COLUMNS] = {
    "NAME", "IDENTITY", "READY", "NEXT RENEWAL", "OUTAGE BUDGET", ">CONN", "MODE", "POLICY",
};

void proxies_add_row(struct table *table, const struct reply_status *status, int64_t now_s)
{
    struct words renewal = words_moment(status->next_renewal, now_s);
    struct words budget = words_span(status->outage_budget_s * 1000);
    char connections[24];
    char *mode = reply_mode(status->ports);

    (void)snprintf(connections, sizeof connections, "%lld", (long long)status->connections);
    const struct bytes cells[PROXIES_COLUMNS] = {
        status->name,
        status->identity,
        bytes_of(status->ready ? "yes" : "no"),
        bytes_of(renewal.text),
        bytes_of(status->outage_budget_s < 0 ? "-" : budget.text),
        bytes_of(connections),
        bytes_of(mode),
        status->policy,
    };
    table_add(table, status->ready ? TABLE_PLAIN : TABLE_BAD, cells);
    free(mode);
}

/* "reason: detail", "reason" or "detail", whatever there is. */
static void proxies_add_reason(struct buffer *notes, struct bytes name, const char *what,
                               struct bytes reason, struct bytes detail)
{
    (void)!buffer_add_format(notes, "%.*s: %s%.*s%s%.*s\n", (int)name.len, (const char *)name.at,
                             what, (int)reason.len, (const char *)reason.at,
                             reason.len > 0 && detail.len > 0 ? ": " : "", (int)detail.len,
                             (const char *)detail.at);
}

void proxies_add_notes(struct buffer *notes, const struct reply_status *status)
{
    for (size_t i = 0; i < json_count(status->conditions); i++) {
        struct reply_condition condition;
        char what[96];

        if (reply_condition_parse(json_at(status->conditions, i), &condition, NULL) != STATUS_OK ||
            bytes_equal_text(condition.value, "yes")) {
            continue;
        }
        (void)snprintf(what, sizeof what, "%s, %.*s: ",
                       bytes_equal_text(condition.value, "no") ? "not ready" : "not yet proved",
                       (int)condition.name.len, (const char *)condition.name.at);
        proxies_add_reason(notes, status->name, what, condition.text, bytes_of(""));
    }
    if (status->error_reason.len > 0) {
        proxies_add_reason(notes, status->name, "the last renewal failed, ", status->error_reason,
                           status->error_detail);
    }
    if (status->mesh_reason.len > 0) {
        proxies_add_reason(notes, status->name, "the newest mesh is not in force, ",
                           status->mesh_reason, status->mesh_detail);
    }
    for (size_t i = 0; i < json_count(status->warnings); i++) {
        struct bytes warning;

        if (json_text_of(json_at(status->warnings, i), &warning)) {
            proxies_add_reason(notes, status->name, "warning: ", warning, bytes_of(""));
        }
    }
    if (!bytes_equal_text(status->drain, "running") && status->drain.len > 0) {
        proxies_add_reason(notes, status->name, "", status->drain, bytes_of(""));
    }
}

/* One run of the command. */
struct proxies_run {
    struct table table;
    struct buffer notes;    /* sentences, a line each */
    struct buffer sidecars; /* replies as they came, with commas: for --json */
    struct buffer control;  /* the control plane's reply, or empty */
    size_t num_answers;
    bool all_ready;
};

static void proxies_run_clear(struct proxies_run *run)
{
    table_clear(&run->table);
    buffer_clear(&run->notes);
    buffer_clear(&run->sidecars);
    buffer_clear(&run->control);
}

/* Somebody who does not answer has a row too: a sidecar that died must not simply be missing. */
static void proxies_add_silent(struct proxies_run *run, const struct door *door,
                               const struct failure *why)
{
    const struct bytes cells[PROXIES_COLUMNS] = {
        bytes_of(door->name), bytes_of(""), bytes_of("no answer"), bytes_of(""),
        bytes_of(""),         bytes_of(""), bytes_of(""),          bytes_of(""),
    };

    run->all_ready = false;
    if (!door->control) {
        table_add(&run->table, TABLE_BAD, cells);
    }
    proxies_add_reason(&run->notes, bytes_of(door->name), "no answer, ", bytes_of(""),
                       bytes_of(why->detail));
}

static enum status proxies_read_sidecar(struct proxies_run *run, const struct door *door,
                                        struct bytes body, struct failure *why)
{
    CLEARED(reply_status) status = {0};

    TRY(reply_status_parse(body, &status, why));
    if (status.name.len == 0) {
        status.name = bytes_of(door->name);
    }
    proxies_add_row(&run->table, &status, clock_unix_s());
    proxies_add_notes(&run->notes, &status);
    run->all_ready = run->all_ready && status.ready;
    if (run->sidecars.len > 0) {
        TRY(buffer_add_text(&run->sidecars, ","));
    }
    return buffer_add(&run->sidecars, body);
}

static enum status proxies_ask(struct proxies_run *run, const struct door *door,
                               struct failure *why)
{
    CLEARED(buffer) body = {0};
    bool control;
    bool well;

    TRY(door_get(door, "/status", &body, why));
    run->num_answers++;
    TRY(control_plane_is(buffer_bytes(&body), &control, &well, why));
    if (!control) {
        return proxies_read_sidecar(run, door, buffer_bytes(&body), why);
    }
    run->all_ready = run->all_ready && well;
    buffer_reset(&run->control);
    return buffer_add(&run->control, buffer_bytes(&body));
}

static void proxies_print_json(const struct proxies_run *run)
{
    (void)printf("{\"ready\":%s,\"sidecars\":[%.*s],\"control\":%.*s}\n",
                 run->all_ready ? "true" : "false", (int)run->sidecars.len,
                 run->sidecars.len > 0 ? (const char *)run->sidecars.at : "",
                 run->control.len > 0 ? (int)run->control.len : 4,
                 run->control.len > 0 ? (const char *)run->control.at : "null");
}

static void proxies_print(struct proxies_run *run)
{
    bool colour = table_colour_wanted(stdout);
    struct failure why = {0};

    table_print(&run->table, stdout, colour);
    if (run->control.len > 0 && control_plane_print(buffer_bytes(&run->control), clock_unix_s(),
                                                    stdout, &why) != STATUS_OK) {
        run->all_ready = false;
        proxies_add_reason(&run->notes, bytes_of(DOORS_CONTROL), "", bytes_of(""),
                           bytes_of(why.detail));
    }
    if (run->notes.len > 0) {
        (void)printf("\n%.*s", (int)run->notes.len, (const char *)run->notes.at);
    }
}

static int proxies_show(const struct doors *doors, bool as_json)
{
    struct proxies_run run = {.all_ready = true};

    table_init(&run.table, proxies_titles, PROXIES_COLUMNS);
    buffer_init(&run.notes, PROXIES_NOTES_MAX);
    buffer_init(&run.sidecars, 4 * DOORS_REPLY_MAX);
    buffer_init(&run.control, DOORS_REPLY_MAX);
    for (size_t i = 0; i < doors->count; i++) {
        struct failure why = {0};

        if (proxies_ask(&run, &doors->items[i], &why) != STATUS_OK) {
            proxies_add_silent(&run, &doors->items[i], &why);
        }
    }
    if (run.num_answers == 0) {
        (void)fprintf(stderr, "signet: nothing answers:\n%.*s", (int)run.notes.len,
                      run.notes.len > 0 ? (const char *)run.notes.at : "");
        proxies_run_clear(&run);
        return VERDICT_UNREACHABLE;
    }
    if (as_json) {
        proxies_print_json(&run);
    } else {
        proxies_print(&run);
    }
    int verdict = run.all_ready ? VERDICT_OK : VERDICT_NO;
    proxies_run_clear(&run);
    return verdict;
}

int proxies_command(int count, char **arguments)
{
    struct doors_choice choice = {0};
    bool as_json = false;
    const struct manual_flag flags[] = {
        {"admin", "ADDRESS", DOORS_HELP_ADMIN, &choice.address, NULL},
        {"run-folder", "FOLDER", DOORS_HELP_FOLDER, &choice.folder, NULL},
        {"json", NULL, "one JSON object: {\"ready\", \"sidecars\": […], \"control\"}", NULL,
         &as_json},
    };
    const struct manual manual = {
        .synopsis = "signet status [--admin ADDRESS] [--json]",
        .purpose =
            "Asks every sidecar of this machine, and the control plane where it runs here,\n"
            "how it is: who it is, whether it is ready, when its certificate is renewed, how\n"
            "long it could do without the control plane (outage budget), how many connections\n"
            "live, what it demands of callers on its ports, and who may call. Says 1 when\n"
            "something is not ready.",
        .flags = flags,
        .num_flags = sizeof flags / sizeof flags[0],
        .examples =
            "  signet status                                       everything under " DOORS_FOLDER
            "\n"
            "  signet status --admin unix:/run/signet/web/admin.sock   one sidecar\n"
            "  signet status --json | jq '.sidecars[] | {name, ready}'",
    };
    struct manual_words words;
    CLEARED(doors) doors = {0};
    int verdict;

    if (!manual_open(&manual, count, arguments, &words, &verdict) ||
        !doors_open(&choice, DOORS_ALL, &doors, &verdict)) {
        return verdict;
    }
    return proxies_show(&doors, as_json);
}
