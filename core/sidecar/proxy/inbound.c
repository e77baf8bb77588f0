/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/inbound.h"

#include <string.h>

#include "core/runtime/net/tcp.h"
#include "core/sidecar/capture/original_dst.h"
#include "core/sidecar/capture/sniff.h"
#include "core/sidecar/proxy/connection.h"
#include "core/trust/tls/posture.h"

/* Read before anything is known of a connection, put back, and kept for it. */
#define INBOUND_PEEK_MAX (2 * SNIFF_MAX)

/*
 * Fills what policy may look at. False when the peer's ID is not one: then nobody was verified, and
 * the caller must not be judged as anonymous.
 */
static bool inbound_facts(const struct connection *connection, struct facts *out_facts)
{
    const struct tls_peer *peer = connection_peer(connection);

    *out_facts = (struct facts){
        .source_ip = connection->peer_ip,
        .destination_ip = connection->to_ip,
        .destination_port = connection->to_port,
    };
    return peer == NULL || facts_set_peer(out_facts, bytes_make(peer->id, peer->id_len));
}

/*
 * Is who calls known to have a sidecar? Then mutual TLS comes from there, however late: silence is a
 * packet that was lost, never a caller without TLS.
 */
static bool inbound_caller_has_sidecar(const struct connection *connection)
{
    const struct snapshot_workload *caller =
        snapshot_workload_at(connection->snapshot, &connection->peer_ip);

    return caller != NULL && caller->has_sidecar;
}

/* Would a caller without identity be let in? */
static bool inbound_takes_anonymous(const struct connection *connection)
{
    const struct snapshot_workload *self = connection_self(connection);
    struct decision decision;
    struct facts facts;

    if (self == NULL || connection->mode == MTLS_STRICT || !inbound_facts(connection, &facts)) {
        return false;
    }
    evaluate(self->policy, &facts, &decision);
    return decision.allowed;
}

/* Where it begins, by what the mesh says of its port; STRICT while there is no mesh. */
static enum connection_state inbound_first(struct connection *connection)
{
    const struct snapshot_workload *self = connection_self(connection);

    if (connection->forward == NULL && self != NULL) {
        connection->mode = (uint8_t)policy_mtls(self->policy, connection->to_port);
    }
    switch ((enum mtls_mode)connection->mode) {
    case MTLS_DISABLE:
        return CONNECTION_AUTHORIZE;
    case MTLS_PERMISSIVE:
        return inbound_caller_has_sidecar(connection) ? CONNECTION_HEAR : CONNECTION_SNIFF;
    default:
        return CONNECTION_IDENTITY;
    }
}

static int inbound_identity(struct connection *connection, struct failure *why)
{
    struct lane *lane = connection->lane;

    (void)why;
    if (lane->options->has_mesh && connection->snapshot == NULL) {
        if (lane->snapshot == NULL) {
            return STEP_WAIT; /* the lane resumes us when the mesh is here */
        }
        connection->snapshot = snapshot_ref(lane->snapshot);
        return inbound_first(connection);
    }
    if (!lane_has_identity(lane)) {
        return STEP_WAIT; /* the lane resumes us when a certificate is here */
    }
    return CONNECTION_ADMIT;
}

static void inbound_dial_now(struct connection *connection)
{
    struct address to = connection->forward != NULL
                            ? connection->forward->to
                            : address_of_ip(&connection->to_ip, connection->to_port);

    connection_dial(connection, &to);
}

/*
 * Has the application spoken first? Then the protocol is its own, and in plaintext. Its end counts as
 * speech: it shows again later.
 */
static bool inbound_app_speaks(struct connection *connection)
{
    uint8_t *scratch = worker_scratch(connection->lane->worker, 0);
    enum status status;
    size_t got = 0;

    if (connection->app == NULL || connection->dial != NULL) {
        return false;
    }
    status = stream_read(connection->app, scratch, INBOUND_PEEK_MAX, &got, NULL);
    if (status == STATUS_OK) {
        stream_unread(connection->app, bytes_make(scratch, got));
    }
    return status != STATUS_WAIT;
}

/*
 * Reads what the client has sent so far, and puts it back. *out_all: it has ended, or broken, behind
 * those bytes; that shows again later.
 */
static enum status inbound_peek(struct connection *connection, struct bytes *out_first,
                                bool *out_all, struct failure *why)
{
    uint8_t *scratch = worker_scratch(connection->lane->worker, 0);
    enum status status = STATUS_OK;
    size_t used = 0;

    while (used < SNIFF_MAX) {
        size_t got = 0;

        status = stream_read(connection->network, scratch + used, INBOUND_PEEK_MAX - used, &got,
                             why);
        if (status != STATUS_OK) {
            break;
        }
        used += got;
    }
    *out_first = bytes_make(scratch, used);
    if (used > 0) {
        stream_unread(connection->network, *out_first);
        *out_all = status != STATUS_OK && status != STATUS_WAIT;
        return STATUS_OK;
    }
    return status;
}

/* What a permissive port makes of the client's first bytes; `all`: there will be no more. */
static int inbound_judge_first(struct connection *connection, struct bytes first, bool all)
{
    struct sniff sniff;

    sniff_bytes(first, &sniff);
    if (sniff.kind == SNIFF_MORE && !all) {
        connection_watch_network(connection, STREAM_READABLE);
        return STEP_WAIT;
    }
    stream_interest(connection->network, 0);
    return sniff.kind == SNIFF_TLS &&
                   posture_is_mesh_alpn(bytes_make(sniff.protocols, sniff.protocols_len))
               ? CONNECTION_IDENTITY
               : CONNECTION_AUTHORIZE;
}

static bool inbound_is_unfinished(struct bytes first)
{
    struct sniff sniff;

    sniff_bytes(first, &sniff);
    return sniff.kind == SNIFF_MORE;
}

/*
 * A permissive port, and a caller with a sidecar: what it says decides, and only that. Until it
 * speaks the application is not even dialled, so nothing can be heard in its place; and half of a
 * ClientHello is no speech, be it the last that comes.
 */
static int inbound_hear(struct connection *connection, struct failure *why)
{
    struct bytes first;
    bool all = false;
    enum status status = inbound_peek(connection, &first, &all, why);

    if (status == STATUS_WAIT) {
        connection_watch_network(connection, STREAM_READABLE);
        return STEP_WAIT;
    }
    if (status != STATUS_OK) {
        return status == STATUS_CLOSED ? STEP_ENDS : STEP_FAIL(status);
    }
    if (all && inbound_is_unfinished(first)) {
        return STEP_FAIL(fail(why, STATUS_PROTOCOL, "inbound/unfinished-sidecar",
                              "a caller with a sidecar ended within its ClientHello, %zu bytes "
                              "into it", first.len));
    }
    return inbound_judge_first(connection, first, all);
}

/*
 * A permissive port, and any other caller: is it the mesh's TLS all the same? A client that stays
 * silent may be waiting for the application to speak first (SMTP, MySQL): so where policy lets an
 * anonymous caller in, the application is dialled at once, and whoever speaks first decides. Where it
 * does not, a silent client costs the application nothing.
 */
static int inbound_sniff(struct connection *connection, struct failure *why)
{
    struct bytes first;
    bool all = false;
    enum status status = inbound_peek(connection, &first, &all, why);

    if (status == STATUS_CLOSED) {
        /* A client that only listens has ended its direction: the application may still speak. */
        return inbound_takes_anonymous(connection) ? CONNECTION_AUTHORIZE : STEP_ENDS;
    }
    if (status != STATUS_OK && status != STATUS_WAIT) {
        return STEP_FAIL(status);
    }
    if (status == STATUS_WAIT) {
        if (connection->dial_why != NULL || inbound_app_speaks(connection)) {
            return CONNECTION_AUTHORIZE;
        }
        if (connection->app == NULL && connection->dial == NULL &&
            inbound_takes_anonymous(connection)) {
            inbound_dial_now(connection);
        }
        connection_watch_network(connection, STREAM_READABLE);
        if (connection->app != NULL) {
            connection_watch_app(connection, STREAM_READABLE);
        }
        return STEP_WAIT;
    }
    if (connection->app != NULL) {
        stream_interest(connection->app, 0); /* the client has spoken first */
    }
    return inbound_judge_first(connection, first, all);
}

static int inbound_handshake(struct connection *connection, struct failure *why)
{
    enum status status = connection_handshake(connection, why);

    if (status == STATUS_WAIT || status == STATUS_OK) {
        /*
         * A client with Nagle's algorithm holds the rest of its certificate, or its first request behind
         * Finished, until we acknowledge: 40 ms that we have no answer to send with.
         */
        tcp_acknowledge(connection->accepted_fd);
    }
    if (status == STATUS_WAIT) {
        return STEP_WAIT;
    }
    return status == STATUS_OK ? CONNECTION_AUTHORIZE : STEP_FAIL(status);
}

/* The verdict is that of the mesh in force now, however long the handshake was held open. */
static void inbound_take_newest_mesh(struct connection *connection)
{
    struct snapshot *newest = connection->lane->snapshot;

    if (newest != NULL && newest != connection->snapshot) {
        snapshot_drop(&connection->snapshot);
        connection->snapshot = snapshot_ref(newest);
    }
}

/* The verdict of policy, and of an explicit listener's only caller. */
static enum status inbound_judge(struct connection *connection, struct failure *why)
{
    const struct snapshot_workload *self = connection_self(connection);
    const struct tls_peer *peer = connection_peer(connection);
    struct decision decision;
    struct facts facts;
    const char *who = peer == NULL ? "an anonymous caller" : peer->id;

    if (connection->forward != NULL && connection->forward->peer_id != NULL &&
        (peer == NULL || strcmp(connection->forward->peer_id, peer->id) != 0)) {
        return fail(why, STATUS_DENIED, "deny/peer", "%s came, only %s is let in", who,
                    connection->forward->peer_id);
    }
    if (!inbound_facts(connection, &facts)) {
        return fail(why, STATUS_DENIED, "deny/peer", "%s is not a workload's identity", who);
    }
    if (self == NULL) {
        /* An explicit listener without a mesh: the handshake has proved membership, that is its rule. */
        connection->reason = "allow/no-policy";
        return connection->forward != NULL && peer != NULL && !connection->lane->options->has_mesh
                   ? STATUS_OK
                   : fail(why, STATUS_DENIED, "deny/no-mesh",
                          "this workload is not in the mesh file: nobody may call it");
    }
    evaluate(self->policy, &facts, &decision);
    connection->reason = decision.reason;
    rule_note_give(&connection->lane->rules, &connection->rule);
    connection->rule = rule_note_take(&connection->lane->rules, &decision.rule);
    if (decision.allowed) {
        return STATUS_OK;
    }
    return fail(why, STATUS_DENIED, decision.reason, "%s may not call port %u (rule: %s)", who,
                connection->to_port, connection->rule == NULL ? "none" : connection->rule->text);
}

static int inbound_authorize(struct connection *connection, struct failure *why)
{
    inbound_take_newest_mesh(connection);
    if (inbound_judge(connection, why) != STATUS_OK) {
        if (connection->tls) {
            tls_stream_refuse(connection->network, TLS_ALERT_ACCESS_DENIED);
        }
        return STEP_FAIL(STATUS_DENIED);
    }
    return CONNECTION_DIAL;
}

static int inbound_dial(struct connection *connection, struct failure *why)
{
    enum status status;

    if (connection->app == NULL && connection->dial == NULL && connection->dial_why == NULL) {
        inbound_dial_now(connection);
    }
    status = connection_dialled(connection, why);
    if (status == STATUS_WAIT) {
        /* Data that comes meanwhile stays in the socket. */
        connection_watch_network(connection, 0);
        return STEP_WAIT;
    }
    return status == STATUS_OK ? CONNECTION_RELAY : STEP_FAIL(status);
}

/* Both sides are silent, and policy lets an anonymous caller in: an idle connection of its own right. */
static int inbound_sniff_passed(struct connection *connection)
{
    return connection->app != NULL && connection->dial == NULL ? CONNECTION_AUTHORIZE : STEP_WAIT;
}

static const struct connection_step inbound_steps[CONNECTION_STATES] = {
    [CONNECTION_IDENTITY] = {inbound_identity, LANE_LIMIT_IDENTITY, "inbound/no-identity", NULL},
    [CONNECTION_HEAR] = {inbound_hear, LANE_LIMIT_HANDSHAKE, "inbound/silent-sidecar", NULL},
    [CONNECTION_SNIFF] = {inbound_sniff, LANE_LIMIT_SNIFF, "inbound/silent", inbound_sniff_passed},
    [CONNECTION_ADMIT] = {connection_admit, LANE_LIMIT_HANDSHAKE, "limit/handshakes", NULL},
    [CONNECTION_HANDSHAKE] = {inbound_handshake, LANE_LIMIT_HANDSHAKE, "inbound/handshake-late",
                              NULL},
    [CONNECTION_AUTHORIZE] = {inbound_authorize, LANE_NO_LIMIT, NULL, NULL},
    [CONNECTION_DIAL] = {inbound_dial, LANE_LIMIT_DIAL, "inbound/application-late", NULL},
    [CONNECTION_RELAY] = {connection_relay, LANE_NO_LIMIT, NULL, NULL},
};

static struct connection *inbound_make(struct lane *lane, int fd, const struct address *peer)
{
    struct connection *connection = connection_make(lane, CONNECTION_INBOUND, fd, peer);

    connection->steps = inbound_steps;
    connection->mode = MTLS_STRICT;
    return connection;
}

void inbound_accepted(struct lane *lane, int fd, const struct address *peer)
{
    struct connection *connection = inbound_make(lane, fd, peer);
    struct failure why = {0};
    struct address to;
    enum status status = original_dst_inbound(fd, &to, &why);

    if (status != STATUS_OK) {
        metrics_add(lane->worker->index, METRIC_DESTINATION_LOOPS, LABEL_INBOUND, LABEL_NONE,
                    status == STATUS_DENIED ? 1 : 0);
        connection_fail(connection, status, &why);
        return;
    }
    connection->to_ip = address_ip(&to);
    connection->to_port = address_port(&to);
    connection_begin(connection, inbound_first(connection));
}

void inbound_forwarded(struct lane *lane, const struct forward *forward, int fd,
                       const struct address *peer)
{
    struct connection *connection = inbound_make(lane, fd, peer);

    connection->forward = forward;
    connection->to_ip = address_ip(&forward->to);
    connection->to_port = address_port(&forward->to);
    connection_begin(connection, inbound_first(connection));
}
