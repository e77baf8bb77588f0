/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP/1.1 server on a loop, for admin, metrics and health: not for the mesh's traffic.
 * Bytes of strangers may reach it, so all is bounded: connections, time, head, body, answer. And it
 * shares its loop with work that must not wait, such as the renewal of a certificate: connections
 * with something to do stand in line, each has one request answered when it is its turn, and of each
 * WEB_WINDOW_MS the server takes WEB_STEPS_MAX such steps, or WEB_TURN_MS of time, and no more.
 *
 *     static const struct web_route routes[] = {
 *         {"GET", "/identity", pages_identity, &pages},
 *         {"POST", "/loglevel", pages_set_level, &pages},
 *         {"DELETE", "/entries/" "*", pages_remove_entry, &pages},   the rest is request->rest
 *     };
 *     struct web_server_options options = {.address = settings.admin_address, .routes = routes,
 * ...}; TRY(web_server_start(&main_worker, &options, &server, why));
 *
 * A request that changes something (any method but GET and HEAD) needs the header X-Signet-Request,
 * which no web page can make a browser send; and with `local_host_only`, over TCP, a Host that is
 * localhost or a loopback address, which a page of another name cannot have (DNS rebinding).
 */
#ifndef SIGNET_CORE_RUNTIME_WEB_SERVER_H
#define SIGNET_CORE_RUNTIME_WEB_SERVER_H

#include <sys/types.h>

#include "core/runtime/http/message.h"
#include "core/runtime/loop/worker.h"
#include "core/runtime/net/address.h"

#define WEB_CONNECTIONS_MAX 64     /* one more ends one of the source that has most (ip_source) */
#define WEB_REQUESTS_MAX 100       /* of one connection; the last answer says that it closes */
#define WEB_WINDOW_MS 10
#define WEB_STEPS_MAX 32           /* requests answered, or pieces read, in a window */
#define WEB_TURN_MS 2              /* the step that passes it is the window's last one */
#define WEB_REQUEST_LIMIT_MS 10000 /* from a request's first byte to its last, and for its answer  \
                                    */
#define WEB_IDLE_LIMIT_MS 60000    /* between two requests of a connection */
#define WEB_BODY_MAX ((size_t)64 * 1024)
#define WEB_ANSWER_MAX ((size_t)16 * 1024 * 1024)
#define WEB_REQUEST_HEADER "x-signet-request"

struct web_request {
    const struct http_message *message; /* all of it, borrowed for the call */
    struct bytes path;
    struct bytes query; /* http_query_get() reads it */
    struct bytes rest;  /* what the '*' of the route's path stands for */
    struct bytes body;
    bool is_unix; /* came by a unix socket: peer_uid is the caller's, as the kernel says */
    uid_t peer_uid;
    pid_t peer_pid; /* may be another process by now: for logs only */
};

struct web_answer {
    unsigned status;          /* 200 to begin with */
    const char *content_type; /* "application/json" to begin with; a literal */
    struct buffer body;       /* bound WEB_ANSWER_MAX; fill it */
};

/* Answers a request at once, on the loop's thread. */
typedef void (*web_route_fn)(void *user, const struct web_request *request,
                             struct web_answer *answer);

struct web_route {
    const char *method; /* "GET" also answers HEAD */
    const char *path;   /* exact, or "/some/" followed by a star: anything behind it */
    web_route_fn respond;
    void *user;
};

struct web_server_options {
    /* "unix:PATH", "127.0.0.1:15000", "[::1]:15000", ":15020"; NULL: web_server_listen() says */
    const char *address;
    const struct web_route *routes; /* borrowed; outlives the server */
    size_t num_routes;
    bool local_host_only; /* admin servers: the Host rule above */
};

struct web_server; /* bound to a loop */

/*
 * web_server_start listens and serves on the worker's loop, on whose thread it is called. A unix
 * socket is made with mode 0600, in a folder that is there already; a socket that an earlier
 * process left at PATH is replaced, but anything else there is refused, and so is a socket on which
 * somebody still answers.
 *
 * STATUS_CONFIG "address/..." (address.h); STATUS_IO "web/bind" (with the address and the system's
 * word), "web/in-use".
 */
enum status web_server_start(struct worker *worker, const struct web_server_options *options,
                             struct web_server **out_server, struct failure *why) MUST_USE;

/*
 * web_server_listen has it listen on these TCP addresses and no others: where it does already, it
 * stays; other doors are closed, and connections that came through them stay. An address that this
 * machine does not have (yet) is left out without a word: call again to try it again. Limits are
 * those of the whole server.
 *
 * STATUS_IO "web/in-use", "web/bind": the first address that failed otherwise; the others are
 * listened on.
 */
enum status web_server_listen(struct web_server *server, const struct address *addresses,
                              size_t num_addresses, struct failure *why) MUST_USE;

/* web_server_addresses appends where it listens, "10.0.0.7:15020 [fd00::7]:15020"; or nothing. */
enum status web_server_addresses(const struct web_server *server, struct buffer *out) MUST_USE;

/*
 * web_server_close stops listening, ends the connections, removes the unix socket and frees the
 * server after the loop's close callbacks. NULL is fine.
 */
void web_server_close(struct web_server *server);

/*
 * web_answer_error fills an answer with {"reason":...,"detail":...} and a status code that fits
 * `status`: 404 for NOT_FOUND, 403 for DENIED, 400 for what the caller got wrong, 500 for the rest.
 */
void web_answer_error(struct web_answer *answer, enum status status, const struct failure *why);

#endif
