/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/lane.h"

#include "core/runtime/base/clock.h"
#include "core/runtime/telemetry/metrics.h"
#include "core/sidecar/proxy/connection.h"

static struct connection *lane_connection(struct list_link *link)
{
    return LIST_OF(link, struct connection, link);
}

/* Ends the connections of one list that have waited too long. True when a limit is still running. */
static bool lane_check_list(struct lane *lane, struct list *list)
{
    uint64_t now_ms = worker_now_ms(lane->worker);

    LIST_EACH(list, link) {
        struct connection *connection = lane_connection(link);
        const struct connection_step *step = &connection->steps[connection->state];
        uint32_t limit_ms = lane->options->limit_ms[step->limit];

        if (step->limit == LANE_NO_LIMIT) {
            return false; /* so it is for all of this list */
        }
        if (now_ms - connection->entered_ms < limit_ms) {
            return true; /* the oldest comes first */
        }
        connection_late(connection);
    }
    return false;
}

static void lane_check_limits(void *user)
{
    struct lane *lane = user;
    bool running = false;

    for (int i = 0; i < CONNECTION_DIRECTIONS; i++) {
        for (int k = 0; k < CONNECTION_STATES; k++) {
            running = lane_check_list(lane, &lane->table.lists[i][k]) || running;
        }
    }
    if (!running) {
        connection_table_rest(&lane->table);
    }
}

/* ---- handshakes: who may begin one, and whose turn it is ---- */

/* The gauges, after each change. */
static void lane_show_admission(struct lane *lane, unsigned half_open, unsigned waiting)
{
    unsigned shard = lane->worker->index;

    metrics_gauge_add(shard, METRIC_HANDSHAKES_HALF_OPEN, LABEL_NONE, LABEL_NONE,
                      (int64_t)lane->admission.half_open - half_open);
    metrics_gauge_add(shard, METRIC_HANDSHAKES_WAITING, LABEL_NONE, LABEL_NONE,
                      (int64_t)lane->admission.waiting - waiting);
}

enum admission_answer lane_admit(struct lane *lane, struct admission_ticket *ticket,
                                 const struct ip *from)
{
    unsigned half_open = lane->admission.half_open;
    unsigned waiting = lane->admission.waiting;
    enum admission_answer answer = admission_ask(&lane->admission, ticket, from);

    lane_show_admission(lane, half_open, waiting);
    return answer;
}

void lane_leave(struct lane *lane, struct admission_ticket *ticket)
{
    unsigned half_open = lane->admission.half_open;
    unsigned waiting = lane->admission.waiting;

    admission_leave(&lane->admission, ticket);
    lane_show_admission(lane, half_open, waiting);
    if (admission_has_next(&lane->admission)) {
        turn_wake(&lane->turn);
    }
}

void lane_ask_turn(struct lane *lane, struct list_link *due)
{
    if (!list_has(due)) {
        list_add(&lane->due, due);
    }
    turn_wake(&lane->turn);
}

bool lane_in_turn(const struct lane *lane)
{
    return lane->in_turn;
}

/* The next that waits for a place and may have one now. */
static struct connection *lane_admit_next(struct lane *lane)
{
    unsigned half_open = lane->admission.half_open;
    unsigned waiting = lane->admission.waiting;
    struct admission_ticket *ticket = admission_next(&lane->admission);

    lane_show_admission(lane, half_open, waiting);
    return ticket == NULL ? NULL : LIST_OF(ticket, struct connection, ticket);
}

/* Begun handshakes go first: they give places back. */
static bool lane_piece(void *user)
{
    struct lane *lane = user;
    struct connection *connection = NULL;

    if (!list_is_empty(&lane->due)) {
        struct list_link *link = lane->due.head.next;

        list_remove(link);
        connection = LIST_OF(link, struct connection, due);
    } else {
        connection = lane_admit_next(lane);
    }
    if (connection == NULL) {
        return false;
    }
    lane->in_turn = true;
    connection_advance(connection);
    lane->in_turn = false;
    return true;
}

void lane_init(struct lane *lane, struct worker *worker, const struct lane_options *options)
{
    *lane = (struct lane){.worker = worker, .options = options};
    log_init(&lane->log, "proxy");
    connection_table_init(&lane->table, worker, lane_check_limits, lane);
    access_log_init(&lane->access, worker, options->access);
    admission_init(&lane->admission, &options->admission);
    list_init(&lane->due);
    turn_init(&lane->turn, worker, lane_piece, lane);
    lane->drawn = (uint32_t)uv_hrtime() | 1u;
}

void lane_close(struct lane *lane)
{
    struct failure why = {0};

    (void)fail(&why, STATUS_LIMIT, "drain/deadline", "the proxy ends");
    for (int i = 0; i < CONNECTION_DIRECTIONS; i++) {
        for (int k = 0; k < CONNECTION_STATES; k++) {
            LIST_EACH(&lane->table.lists[i][k], link) {
                connection_fail(lane_connection(link), STATUS_LIMIT, &why);
            }
        }
    }
    turn_close(&lane->turn);
    admission_clear(&lane->admission);
    rule_notes_clear(&lane->rules);
    connection_table_close(&lane->table);
    access_log_close(&lane->access);
    slot_clear(&lane->slot);
    snapshot_drop(&lane->snapshot);
    lane->self = NULL;
}

/* Those that waited for what has come now go on. */
static void lane_resume_waiting(struct lane *lane)
{
    for (int i = 0; i < CONNECTION_DIRECTIONS; i++) {
        LIST_EACH(&lane->table.lists[i][CONNECTION_IDENTITY], link) {
            connection_advance(lane_connection(link));
        }
    }
}

void lane_take_context(struct lane *lane, struct tls_context *context)
{
    slot_swap(&lane->slot, context);
    lane_resume_waiting(lane);
}

bool lane_has_identity(const struct lane *lane)
{
    return lane->slot.current != NULL &&
           svid_expires_at(identity_set_svid(tls_context_identities(lane->slot.current))) >
               clock_unix_s();
}

void lane_take_snapshot(struct lane *lane, struct snapshot *snapshot)
{
    snapshot_drop(&lane->snapshot);
    lane->snapshot = snapshot;
    lane->self = lane->options->workload == NULL
                     ? NULL
                     : snapshot_workload_find(snapshot, bytes_of(lane->options->workload));
    lane_resume_waiting(lane);
}

void lane_end_idle(struct lane *lane, uint64_t idle_ms)
{
    unsigned ended = 0;

    for (int i = 0; i < CONNECTION_DIRECTIONS; i++) {
        LIST_EACH(&lane->table.lists[i][CONNECTION_RELAY], link) {
            ended += connection_end_idle(lane_connection(link), idle_ms) ? 1 : 0;
        }
    }
    atomic_fetch_add_explicit(&lane->num_idle_ended, ended, memory_order_relaxed);
}

void lane_count_live(struct lane *lane, int change)
{
    if (lane->options->num_live != NULL) {
        atomic_fetch_add_explicit(lane->options->num_live, (unsigned)change,
                                  memory_order_relaxed);
    }
}

const char *lane_held(const struct lane *lane)
{
    const struct lane_options *options = lane->options;

    if (options->most_live > 0 && options->num_live != NULL &&
        atomic_load_explicit(options->num_live, memory_order_relaxed) >= options->most_live) {
        return "limit/descriptors";
    }
    if (memory_ledger_over()) {
        return "limit/memory";
    }
    return NULL;
}

/* Marsaglia's xorshift: chooses among endpoints, nothing more. */
uint32_t lane_draw(struct lane *lane)
{
    lane->drawn ^= lane->drawn << 13;
    lane->drawn ^= lane->drawn >> 17;
    lane->drawn ^= lane->drawn << 5;
    return lane->drawn;
}
