/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/web/client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/http/h1.h"
#include "core/runtime/net/address.h"

enum {
    WEB_CLIENT_LIMIT_MS = 5000,
    WEB_CLIENT_STEP = 16384,
    WEB_CLIENT_HOST_MAX = 256,
    WEB_CLIENT_HEAD_MAX = 16384,
};
#define WEB_CLIENT_ANSWER_MAX ((size_t)16 * 1024 * 1024)

/* One call on its way. */
struct web_exchange {
    const struct web_call *call;
    int fd;
    uint64_t ends_mono_ms;
    struct h1_parser parser;
    struct web_reply reply;
};

void web_reply_clear(struct web_reply *reply)
{
    buffer_clear(&reply->body);
    reply->status = 0;
}

static enum status web_exchange_head(void *user, const struct http_message *message,
                                     struct failure *why)
{
    struct web_exchange *exchange = user;

    (void)why;
    exchange->reply.status = message->status;
    return STATUS_OK;
}

static enum status web_exchange_body(void *user, struct bytes piece, struct failure *why)
{
    struct web_exchange *exchange = user;

    if (buffer_add(&exchange->reply.body, piece) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "web/answer-too-long", "the answer has more than %zu bytes",
                    exchange->reply.body.max);
    }
    return STATUS_OK;
}

static enum status web_exchange_complete(void *user, struct failure *why)
{
    (void)user;
    (void)why;
    return STATUS_OK;
}

static const struct h1_events web_exchange_events = {
    .head = web_exchange_head,
    .body = web_exchange_body,
    .complete = web_exchange_complete,
};

/* Waits until the socket is ready for `events`, or the call's time is over. */
static enum status web_exchange_wait(const struct web_exchange *exchange, short events,
                                     struct failure *why)
{
    for (;;) {
        struct pollfd watched = {.fd = exchange->fd, .events = events};
        uint64_t now_ms = clock_mono_ms();
        int got;

        if (now_ms >= exchange->ends_mono_ms) {
            return fail(why, STATUS_LIMIT, "web/too-slow", "%s did not answer in time",
                        exchange->call->address);
        }
        got = poll(&watched, 1, (int)(exchange->ends_mono_ms - now_ms));
        if (got > 0) {
            return STATUS_OK;
        }
        if (got < 0 && errno != EINTR) {
            return fail_os(why, errno, "web/io", "%s", exchange->call->address);
        }
    }
}

static enum status web_exchange_refused(const struct web_exchange *exchange, int error,
                                        struct failure *why)
{
    if (error == ENOENT || error == ECONNREFUSED) {
        (void)fail_os(why, error, "web/no-server", "%s", exchange->call->address);
        return STATUS_NOT_FOUND;
    }
    if (error == EACCES || error == EPERM) {
        (void)fail_os(why, error, "web/no-permission", "%s", exchange->call->address);
        return STATUS_DENIED;
    }
    return fail_os(why, error, "web/io", "%s", exchange->call->address);
}

static enum status web_exchange_connect(struct web_exchange *exchange, const struct address *to,
                                        struct failure *why)
{
    int error = 0;
    socklen_t error_len = sizeof error;

    exchange->fd = socket(to->at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (exchange->fd < 0) {
        return fail_os(why, errno, "web/io", "%s", exchange->call->address);
    }
    if (connect(exchange->fd, &to->at.any, to->len) == 0) {
        return STATUS_OK;
    }
    if (errno != EINPROGRESS) {
        return web_exchange_refused(exchange, errno, why);
    }
    TRY(web_exchange_wait(exchange, POLLOUT, why));
    if (getsockopt(exchange->fd, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0) {
        error = errno;
    }
    return error == 0 ? STATUS_OK : web_exchange_refused(exchange, error, why);
}

/*
 * The address of "name:port", where address_parse() found no number: the system's resolver knows.
 */
static enum status web_client_resolve(const char *text, struct address *out_address,
                                      struct failure *why)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[WEB_CLIENT_HOST_MAX];
    const char *colon = strrchr(text, ':');
    int error;

    if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof host) {
        return fail(why, STATUS_CONFIG, "web/address",
                    "\"%.100s\" is not unix:PATH, ADDRESS:PORT or NAME:PORT", text);
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    error = getaddrinfo(host, colon + 1, &hints, &found);
    if (error != 0) {
        return fail(why, STATUS_CONFIG, "web/address", "%.100s: %s", text, gai_strerror(error));
    }
    *out_address = address_of_sockaddr(found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return STATUS_OK;
}

static enum status web_exchange_write_request(const struct web_call *call, struct buffer *out,
                                              struct failure *why)
{
    const char *host = strncmp(call->address, "unix:", 5) == 0 ? "localhost" : call->address;

    TRY(h1_write_request(out, call->method, call->target, why));
    TRY(h1_write_header(out, "host", host, why));
    TRY(h1_write_header(out, "x-signet-request", "1", why));
    TRY(h1_write_header(out, "connection", "close", why));
    if (call->body.len > 0) {
        TRY(h1_write_header(out, "content-type", "application/json", why));
    }
    if (strcmp(call->method, "GET") != 0 && strcmp(call->method, "HEAD") != 0) {
        TRY(h1_write_length(out, call->body.len, why));
    }
    return h1_write_end(out, why);
}

static enum status web_exchange_send(const struct web_exchange *exchange, struct bytes from,
                                     struct failure *why)
{
    while (from.len > 0) {
        ssize_t sent = send(exchange->fd, from.at, from.len, MSG_NOSIGNAL);

        if (sent >= 0) {
            from = bytes_skip(from, (size_t)sent);
        } else if (errno == EAGAIN) {
            TRY(web_exchange_wait(exchange, POLLOUT, why));
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return STATUS_OK; /* the server may have answered already, without reading all */
        } else if (errno != EINTR) {
            return fail_os(why, errno, "web/io", "%s", exchange->call->address);
        }
    }
    return STATUS_OK;
}

/* The answer that counts is complete; one of the 100 family only announces it. */
static bool web_exchange_is_over(const struct web_exchange *exchange)
{
    return h1_is_done(&exchange->parser) && exchange->reply.status >= 200;
}

static enum status web_exchange_feed(struct web_exchange *exchange, struct bytes piece,
                                     struct failure *why)
{
    while (piece.len > 0 && !web_exchange_is_over(exchange)) {
        size_t used = 0;

        TRY(h1_feed(&exchange->parser, piece, &used, why));
        piece = bytes_skip(piece, used);
        if (used == 0) {
            return fail(why, STATUS_PROTOCOL, "http/syntax", "%s changed the protocol",
                        exchange->call->address);
        }
    }
    return STATUS_OK;
}

static enum status web_exchange_receive(struct web_exchange *exchange, struct failure *why)
{
    uint8_t piece[WEB_CLIENT_STEP];

    while (!web_exchange_is_over(exchange)) {
        ssize_t got = recv(exchange->fd, piece, sizeof piece, 0);

        if (got > 0) {
            TRY(web_exchange_feed(exchange, bytes_make(piece, (size_t)got), why));
        } else if (got == 0) {
            TRY(h1_finish(&exchange->parser, why));
            if (!web_exchange_is_over(exchange)) {
                return fail(why, STATUS_PROTOCOL, "http/early-end", "%s ended without an answer",
                            exchange->call->address);
            }
        } else if (errno == EAGAIN) {
            TRY(web_exchange_wait(exchange, POLLIN, why));
        } else if (errno != EINTR) {
            return fail_os(why, errno, "web/io", "%s", exchange->call->address);
        }
    }
    return STATUS_OK;
}

static enum status web_exchange_run(struct web_exchange *exchange, struct failure *why)
{
    const struct web_call *call = exchange->call;
    CLEARED(buffer) head = {.max = WEB_CLIENT_HEAD_MAX};
    struct address address;

    if (address_parse(bytes_of(call->address), &address, NULL) != STATUS_OK) {
        TRY(web_client_resolve(call->address, &address, why));
    }
    TRY(web_exchange_write_request(call, &head, why));
    TRY(web_exchange_connect(exchange, &address, why));
    TRY(web_exchange_send(exchange, buffer_bytes(&head), why));
    TRY(web_exchange_send(exchange, call->body, why));
    return web_exchange_receive(exchange, why);
}

enum status web_client_call(const struct web_call *call, struct web_reply *out_reply,
                            struct failure *why)
{
    struct web_exchange exchange = {.call = call, .fd = -1};
    enum status status;

    exchange.ends_mono_ms =
        clock_mono_ms() + (call->limit_ms == 0 ? WEB_CLIENT_LIMIT_MS : call->limit_ms);
    buffer_init(&exchange.reply.body,
                call->answer_max == 0 ? WEB_CLIENT_ANSWER_MAX : call->answer_max);
    h1_init(&exchange.parser, H1_CLIENT, &web_exchange_events, &exchange);
    if (strcmp(call->method, "HEAD") == 0) {
        h1_expect_no_body(&exchange.parser);
    }
    status = web_exchange_run(&exchange, why);
    if (exchange.fd >= 0) {
        (void)close(exchange.fd);
    }
    h1_clear(&exchange.parser);
    if (status != STATUS_OK) {
        web_reply_clear(&exchange.reply);
        return status;
    }
    *out_reply = exchange.reply;
    return STATUS_OK;
}
