/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/outbound.h"

#include <string.h>

#include "core/sidecar/capture/original_dst.h"
#include "core/sidecar/proxy/canary.h"
#include "core/sidecar/proxy/connection.h"

/* Endpoints of a service that are dialled before the application is told that none answers. */
enum { OUTBOUND_TRIES = 3 };

/* Who must be at the other end; NULL: this leg is plaintext. Lives as long as the connection. */
static const char *outbound_expected(const struct connection *connection)
{
    if (connection->forward != NULL) {
        return connection->forward->peer_id;
    }
    return connection->has_endpoint && connection->mode != MTLS_DISABLE
               ? connection->endpoint.workload->spiffe_id
               : NULL;
}

/* Does the mesh say of who is dialled that it asks for no certificate, and means it? */
static bool outbound_takes_one_way(const struct connection *connection)
{
    const struct forward *forward = connection->forward;
    const struct snapshot_workload *workload;
    struct ip ip;

    if (forward == NULL) {
        return connection->endpoint.workload->one_way;
    }
    if (connection->lane->snapshot == NULL || address_is_unix(&forward->to)) {
        return false;
    }
    ip = address_ip(&forward->to);
    workload = snapshot_workload_at(connection->lane->snapshot, &ip);
    return workload != NULL && workload->one_way &&
           strcmp(workload->spiffe_id, forward->peer_id) == 0;
}

/*
 * How to speak to the endpoint that was chosen. It may be ourselves, behind a service: nothing captures
 * what we dial, so our application answers, which knows nothing of TLS.
 */
static void outbound_choose_mode(struct connection *connection)
{
    const struct snapshot_endpoint *endpoint = &connection->endpoint;

    connection->mode = (uint8_t)endpoint->mtls;
    connection->reason = "outbound/mesh";
    if (endpoint->workload == connection_self(connection)) {
        connection->mode = MTLS_DISABLE;
        connection->reason = "outbound/own-application";
    } else if (!endpoint->workload->has_sidecar) {
        connection->reason = "outbound/no-sidecar";
    } else if (endpoint->mtls == MTLS_DISABLE) {
        connection->reason = "outbound/port-takes-no-tls";
    }
}

/* An address that the mesh does not know: what this workload, or the mesh, says of such. */
static int outbound_unknown(struct connection *connection, struct failure *why)
{
    const struct snapshot_workload *self = connection->lane->self;
    enum snapshot_unknown rule = self != NULL ? self->unknown_destinations
                                              : snapshot_unknown_destinations(connection->snapshot);
    struct address to = address_of_ip(&connection->to_ip, connection->to_port);
    char text[ADDRESS_TEXT_MAX];

    if (rule == SNAPSHOT_REFUSE) {
        return STEP_FAIL(fail(why, STATUS_DENIED, "outbound/unknown-destination",
                              "%s is not in the mesh, and unknownDestinations is refuse",
                              address_print(&to, text)));
    }
    connection->mode = MTLS_DISABLE;
    connection->reason = "outbound/passthrough";
    return CONNECTION_DIAL;
}

static int outbound_route(struct connection *connection, struct failure *why)
{
    struct snapshot_target target;
    size_t start;

    if (connection->forward != NULL) {
        return CONNECTION_IDENTITY;
    }
    if (connection->snapshot == NULL) {
        return CONNECTION_IDENTITY; /* waits there for the mesh, too */
    }
    snapshot_endpoint_at(connection->snapshot, &connection->to_ip, connection->to_port, &target);
    if (!target.known) {
        return outbound_unknown(connection, why);
    }
    if (target.num_endpoints == 0) {
        return STEP_FAIL(fail(why, STATUS_NOT_FOUND, "outbound/no-endpoint",
                              "service %s has nobody behind port %u",
                              target.service == NULL ? "?" : target.service->id,
                              connection->to_port));
    }
    if (connection->tried == 0) {
        start = lane_draw(connection->lane) % target.num_endpoints;
        connection->first_endpoint = (uint16_t)start;
    }
    start = ((size_t)connection->first_endpoint + connection->tried) % target.num_endpoints;
    connection->endpoint = *snapshot_target_endpoint(&target, start);
    connection->has_endpoint = true;
    connection->num_endpoints = (uint16_t)target.num_endpoints;
    outbound_choose_mode(connection);
    return connection->mode == MTLS_DISABLE ? CONNECTION_DIAL : CONNECTION_IDENTITY;
}

static int outbound_identity(struct connection *connection, struct failure *why)
{
    (void)why;
    if (connection->forward == NULL && connection->snapshot == NULL) {
        if (connection->lane->snapshot == NULL) {
            return STEP_WAIT; /* the lane resumes us when the mesh is here */
        }
        connection->snapshot = snapshot_ref(connection->lane->snapshot);
        return CONNECTION_ROUTE;
    }
    return lane_has_identity(connection->lane) ? CONNECTION_DIAL : STEP_WAIT;
}

static struct address outbound_address(const struct connection *connection)
{
    if (connection->forward != NULL) {
        return connection->forward->to;
    }
    if (connection->has_endpoint) {
        return address_of_ip(&connection->endpoint.ip, connection->endpoint.port);
    }
    return address_of_ip(&connection->to_ip, connection->to_port);
}

static int outbound_dial(struct connection *connection, struct failure *why)
{
    enum status status;

    if (connection->network == NULL && connection->dial == NULL && connection->dial_why == NULL) {
        struct address to = outbound_address(connection);

        connection_dial(connection, &to);
    }
    status = connection_dialled(connection, why);
    if (status == STATUS_WAIT) {
        return STEP_WAIT;
    }
    if (status != STATUS_OK) {
        /* Nothing was sent yet: another endpoint of the same service may be tried. */
        connection->tried++;
        if (connection->has_endpoint && connection->tried < connection->num_endpoints &&
            connection->tried < OUTBOUND_TRIES) {
            connection_forget_dial(connection);
            return CONNECTION_ROUTE;
        }
        return STEP_FAIL(status);
    }
    if (outbound_expected(connection) == NULL) {
        return CONNECTION_RELAY;
    }
    connection_secure(connection, TLS_CLIENT, outbound_expected(connection));
    if (outbound_takes_one_way(connection)) {
        tls_stream_take_one_way(connection->network);
    }
    return CONNECTION_HANDSHAKE;
}

static int outbound_handshake(struct connection *connection, struct failure *why)
{
    enum status status = connection_handshake(connection, why);

    if (status == STATUS_WAIT) {
        return STEP_WAIT;
    }
    return status == STATUS_OK ? CONNECTION_RELAY : STEP_FAIL(status);
}

static const struct connection_step outbound_steps[CONNECTION_STATES] = {
    [CONNECTION_ROUTE] = {outbound_route, LANE_NO_LIMIT, NULL, NULL},
    [CONNECTION_IDENTITY] = {outbound_identity, LANE_LIMIT_IDENTITY, "outbound/no-identity", NULL},
    [CONNECTION_DIAL] = {outbound_dial, LANE_LIMIT_DIAL, "outbound/peer-late", NULL},
    [CONNECTION_HANDSHAKE] = {outbound_handshake, LANE_LIMIT_HANDSHAKE, "outbound/handshake-late",
                              NULL},
    [CONNECTION_RELAY] = {connection_relay, LANE_NO_LIMIT, NULL, NULL},
};

void outbound_accepted(struct lane *lane, int fd, const struct address *peer)
{
    struct failure why = {0};
    struct address to = {0};
    enum status status = original_dst(fd, &to, &why);
    struct connection *connection;

    if (status == STATUS_OK && canary_is(&to)) {
        canary_answer(fd);
        if (lane->options->canary_seen != NULL) {
            lane->options->canary_seen(lane->options->user);
        }
        return;
    }
    connection = connection_make(lane, CONNECTION_OUTBOUND, fd, peer);
    connection->steps = outbound_steps;
    if (status != STATUS_OK) {
        metrics_add(lane->worker->index, METRIC_DESTINATION_LOOPS, LABEL_OUTBOUND, LABEL_NONE,
                    status == STATUS_DENIED ? 1 : 0);
        connection_fail(connection, status, &why);
        return;
    }
    connection->to_ip = address_ip(&to);
    connection->to_port = address_port(&to);
    connection_begin(connection, CONNECTION_ROUTE);
}

void outbound_forwarded(struct lane *lane, const struct forward *forward, int fd,
                        const struct address *peer)
{
    struct connection *connection = connection_make(lane, CONNECTION_OUTBOUND, fd, peer);

    connection->steps = outbound_steps;
    connection->forward = forward;
    connection->mode = MTLS_STRICT;
    connection->reason = "outbound/explicit";
    connection->to_ip = address_ip(&forward->to);
    connection->to_port = address_port(&forward->to);
    connection_begin(connection, CONNECTION_ROUTE);
}
