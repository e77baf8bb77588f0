/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of the small server: reads a request, answers it, and again. Within this package
 * only.
 */
#ifndef SIGNET_CORE_RUNTIME_WEB_CONNECTION_H
#define SIGNET_CORE_RUNTIME_WEB_CONNECTION_H

#include "core/runtime/base/ip.h"
#include "core/runtime/base/list.h"
#include "core/runtime/http/h1.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/net/stream.h"
#include "core/runtime/web/server.h"

struct web_connection {
    struct list_link link;                    /* in its server's list while it is open */
    struct list_link turn;                    /* in its server's line while it has something to do */
    struct ip source;                         /* who it is, as limits count; zero by a unix socket */
    struct worker *worker;                    /* borrowed */
    struct web_server *server;                /* borrowed: outlives its connections */
    const struct web_server_options *options; /* the server's */
    struct stream *stream;                    /* owned; NULL once closed */
    struct timer limit;
    struct h1_parser parser;
    struct buffer in;   /* read from the stream, not parsed yet, from `parsed` on */
    size_t parsed;
    struct buffer body; /* of the request being read */
    struct buffer out;  /* what is left to send, from `sent` on */
    size_t sent;
    size_t dropped;    /* bytes thrown away since it leaves */
    unsigned requests; /* answered so far */
    bool answered;     /* `out` ends with an answer */
    bool closes;       /* nothing is read behind this answer */
    bool leaves;       /* all is said; it stays until the peer has read it */
    bool is_unix;
    uid_t peer_uid;
    pid_t peer_pid;
    void (*closed)(
        struct web_connection *connection); /* the server's; runs last, then we are gone */
};

/*
 * web_connection_start serves the connected socket `fd`, which it takes over. closed(connection)
 * runs from the loop when all is over, and the memory goes after it.
 */
struct web_connection *web_connection_start(struct worker *worker, struct web_server *server,
                                            const struct web_server_options *options, int fd,
                                            void (*closed)(struct web_connection *connection));

/*
 * web_connection_step does one bounded piece of what is to be done: one read, one answer. True when
 * there is more to do at once; else it waits for its stream, or is closed.
 */
bool web_connection_step(struct web_connection *connection);

/* web_server_line_up puts a connection with something to do at the end of its server's line. */
void web_server_line_up(struct web_connection *connection);

/* web_connection_close ends it now; again does nothing. */
void web_connection_close(struct web_connection *connection);

/* web_connection_is_idle: nothing is under way: it is between two requests, or all is said. */
bool web_connection_is_idle(const struct web_connection *connection);

/*
 * web_respond answers a request by the routes and rules of server.h. Pure but for the route's own
 * function. The head's `connection` line is the caller's.
 */
void web_respond(const struct web_server_options *options, const struct web_request *request,
                 struct web_answer *answer);

#endif
