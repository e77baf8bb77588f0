/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.x: bytes in, events out, in either role. No sockets, no clock. The border post of llhttp,
 * which is used in its strict mode. Source: RFC 9112.
 *
 * One message at a time: h1_feed() stops behind a message, and what follows (a pipelined request)
 * is fed again when the caller is ready for it.
 */
#ifndef SIGNET_CORE_RUNTIME_HTTP_H1_H
#define SIGNET_CORE_RUNTIME_HTTP_H1_H

#include <llhttp.h>

#include "core/runtime/http/message.h"

enum h1_role {
    H1_SERVER, /* reads requests */
    H1_CLIENT, /* reads responses */
};

/*
 * Called from within h1_feed() and h1_finish(). Any answer but STATUS_OK ends the parsing with it.
 */
struct h1_events {
    /* The head is complete. `message` is borrowed until the next message begins. */
    enum status (*head)(void *user, const struct http_message *message, struct failure *why);
    /* A piece of the body, borrowed for the call. May be NULL: bodies are skipped. */
    enum status (*body)(void *user, struct bytes piece, struct failure *why);
    /* The message is complete. */
    enum status (*complete)(void *user, struct failure *why);
};

struct h1_parser {
    llhttp_t machine;
    enum h1_role role;
    const struct h1_events *events; /* borrowed; outlives the parser */
    void *user;
    struct http_message message; /* the one being read, or just read */
    size_t seen;                 /* bytes of the head so far, blanks and line ends included */
    size_t trailers;             /* bytes of trailers so far */
    bool begun;                  /* the first byte of a message came, its last one not yet */
    bool in_name;                /* the last piece was of a header's name */
    bool in_head;                /* begun, and the head is not complete */
    bool done;                   /* a message is complete; the next byte begins another */
    bool no_body;                /* h1_expect_no_body() */
    enum status refusal;         /* STATUS_OK, or why a callback stopped the machine */
    struct failure why;          /* of that refusal */
};

/* h1_init prepares a parser; h1_clear frees what it holds. The struct must not move in between. */
void h1_init(struct h1_parser *parser, enum h1_role role, const struct h1_events *events,
             void *user);
void h1_clear(struct h1_parser *parser);

/*
 * h1_expect_no_body: the response that comes answers a HEAD, and has no body whatever its head
 * says.
 */
void h1_expect_no_body(struct h1_parser *parser);

/*
 * h1_feed reads `piece` up to its end or to the end of one message, and says how much was used.
 * STATUS_OK when all is well (h1_is_done() tells whether a message is complete). After a failure
 * the parser only refuses. After an upgrade, bytes behind the head are not used.
 *
 * STATUS_PROTOCOL "http/syntax" (llhttp's word in the detail), "http/version" (neither 1.0
 * nor 1.1), "http/host" (HTTP/1.1 request without exactly one Host), "http/early-end" (from
 * h1_finish). STATUS_LIMIT "http/head-too-long", "http/target-too-long", "http/too-many-headers".
 * Or what an event answered.
 */
enum status h1_feed(struct h1_parser *parser, struct bytes piece, size_t *out_used,
                    struct failure *why) MUST_USE;

/*
 * h1_finish says that the peer ended: completes a response whose body ends so, is fine between
 * messages, and is STATUS_PROTOCOL "http/early-end" within one.
 */
enum status h1_finish(struct h1_parser *parser, struct failure *why) MUST_USE;

/*
 * h1_is_done: a message is complete and the next has not begun. h1_is_idle: nor has any byte of
 * one.
 */
bool h1_is_done(const struct h1_parser *parser);
bool h1_is_idle(const struct h1_parser *parser);

/*
 * Writing a head: the first line, headers, then h1_write_end. Names and values are given by us; a
 * value with CR, LF or NUL in it is STATUS_PROTOCOL "http/value", so that nobody can add headers
 * through it. STATUS_LIMIT "http/head-too-long" when the buffer's bound is reached.
 */
enum status h1_write_request(struct buffer *out, const char *method, const char *target,
                             struct failure *why) MUST_USE;
enum status h1_write_response(struct buffer *out, unsigned status, struct failure *why) MUST_USE;
enum status h1_write_header(struct buffer *out, const char *name, const char *value,
                            struct failure *why) MUST_USE;
enum status h1_write_length(struct buffer *out, uint64_t content_length,
                            struct failure *why) MUST_USE;
enum status h1_write_end(struct buffer *out, struct failure *why) MUST_USE;

#endif
