/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/connection.h"

#include <assert.h>
#include <stdlib.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/net/linger.h"
#include "core/runtime/net/tcp.h"
#include "core/sidecar/proxy/record.h"

static uint64_t connection_now_us(void)
{
    return uv_hrtime() / 1000;
}

struct connection *connection_make(struct lane *lane, enum connection_direction direction, int fd,
                                   const struct address *peer)
{
    struct connection *connection = memory_make(sizeof *connection);
    struct stream *accepted = tcp_start(lane->worker, fd);

    memory_account_add(&lane->worker->slabs.account, (long)sizeof *connection);
    connection->lane = lane;
    connection->accepted_fd = fd;
    connection->direction = (uint8_t)direction;
    connection->snapshot = lane->snapshot == NULL ? NULL : snapshot_ref(lane->snapshot);
    connection->peer_ip = address_ip(peer);
    connection->peer_port = address_port(peer);
    connection->id = (uint64_t)lane->worker->index << 48 | ++lane->next_id;
    connection->opened_ms = worker_now_ms(lane->worker);
    if (direction == CONNECTION_INBOUND) {
        connection->network = accepted;
    } else {
        connection->app = accepted;
    }
    connection_table_add(&lane->table, connection, &connection->slot);
    lane_count_live(lane, 1);
    metrics_add(lane->worker->index, METRIC_CONNECTIONS_ACCEPTED, record_direction(connection),
                LABEL_NONE, 1);
    return connection;
}

const struct snapshot_workload *connection_self(const struct connection *connection)
{
    const char *workload = connection->lane->options->workload;

    if (connection->snapshot == NULL || workload == NULL) {
        return NULL;
    }
    return connection->snapshot == connection->lane->snapshot
               ? connection->lane->self
               : snapshot_workload_find(connection->snapshot, bytes_of(workload));
}

/* It waits for the first certificate, or the first mesh: people should see that it does. */
static void connection_wait_begins(struct connection *connection)
{
    if (!connection->waits) {
        connection->waits = true;
        metrics_gauge_add(connection->lane->worker->index, METRIC_IDENTITY_WAITING, LABEL_NONE,
                          LABEL_NONE, 1);
    }
}

static void connection_wait_ends(struct connection *connection, enum metrics_label outcome)
{
    unsigned shard = connection->lane->worker->index;

    if (connection->waits) {
        connection->waits = false;
        metrics_gauge_add(shard, METRIC_IDENTITY_WAITING, LABEL_NONE, LABEL_NONE, -1);
        metrics_add(shard, METRIC_IDENTITY_WAITS, record_direction(connection), outcome, 1);
    }
}

static void connection_enter(struct connection *connection, enum connection_state state)
{
    struct connection_table *table = &connection->lane->table;

    connection_wait_ends(connection, LABEL_OK);
    if (connection->state == CONNECTION_HANDSHAKE) {
        lane_leave(connection->lane, &connection->ticket);
    }
    list_remove(&connection->link);
    connection->state = (uint8_t)state;
    connection->entered_ms = worker_now_ms(connection->lane->worker);
    list_add(&table->lists[connection->direction][state], &connection->link);
}

/* The only way out. Streams free themselves later; nothing of the connection is touched after this. */
static void connection_end(struct connection *connection, enum status status,
                           const struct failure *why)
{
    bool reset = status != STATUS_OK && connection->state == CONNECTION_RELAY;

    connection_wait_ends(connection, LABEL_FAILED);
    record_end(connection, status, why);
    list_remove(&connection->link);
    list_remove(&connection->due);
    lane_leave(connection->lane, &connection->ticket);
    connection_table_remove(&connection->lane->table, connection->slot);
    lane_count_live(connection->lane, -1);
    relay_clear(&connection->relay);
    dial_cancel(&connection->dial);
    if (status != STATUS_OK && connection->tls && connection->state != CONNECTION_RELAY) {
        /* An alert is on its way: what the peer still sends must not turn it into a reset. */
        linger_start(connection->lane->worker, tls_stream_unwrap(&connection->network));
    }
    stream_close(&connection->network, reset);
    /* An application that waits for a peer which cannot be reached learns it as a reset. */
    stream_close(&connection->app, status != STATUS_OK);
    snapshot_drop(&connection->snapshot);
    rule_note_give(&connection->lane->rules, &connection->rule);
    free(connection->dial_why);
    memory_account_add(&connection->lane->worker->slabs.account, -(long)sizeof *connection);
    free(connection);
}

void connection_fail(struct connection *connection, enum status status, const struct failure *why)
{
    connection_end(connection, status == STATUS_OK ? STATUS_IO : status, why);
}

/* A piece of handshake is costly: it is done from the lane's line, in turns with established flows. */
static bool connection_waits_for_turn(struct connection *connection)
{
    if (connection->state != CONNECTION_HANDSHAKE || lane_in_turn(connection->lane)) {
        return false;
    }
    stream_interest(connection->network, 0); /* what it told is known: no need to hear it again */
    lane_ask_turn(connection->lane, &connection->due);
    connection_table_watch(&connection->lane->table);
    return true;
}

void connection_advance(struct connection *connection)
{
    struct connection_table *table = &connection->lane->table;

    while (!connection_waits_for_turn(connection)) {
        struct failure why = {0};
        bool first = connection->state == CONNECTION_IDENTITY;
        const struct connection_step *step = &connection->steps[connection->state];
        int next = step->run(connection, &why);

        if (next == STEP_WAIT) { /* the connection may be gone, but not of a wait for an identity */
            if (first) {
                connection_wait_begins(connection);
            }
            if (step->limit != LANE_NO_LIMIT) {
                connection_table_watch(table);
            }
            return;
        }
        if (next < 0) {
            connection_end(connection, (enum status)(STEP_ENDS - next), &why);
            return;
        }
        connection_enter(connection, (enum connection_state)next);
    }
}

void connection_late(struct connection *connection)
{
    const struct connection_step *step = &connection->steps[connection->state];
    int next = step->passed == NULL ? STEP_WAIT : step->passed(connection);
    struct failure why = {0};

    if (next >= 0) {
        connection_enter(connection, (enum connection_state)next);
        connection_advance(connection);
        return;
    }
    (void)fail(&why, STATUS_LIMIT, step->late, "%s took longer than %u ms",
               connection_state_word((enum connection_state)connection->state),
               connection->lane->options->limit_ms[step->limit]);
    connection_end(connection, STATUS_LIMIT, &why);
}

void connection_begin(struct connection *connection, enum connection_state first)
{
    connection_enter(connection, first);
    connection_advance(connection);
}

static void connection_event(void *user, unsigned events)
{
    (void)events;
    connection_advance(user);
}

void connection_watch_network(struct connection *connection, unsigned events)
{
    stream_own(connection->network, connection_event, connection);
    stream_interest(connection->network, events);
}

void connection_watch_app(struct connection *connection, unsigned events)
{
    stream_own(connection->app, connection_event, connection);
    stream_interest(connection->app, events);
}

static void connection_dial_done(void *user, enum status status, struct stream *stream,
                                 const struct failure *why)
{
    struct connection *connection = user;

    connection->dial = NULL;
    connection->dial_us = (uint32_t)(connection_now_us() - connection->step_us);
    record_dial(connection, status, status == STATUS_OK ? NULL : why->reason);
    if (status != STATUS_OK) {
        connection->dial_why = memory_make(sizeof *connection->dial_why);
        *connection->dial_why = *why;
    } else if (connection->direction == CONNECTION_INBOUND) {
        connection->app = stream;
    } else {
        connection->network = stream;
    }
    connection_advance(connection);
}

void connection_dial(struct connection *connection, const struct address *to)
{
    struct lane *lane = connection->lane;

    connection_forget_dial(connection);
    connection->step_us = connection_now_us();
    connection->dial = dial_start(lane->worker, to, lane->options->limit_ms[LANE_LIMIT_DIAL],
                                  connection_dial_done, connection);
}

enum status connection_dialled(struct connection *connection, struct failure *why)
{
    if (connection->dial != NULL) {
        return STATUS_WAIT;
    }
    if (connection->dial_why != NULL) {
        *why = *connection->dial_why;
        return STATUS_IO;
    }
    return STATUS_OK;
}

void connection_forget_dial(struct connection *connection)
{
    free(connection->dial_why);
    connection->dial_why = NULL;
}

int connection_admit(struct connection *connection, struct failure *why)
{
    struct lane *lane = connection->lane;
    enum admission_answer answer = ADMISSION_WAITS;

    if (connection->ticket.source == NULL) {
        answer = lane_admit(lane, &connection->ticket, &connection->peer_ip);
    } else if (connection->ticket.admitted) {
        answer = ADMISSION_GRANTED;
    }
    if (answer == ADMISSION_FULL) {
        return STEP_FAIL(fail(why, STATUS_LIMIT, "limit/waiting",
                              "%u connections wait for a handshake already",
                              lane->admission.waiting));
    }
    if (answer == ADMISSION_WAITS) {
        stream_interest(connection->network, 0);
        return STEP_WAIT; /* the lane resumes us when it is our turn */
    }
    if (!lane_has_identity(lane)) { /* it has ended while we waited */
        lane_leave(lane, &connection->ticket);
        return CONNECTION_IDENTITY;
    }
    connection_secure(connection, TLS_SERVER, NULL);
    return CONNECTION_HANDSHAKE;
}

void connection_secure(struct connection *connection, enum tls_role role, const char *expected_id)
{
    struct lane *lane = connection->lane;

    assert(lane->slot.current != NULL && !connection->tls);
    connection->network = tls_stream_start(lane->worker, &lane->slot, role, connection->network,
                                           expected_id);
    connection->tls = true;
    connection->step_us = connection_now_us();
    stream_own(connection->network, connection_event, connection);
}

enum status connection_handshake(struct connection *connection, struct failure *why)
{
    enum status status = tls_stream_handshake(connection->network, why);

    if (status != STATUS_WAIT) {
        connection->handshake_us = (uint32_t)(connection_now_us() - connection->step_us);
        record_handshake(connection, status, status == STATUS_OK ? NULL : why->reason);
    }
    return status;
}

const struct tls_peer *connection_peer(const struct connection *connection)
{
    return connection->tls ? tls_stream_peer(connection->network) : NULL;
}

static void connection_relay_done(struct relay *relay, enum status status,
                                  const struct failure *why)
{
    struct connection *connection = LIST_OF(relay, struct connection, relay);

    connection_end(connection, status, why);
}

/* The relay counts bytes as they move: a connection may live for weeks. */
static void connection_count_bytes(struct connection *connection)
{
    static const enum metrics_label ways[] = {LABEL_RECEIVED, LABEL_SENT};

    for (int i = 0; i < 2; i++) {
        connection->relay.counted[i] =
            metrics_counter(connection->lane->worker->index, METRIC_BYTES,
                            record_direction(connection), ways[i]);
    }
}

bool connection_end_idle(struct connection *connection, uint64_t idle_ms)
{
    uint64_t now_ms = worker_now_ms(connection->lane->worker);

    if (connection->ending || now_ms - connection->relay.moved_ms < idle_ms ||
        relay_held(&connection->relay) > 0) {
        return false;
    }
    connection->ending = true;
    /* Way 1 leads to the network, way 0 to the application. May free the connection. */
    relay_end(&connection->relay, connection->direction == CONNECTION_INBOUND ? 1 : 0);
    return true;
}

int connection_relay(struct connection *connection, struct failure *why)
{
    (void)why;
    if (!connection->shown) {
        connection->shown = true;
        record_open(connection);
        /* From here on it may live for weeks: it does not keep a mesh of old alive. */
        connection->endpoint.workload = NULL;
        snapshot_drop(&connection->snapshot);
        connection_count_bytes(connection);
        /* May end, and free, the connection: STEP_WAIT touches it no more. */
        relay_start(&connection->relay, connection->lane->worker, connection->network,
                    connection->app, connection_relay_done);
    }
    return STEP_WAIT;
}
