/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of one HTTP request or response: method, target, status, headers; bounded, header names
 * in lower case, values without blanks at their ends. No body, no sockets. Source: RFC 9110, RFC
 * 9112.
 */
#ifndef SIGNET_CORE_RUNTIME_HTTP_MESSAGE_H
#define SIGNET_CORE_RUNTIME_HTTP_MESSAGE_H

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/bytes.h"
#include "core/runtime/base/status.h"

#define HTTP_HEAD_MAX ((size_t)32 * 1024)  /* bytes of target, names and values together */
#define HTTP_TARGET_MAX ((size_t)8 * 1024) /* bytes of a request's target */
#define HTTP_HEADERS_MAX 100

struct http_header; /* where name and value lie in the block */

struct http_message {
    struct buffer block;         /* owned: method, target, names, values */
    struct http_header *headers; /* owned */
    size_t num_headers;
    size_t method_len; /* the block begins with the method, then the target */
    size_t target_len;
    unsigned status;  /* of a response, 100 to 999; 0 in a request */
    bool version_1_1; /* else 1.0 */
    bool keep_alive;  /* the sender would go on using the connection */
    bool upgrade;     /* what follows is no HTTP: CONNECT, or an accepted Upgrade */
    bool has_length;  /* content_length was given */
    uint64_t content_length;
};

/*
 * http_message_init makes an empty message; http_message_clear frees it; _reset empties it for
 * reuse.
 */
void http_message_init(struct http_message *message);
void http_message_clear(struct http_message *message);
void http_message_reset(struct http_message *message);

/*
 * Borrowed until the message changes: the method and target of a request; the path and query of a
 * target in origin form ("/a?b"): path is empty when the target has another form.
 */
struct bytes http_message_method(const struct http_message *message);
struct bytes http_message_target(const struct http_message *message);
struct bytes http_message_path(const struct http_message *message);
struct bytes http_message_query(const struct http_message *message);

/*
 * http_message_get is the value of the first header `name` (lower case); false when there is none.
 * http_message_count is how many there are of that name.
 */
bool http_message_get(const struct http_message *message, const char *name,
                      struct bytes *out_value);
size_t http_message_count(const struct http_message *message, const char *name);

/* http_message_header is header `index` < num_headers. */
void http_message_header(const struct http_message *message, size_t index, struct bytes *out_name,
                         struct bytes *out_value);

/*
 * Building, piece by piece as a parser finds it: a start of a header, then more of name or value.
 * STATUS_LIMIT "http/head-too-long", "http/target-too-long", "http/too-many-headers".
 */
enum status http_message_add_method(struct http_message *message, struct bytes more,
                                    struct failure *why) MUST_USE;
enum status http_message_add_target(struct http_message *message, struct bytes more,
                                    struct failure *why) MUST_USE;
enum status http_message_add_name(struct http_message *message, bool starts, struct bytes more,
                                  struct failure *why) MUST_USE;
enum status http_message_add_value(struct http_message *message, struct bytes more,
                                   struct failure *why) MUST_USE;

/* http_message_finish trims the values, once, when the head is complete. */
void http_message_finish(struct http_message *message);

/*
 * http_query_get finds `name` in a query "a=1&b=2" and gives its percent-decoded value in `out` (of
 * `room` bytes, NUL-ended). False when it is not there, malformed, holds a NUL, or does not fit.
 */
bool http_query_get(struct bytes query, const char *name, char *out, size_t room);

/* http_status_text is the phrase of a status code, "Not Found"; "Unknown" for one we do not use. */
const char *http_status_text(unsigned status);

#endif
