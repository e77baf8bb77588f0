/* SPDX-License-Identifier: Apache-2.0 */
/* `signet conn`: the live connections of the sidecars of this machine. */
#include "cmd/signet/connections.h"

#include <stdio.h>
#include <string.h>

#include "cmd/signet/commands.h"
#include "cmd/signet/doors.h"
#include "cmd/signet/manual.h"
#include "cmd/signet/words.h"

const char *const connections_titles[CONNECTIONS_COLUMNS] = {
    "SIDECAR", ">ID", "DIRECTION", "TRANSPORT", "PEER",  "DESTINATION", "PEER IDENTITY",
    "STATE",   "FOR", "AGE",       ">RECEIVED", ">SENT", "RULE",
};

static bool connections_has(struct bytes text, const char *part)
{
    return text.len > 0 && memmem(text.at, text.len, part, strlen(part)) != NULL;
}

bool connections_wanted(const struct connections_filter *filter,
                        const struct reply_connection *connection)
{
    if (filter->state != NULL && !bytes_equal_text(connection->state, filter->state)) {
        return false;
    }
    return filter->peer == NULL || connections_has(connection->peer, filter->peer) ||
           connections_has(connection->destination, filter->peer) ||
           connections_has(connection->peer_identity, filter->peer);
}

static void connections_add_row(struct table *table, const char *name,
                                const struct reply_connection *connection)
{
    struct words stay = words_span(connection->state_ms);
    struct words age = words_span(connection->age_ms);
    struct words received = words_size((uint64_t)connection->received_bytes);
    struct words sent = words_size((uint64_t)connection->sent_bytes);
    char id[24];

    (void)snprintf(id, sizeof id, "%lld", (long long)connection->id);
    const struct bytes cells[CONNECTIONS_COLUMNS] = {
        bytes_of(name),
        bytes_of(id),
        connection->direction,
        connection->transport,
        connection->peer,
        connection->destination,
        connection->peer_identity,
        connection->state,
        bytes_of(stay.text),
        bytes_of(age.text),
        bytes_of(received.text),
        bytes_of(sent.text),
        connection->rule.len > 0 ? connection->rule : connection->reason,
    };
    table_add(table, TABLE_PLAIN, cells);
}

enum status connections_add(struct table *table, const char *name, struct bytes body,
                            const struct connections_filter *filter, struct failure *why)
{
    OWNED(json_value) *top = NULL;
    const struct json_value *list = NULL;

    TRY(json_read(body, DOORS_REPLY_MAX, &top, why));
    TRY(json_get_array(top, "connections", &list, why));
    for (size_t i = 0; i < json_count(list); i++) {
        struct reply_connection connection;

        TRY(reply_connection_parse(json_at(list, i), &connection, why));
        if (connections_wanted(filter, &connection)) {
            connections_add_row(table, name, &connection);
        }
    }
    return STATUS_OK;
}

int64_t connections_next(struct bytes body)
{
    OWNED(json_value) *top = NULL;
    int64_t next = -1;

    /* A sidecar of before there were pages gives none. */
    if (json_read(body, DOORS_REPLY_MAX, &top, NULL) != STATUS_OK ||
        json_get_number(top, "next", 0, INT64_MAX, &next, NULL) != STATUS_OK) {
        return -1;
    }
    return next;
}

/* One run of the command. */
struct connections_run {
    struct table table;
    struct connections_filter filter;
    size_t num_replies;
    bool as_json;
};

static enum status connections_take(struct connections_run *run, const struct door *door,
                                    struct bytes body, int64_t *out_next, struct failure *why)
{
    TRY(connections_add(&run->table, door->name, body, &run->filter, why));
    if (run->as_json) {
        (void)printf("%s%.*s", run->num_replies == 0 ? "[" : ",", (int)body.len,
                     (const char *)body.at);
    }
    run->num_replies++;
    *out_next = connections_next(body);
    return STATUS_OK;
}

/* The first page has come; the others follow. */
static enum status connections_visit(void *user, const struct door *door, struct bytes body,
                                     struct failure *why)
{
    struct connections_run *run = user;
    int64_t next = -1;

    TRY(connections_take(run, door, body, &next, why));
    while (next >= 0) {
        CLEARED(buffer) page = {0};
        char path[64];

        (void)snprintf(path, sizeof path, "/connections?most=1024&from=%lld", (long long)next);
        TRY(door_get(door, path, &page, why));
        TRY(connections_take(run, door, buffer_bytes(&page), &next, why));
    }
    return STATUS_OK;
}

static int connections_show(struct connections_run *run, const struct doors *doors)
{
    int verdict;

    table_init(&run->table, connections_titles, CONNECTIONS_COLUMNS);
    verdict = doors_visit(doors, "/connections?most=1024", connections_visit, run);
    if (run->as_json) {
        (void)fputs(run->num_replies > 0 ? "]\n" : "", stdout);
    } else if (run->table.num_rows == 0 && run->num_replies > 0) {
        (void)puts(run->filter.peer == NULL && run->filter.state == NULL
                       ? "no connections"
                       : "no connections that fit the filter");
    } else {
        table_print(&run->table, stdout, table_colour_wanted(stdout));
    }
    table_clear(&run->table);
    return verdict;
}

int connections_command(int count, char **arguments)
{
    struct doors_choice choice = {0};
    struct connections_run run = {0};
    const struct manual_flag flags[] = {
        {"peer", "TEXT", "only those with TEXT in an address or in the peer's identity",
         &run.filter.peer, NULL},
        {"state", "STATE", "only those in this state: route, identity, admit, handshake, relay, …",
         &run.filter.state, NULL},
        {"admin", "ADDRESS", DOORS_HELP_ADMIN, &choice.address, NULL},
        {"run-folder", "FOLDER", DOORS_HELP_FOLDER, &choice.folder, NULL},
        {"json", NULL, "the sidecars' own pages, whole, in one JSON array", NULL, &run.as_json},
    };
    const struct manual manual = {
        .synopsis = "signet conn [NAME…] [--peer TEXT] [--state STATE] [--json]",
        .purpose =
            "Lists the live connections of each sidecar: who is at the other end, proved by\n"
            "which identity, in what state and since when, how many bytes went each way\n"
            "(received from and sent to the network), and the rule that let it in.",
        .flags = flags,
        .num_flags = sizeof flags / sizeof flags[0],
        .examples = "  signet conn                            everything\n"
                    "  signet conn api --peer /sa/web         of api, with web at the other end\n"
                    "  signet conn --state handshake          who is stuck in TLS",
        .operands_max = 4,
    };
    CLEARED(doors) doors = {0};
    int verdict;

    if (!doors_enter(&manual, count, arguments, &choice, &doors, &verdict)) {
        return verdict;
    }
    if (run.as_json && (run.filter.peer != NULL || run.filter.state != NULL)) {
        (void)fputs("signet: --json gives the pages whole: filter them with jq\n", stderr);
        return VERDICT_USAGE;
    }
    return connections_show(&run, &doors);
}
