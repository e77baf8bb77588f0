/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/web/connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/net/address.h"
#include "core/runtime/net/tcp.h"
#include "core/runtime/telemetry/metrics.h"

enum {
    WEB_HEAD_MAX = 1024,
    WEB_READ_MAX = 32 * 1024, /* bytes of one read */
    WEB_LEAVE_LIMIT_MS = 1000,
    WEB_LEAVE_BYTES_MAX = 256 * 1024,
};

static void web_connection_count(const struct web_connection *connection,
                                 enum metrics_label outcome, const char *reason)
{
    metrics_add_reason(connection->worker->index, METRIC_ADMIN_REQUESTS, outcome, LABEL_NONE,
                       reason, 1);
}

static enum status web_connection_head(struct web_connection *connection,
                                       const struct web_answer *answer)
{
    struct buffer *out = &connection->out;

    TRY(h1_write_response(out, answer->status, NULL));
    TRY(h1_write_header(out, "content-type", answer->content_type, NULL));
    TRY(h1_write_header(out, "cache-control", "no-store", NULL));
    TRY(h1_write_header(out, "x-content-type-options", "nosniff", NULL));
    if (connection->closes) {
        TRY(h1_write_header(out, "connection", "close", NULL));
    }
    TRY(h1_write_length(out, answer->body.len, NULL));
    return h1_write_end(out, NULL);
}

/* Puts an answer behind what is still to be sent. */
static void web_connection_answer(struct web_connection *connection,
                                  const struct web_answer *answer, bool with_body)
{
    enum status status = web_connection_head(connection, answer);

    if (status == STATUS_OK && with_body) {
        status = buffer_add(&connection->out, buffer_bytes(&answer->body));
    }
    connection->closes = connection->closes || status != STATUS_OK;
    connection->answered = true;
}

static struct web_answer web_answer_new(void)
{
    struct web_answer answer = {.status = 200, .content_type = "application/json"};

    buffer_init(&answer.body, WEB_ANSWER_MAX);
    return answer;
}

/* What was wrong with the request itself. Nothing after it can be made sense of: we close. */
static void web_connection_refuse(struct web_connection *connection, const struct failure *why)
{
    static const struct {
        const char *reason;
        unsigned status;
    } codes[] = {
        {"http/head-too-long", 431}, {"http/too-many-headers", 431}, {"http/target-too-long", 414},
        {"web/body-too-long", 413},  {"http/version", 505},
    };
    struct web_answer answer = web_answer_new();

    web_answer_error(&answer, STATUS_PROTOCOL, why);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(codes[i].reason, why->reason) == 0) {
            answer.status = codes[i].status;
        }
    }
    connection->closes = true;
    web_connection_answer(connection, &answer, true);
    web_connection_count(connection, LABEL_REFUSED, why->reason);
    buffer_clear(&answer.body);
}

static enum status web_body_too_long(struct failure *why)
{
    return fail(why, STATUS_LIMIT, "web/body-too-long", "a body has at most %zu bytes",
                WEB_BODY_MAX);
}

static enum status web_connection_on_head(void *user, const struct http_message *message,
                                          struct failure *why)
{
    struct web_connection *connection = user;
    struct bytes expect;

    buffer_reset(&connection->body);
    if (message->has_length && message->content_length > WEB_BODY_MAX) {
        return web_body_too_long(why);
    }
    if (message->version_1_1 && http_message_get(message, "expect", &expect)) {
        return buffer_add_text(&connection->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    return STATUS_OK;
}

static enum status web_connection_on_body(void *user, struct bytes piece, struct failure *why)
{
    struct web_connection *connection = user;

    return buffer_add(&connection->body, piece) == STATUS_OK ? STATUS_OK : web_body_too_long(why);
}

static enum status web_connection_on_complete(void *user, struct failure *why)
{
    struct web_connection *connection = user;
    const struct http_message *message = &connection->parser.message;
    struct web_answer answer = web_answer_new();
    struct web_request request = {
        .message = message,
        .path = http_message_path(message),
        .query = http_message_query(message),
        .body = buffer_bytes(&connection->body),
        .is_unix = connection->is_unix,
        .peer_uid = connection->peer_uid,
        .peer_pid = connection->peer_pid,
    };

    (void)why;
    connection->requests++;
    connection->closes = !message->keep_alive || message->upgrade ||
                         connection->requests >= WEB_REQUESTS_MAX;
    web_respond(connection->options, &request, &answer);
    web_connection_answer(connection, &answer,
                          !bytes_equal_text(http_message_method(message), "HEAD"));
    if (answer.status < 400) {
        web_connection_count(connection, LABEL_OK, "none");
    } else {
        web_connection_count(connection, answer.status < 500 ? LABEL_REFUSED : LABEL_FAILED,
                             "web/answer");
    }
    buffer_clear(&answer.body);
    return STATUS_OK;
}

static const struct h1_events web_connection_events = {
    .head = web_connection_on_head,
    .body = web_connection_on_body,
    .complete = web_connection_on_complete,
};

static void web_connection_timer_closed(struct timer *limit, void *user)
{
    struct web_connection *connection = user;

    (void)limit;
    connection->closed(connection);
    h1_clear(&connection->parser);
    buffer_clear(&connection->in);
    buffer_clear(&connection->body);
    buffer_clear(&connection->out);
    free(connection);
}

void web_connection_close(struct web_connection *connection)
{
    if (!list_has(&connection->link)) {
        return;
    }
    list_remove(&connection->link);
    list_remove(&connection->turn);
    stream_close(&connection->stream, false);
    timer_close(&connection->limit, web_connection_timer_closed);
}

/*
 * Ends it so that the answer arrives even when the client still sends: closing a socket with unread
 * bytes in it sends a reset, which can overtake the answer. It stays one of the server's
 * connections until the client has read it, so that those who never do are bounded with the others.
 */
static void web_connection_leave(struct web_connection *connection)
{
    connection->leaves = true;
    buffer_clear(&connection->in);
    buffer_clear(&connection->body);
    timer_start(&connection->limit, WEB_LEAVE_LIMIT_MS, 0);
    (void)stream_shutdown(connection->stream, NULL);
    stream_interest(connection->stream, STREAM_READABLE);
}

/* Sends what there is. STATUS_OK when all is sent; STATUS_WAIT; STATUS_CLOSED: nothing more to do. */
static enum status web_connection_send(struct web_connection *connection)
{
    while (connection->sent < connection->out.len) {
        size_t len = 0;
        enum status status =
            stream_write(connection->stream,
                         bytes_skip(buffer_bytes(&connection->out), connection->sent), &len, NULL);

        if (status == STATUS_WAIT) {
            stream_interest(connection->stream, STREAM_WRITABLE);
            return STATUS_WAIT;
        }
        if (status != STATUS_OK) {
            web_connection_close(connection);
            return STATUS_CLOSED;
        }
        connection->sent += len;
    }
    buffer_clear(&connection->out); /* an idle connection holds no answer's memory */
    connection->sent = 0;
    if (connection->answered && connection->closes) {
        web_connection_leave(connection);
        return STATUS_CLOSED;
    }
    if (connection->answered) {
        connection->answered = false;
        buffer_clear(&connection->body);
        timer_start(&connection->limit, WEB_IDLE_LIMIT_MS, 0);
    }
    return STATUS_OK;
}

/* What is to be parsed: what is left of an earlier read, else a new one. */
static enum status web_connection_read(struct web_connection *connection, struct bytes *out_piece)
{
    uint8_t *into = worker_scratch(connection->worker, 0);
    size_t len = 0;

    if (connection->parsed < connection->in.len) {
        *out_piece = bytes_skip(buffer_bytes(&connection->in), connection->parsed);
        return STATUS_OK;
    }
    TRY(stream_read(connection->stream, into, WEB_READ_MAX, &len, NULL));
    *out_piece = bytes_make(into, len);
    return STATUS_OK;
}

/* Notes how much was parsed. What is left behind a message is copied once, not for each message. */
static void web_connection_parsed(struct web_connection *connection, struct bytes piece,
                                  size_t used)
{
    if (connection->in.len > 0) {
        connection->parsed += used;
    } else if (used < piece.len) {
        (void)!buffer_add(&connection->in, bytes_skip(piece, used)); /* its bound is a read's */
    }
    if (connection->parsed == connection->in.len) {
        buffer_clear(&connection->in);
        connection->parsed = 0;
    }
}

static void web_connection_feed(struct web_connection *connection, struct bytes piece)
{
    struct failure why = {0};
    size_t used = 0;

    if (h1_is_idle(&connection->parser)) {
        timer_start(&connection->limit, WEB_REQUEST_LIMIT_MS, 0);
    }
    if (h1_feed(&connection->parser, piece, &used, &why) != STATUS_OK) {
        web_connection_refuse(connection, &why);
    } else {
        web_connection_parsed(connection, piece, used);
    }
}

/* All is said: whatever still comes is thrown away, up to a bound. */
static void web_connection_drop(struct web_connection *connection)
{
    size_t len = 0;
    enum status status =
        stream_read(connection->stream, worker_scratch(connection->worker, 0), WEB_READ_MAX, &len,
                    NULL);

    connection->dropped += len;
    if ((status == STATUS_OK && connection->dropped <= WEB_LEAVE_BYTES_MAX) ||
        status == STATUS_WAIT) {
        stream_interest(connection->stream, STREAM_READABLE);
    } else {
        web_connection_close(connection);
    }
}

bool web_connection_step(struct web_connection *connection)
{
    struct bytes piece;
    enum status status;

    if (connection->leaves) {
        web_connection_drop(connection);
        return false;
    }
    if (web_connection_send(connection) != STATUS_OK) {
        return false;
    }
    status = web_connection_read(connection, &piece);
    if (status == STATUS_WAIT) {
        stream_interest(connection->stream, STREAM_READABLE);
        return false;
    }
    if (status != STATUS_OK) {
        web_connection_close(connection);
        return false;
    }
    web_connection_feed(connection, piece);
    if (web_connection_send(connection) != STATUS_OK) {
        return false;
    }
    if (connection->in.len == 0) {
        stream_interest(connection->stream, STREAM_READABLE);
    }
    return connection->in.len > 0;
}

/* It has its turn when those before it had theirs; until then no event is wanted. */
static void web_connection_ready(void *user, unsigned events)
{
    struct web_connection *connection = user;

    (void)events;
    stream_interest(connection->stream, 0);
    web_server_line_up(connection);
}

static void web_connection_too_slow(struct timer *limit, void *user)
{
    struct web_connection *connection = user;

    (void)limit;
    if (!web_connection_is_idle(connection)) {
        web_connection_count(connection, LABEL_REFUSED, "web/too-slow");
    }
    web_connection_close(connection);
}

bool web_connection_is_idle(const struct web_connection *connection)
{
    return connection->leaves || (h1_is_idle(&connection->parser) && connection->in.len == 0 &&
                                  connection->out.len == 0);
}

struct web_connection *web_connection_start(struct worker *worker, struct web_server *server,
                                            const struct web_server_options *options, int fd,
                                            void (*closed)(struct web_connection *connection))
{
    struct web_connection *connection = memory_make(sizeof *connection);
    struct address own = address_local(fd);
    struct address from = address_peer(fd);
    struct ip ip = address_ip(&from);
    struct ucred peer = {0};
    socklen_t peer_len = sizeof peer;

    connection->worker = worker;
    connection->server = server;
    connection->options = options;
    connection->closed = closed;
    connection->peer_uid = (uid_t)-1;
    connection->source = ip_source(&ip);
    if (address_is_unix(&own) &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) == 0) {
        connection->is_unix = true;
        connection->peer_uid = peer.uid;
        connection->peer_pid = peer.pid;
    }
    h1_init(&connection->parser, H1_SERVER, &web_connection_events, connection);
    buffer_init(&connection->in, WEB_READ_MAX);
    buffer_init(&connection->body, WEB_BODY_MAX);
    buffer_init(&connection->out, WEB_ANSWER_MAX + WEB_HEAD_MAX);
    timer_init(&connection->limit, &worker->loop, web_connection_too_slow, connection);
    timer_start(&connection->limit, WEB_REQUEST_LIMIT_MS, 0);
    connection->stream = tcp_start(worker, fd);
    stream_own(connection->stream, web_connection_ready, connection);
    stream_interest(connection->stream, STREAM_READABLE);
    return connection;
}
