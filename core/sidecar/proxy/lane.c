/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/lane.h"

#include "core/runtime/base/clock.h"
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

void lane_init(struct lane *lane, struct worker *worker, const struct lane_options *options)
{
    *lane = (struct lane){.worker = worker, .options = options};
    log_init(&lane->log, "proxy");
    connection_table_init(&lane->table, worker, lane_check_limits, lane);
    access_log_init(&lane->access, worker, options->access);
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

/* Marsaglia's xorshift: chooses among endpoints, nothing more. */
uint32_t lane_draw(struct lane *lane)
{
    lane->drawn ^= lane->drawn << 13;
    lane->drawn ^= lane->drawn >> 17;
    lane->drawn ^= lane->drawn << 5;
    return lane->drawn;
}
