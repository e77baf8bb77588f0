/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/record.h"

#include "core/runtime/base/clock.h"
#include "core/runtime/json/writer.h"

enum metrics_label record_direction(const struct connection *connection)
{
    return connection->direction == CONNECTION_INBOUND ? LABEL_INBOUND : LABEL_OUTBOUND;
}

static enum metrics_label record_transport(const struct connection *connection)
{
    const struct tls_peer *peer = connection_peer(connection);

    if (!connection->tls) {
        return LABEL_PLAINTEXT;
    }
    return peer != NULL && peer->one_way ? LABEL_ONE_WAY : LABEL_MTLS;
}

const char *record_transport_word(const struct connection *connection)
{
    switch (record_transport(connection)) {
    case LABEL_PLAINTEXT:
        return "plaintext";
    case LABEL_ONE_WAY:
        return "tls-one-way";
    default:
        return "mtls";
    }
}

static enum metrics_label record_outcome(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return LABEL_OK;
    case STATUS_DENIED:
    case STATUS_UNTRUSTED:
    case STATUS_PROTOCOL:
        return LABEL_REFUSED;
    default:
        return LABEL_FAILED;
    }
}

/* What all lines of one connection have in common. */
static void record_common(const struct connection *connection, struct json_writer *json,
                          const char *event)
{
    const struct tls_peer *peer = connection_peer(connection);
    struct tls_context *context = connection->lane->slot.current;
    struct address from = address_of_ip(&connection->peer_ip, connection->peer_port);
    struct address to = address_of_ip(&connection->to_ip, connection->to_port);
    char text[ADDRESS_TEXT_MAX];

    json_open_object(json, NULL);
    json_put_text(json, "ts", clock_utc_ms(clock_unix_ms()).text);
    json_put_text(json, "event", event);
    json_put_uint(json, "connection", connection->id);
    json_put_text(json, "direction",
                  connection_direction_word((enum connection_direction)connection->direction));
    json_put_text(json, "transport", record_transport_word(connection));
    json_put_text(json, "source", address_print(&from, text));
    json_put_text(json, "destination", connection->to_port == 0 ? NULL : address_print(&to, text));
    json_put_text(json, "local_identity",
                  connection->tls && context != NULL
                      ? svid_id(identity_set_svid(tls_context_identities(context)))->text
                      : NULL);
    json_put_text(json, "peer_identity", peer == NULL ? NULL : peer->id);
    if (peer != NULL) {
        json_put_text(json, "peer_serial", peer->serial_hex);
    }
    if (connection->rule != NULL) {
        json_put_text(json, "rule", connection->rule->text);
    }
}

static void record_finish(struct connection *connection, struct json_writer *json)
{
    json_close_object(json);
    if (json_writer_end(json, NULL) == STATUS_OK) {
        access_log_end(&connection->lane->access);
    }
}

void record_open(struct connection *connection)
{
    unsigned shard = connection->lane->worker->index;
    struct buffer *line = access_log_begin(&connection->lane->access);

    metrics_add(shard, METRIC_CONNECTIONS_OPENED, record_direction(connection),
                record_transport(connection), 1);
    metrics_gauge_add(shard, METRIC_CONNECTIONS_ACTIVE, record_direction(connection),
                      record_transport(connection), 1);
    if (line != NULL) {
        struct json_writer json = json_writer_to(line);

        record_common(connection, &json, "open");
        json_put_text(&json, "verdict", "allow");
        json_put_text(&json, "reason", connection->reason);
        if (connection->tls) {
            struct tls_agreed agreed;

            tls_stream_agreed(connection->network, &agreed);
            json_put_text(&json, "tls_version", agreed.version);
            json_put_text(&json, "tls_cipher", agreed.cipher);
            json_put_text(&json, "tls_group", agreed.group);
            json_put_text(&json, "alpn", agreed.protocol);
            json_put_uint(&json, "handshake_us", connection->handshake_us);
        }
        json_put_uint(&json, "dial_us", connection->dial_us);
        record_finish(connection, &json);
    }
}

static void record_end_counts(struct connection *connection, enum status status,
                              const struct failure *why)
{
    unsigned shard = connection->lane->worker->index;
    enum metrics_label direction = record_direction(connection);
    uint64_t age_ms = worker_now_ms(connection->lane->worker) - connection->opened_ms;

    metrics_add_reason(shard, METRIC_CONNECTIONS_CLOSED, direction, record_outcome(status),
                       why->reason, 1);
    if (status == STATUS_DENIED || status == STATUS_UNTRUSTED) {
        metrics_add_reason(shard, METRIC_DENIED_CONNECTIONS, direction, LABEL_NONE, why->reason, 1);
    }
    if (connection->shown) {
        metrics_gauge_add(shard, METRIC_CONNECTIONS_ACTIVE, direction, record_transport(connection),
                          -1);
        metrics_observe(shard, METRIC_CONNECTION_DURATION, direction, LABEL_NONE, age_ms * 1000);
    }
}

void record_end(struct connection *connection, enum status status, const struct failure *why)
{
    struct buffer *line = access_log_begin(&connection->lane->access);

    record_end_counts(connection, status, why);
    if (line != NULL) {
        struct json_writer json = json_writer_to(line);

        record_common(connection, &json, connection->shown ? "close" : "refused");
        json_put_text(&json, "verdict", connection->shown ? "allow" : "deny");
        json_put_text(&json, "state",
                      connection_state_word((enum connection_state)connection->state));
        json_put_text(&json, "reason", why->reason == NULL ? connection->reason : why->reason);
        if (why->reason != NULL) {
            json_put_text(&json, "detail", why->detail);
        }
        json_put_uint(&json, "bytes_received", connection->relay.way[0].bytes);
        json_put_uint(&json, "bytes_sent", connection->relay.way[1].bytes);
        json_put_uint(&json, "duration_ms",
                      worker_now_ms(connection->lane->worker) - connection->opened_ms);
        record_finish(connection, &json);
    }
}

void record_handshake(struct connection *connection, enum status status, const char *reason)
{
    unsigned shard = connection->lane->worker->index;

    metrics_add_reason(shard, METRIC_HANDSHAKES, record_direction(connection),
                       record_outcome(status), reason, 1);
    if (status == STATUS_OK) {
        metrics_observe(shard, METRIC_HANDSHAKE_DURATION, record_direction(connection), LABEL_NONE,
                        connection->handshake_us);
    }
}

void record_dial(struct connection *connection, enum status status, const char *reason)
{
    unsigned shard = connection->lane->worker->index;

    metrics_add_reason(shard, METRIC_DIALS, record_direction(connection), record_outcome(status),
                       reason, 1);
    if (status == STATUS_OK) {
        metrics_observe(shard, METRIC_DIAL_DURATION, record_direction(connection), LABEL_NONE,
                        connection->dial_us);
    }
}
