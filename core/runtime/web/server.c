/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/web/server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/web/connection.h"
#include "core/runtime/web/listen.h"

/* Out of descriptors: polling would spin, so it rests for a while. */
enum { WEB_ACCEPT_REST_MS = 100, WEB_ACCEPTS_AT_ONCE = 32 };

/* One address that a server listens on. */
struct web_door {
    struct list_link link; /* in its server's list while it is open */
    struct web_server *server;
    struct web_listener listener;
    uv_poll_t poll;
    struct timer rest;     /* after a want of descriptors */
    unsigned open_handles; /* poll and rest */
};

struct web_server {
    struct worker *worker; /* borrowed */
    struct web_server_options options;
    struct list doors;
    struct timer turn;        /* when the line is served next */
    struct list line;         /* connections with something to do, first come first served */
    uint64_t window_ms;       /* monotonic, when the present window began */
    unsigned steps;           /* taken in it */
    struct list connections;  /* in order of arrival */
    unsigned num_connections; /* in the list, or still closing */
    unsigned num_doors;       /* likewise */
    bool turn_closed;         /* with both numbers at 0, the server is freed */
};

static void web_server_free_if_over(struct web_server *server)
{
    if (server->turn_closed && server->num_doors == 0 && server->num_connections == 0) {
        free(server);
    }
}

static void web_server_connection_closed(struct web_connection *connection)
{
    struct web_server *server = connection->server;

    server->num_connections--;
    web_server_free_if_over(server);
}

void web_server_line_up(struct web_connection *connection)
{
    struct web_server *server = connection->server;

    if (list_is_empty(&server->line)) {
        timer_start(&server->turn, 0, 0);
    }
    list_add(&server->line, &connection->turn);
}

/* Serves the line as far as the window allows; who is left has his turn in the next window. */
static void web_server_take_turn(struct timer *turn, void *user)
{
    struct web_server *server = user;
    uint64_t now_ms = clock_mono_ms();

    if (now_ms - server->window_ms >= WEB_WINDOW_MS) {
        server->window_ms = now_ms;
        server->steps = 0;
    }
    while (server->steps < WEB_STEPS_MAX && !list_is_empty(&server->line)) {
        struct web_connection *next =
            LIST_OF(server->line.head.next, struct web_connection, turn);

        list_remove(&next->turn);
        if (web_connection_step(next)) {
            list_add(&server->line, &next->turn);
        }
        server->steps = clock_mono_ms() - now_ms < WEB_TURN_MS ? server->steps + 1 : WEB_STEPS_MAX;
    }
    if (!list_is_empty(&server->line)) {
        uv_update_time(&server->worker->loop); /* the wait begins now */
        timer_start(turn, WEB_WINDOW_MS, 0);
    }
}

/* How many connections a source has; NULL: all of them. */
static unsigned web_server_count(const struct web_server *server, const struct ip *source)
{
    unsigned count = 0;

    LIST_EACH(&server->connections, link)
    {
        count += source == NULL ||
                 ip_equal(&LIST_OF(link, struct web_connection, link)->source, source);
    }
    return count;
}

/*
 * Makes room for a new connection. One of the source that has most goes, so that a stranger pushes
 * out his own: the first of them with nothing under way, else the oldest.
 */
static void web_server_make_room(struct web_server *server)
{
    struct web_connection *goes = NULL;
    unsigned most = 0;

    LIST_EACH(&server->connections, link)
    {
        struct web_connection *connection = LIST_OF(link, struct web_connection, link);
        unsigned count = web_server_count(server, &connection->source);

        if (count > most || (count == most && !web_connection_is_idle(goes) &&
                             web_connection_is_idle(connection))) {
            goes = connection;
            most = count;
        }
    }
    web_connection_close(goes);
}

static void web_door_accept(uv_poll_t *poll, int status, int events)
{
    struct web_door *door = poll->data;
    struct web_server *server = door->server;

    (void)status;
    (void)events;
    for (unsigned i = 0; i < WEB_ACCEPTS_AT_ONCE; i++) {
        struct web_connection *connection;
        int fd = accept4(door->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            (void)uv_poll_stop(&door->poll);
            timer_start(&door->rest, WEB_ACCEPT_REST_MS, 0);
            return;
        }
        if (fd < 0) {
            return;
        }
        if (web_server_count(server, NULL) >= WEB_CONNECTIONS_MAX) {
            web_server_make_room(server);
        }
        connection = web_connection_start(server->worker, server, &server->options, fd,
                                          web_server_connection_closed);
        list_add(&server->connections, &connection->link);
        server->num_connections++;
    }
}

static void web_door_rested(struct timer *rest, void *user)
{
    struct web_door *door = user;

    (void)rest;
    (void)uv_poll_start(&door->poll, UV_READABLE, web_door_accept);
}

static void web_door_open(struct web_server *server, const struct web_listener *listener)
{
    struct web_door *door = memory_make(sizeof *door);

    door->server = server;
    door->listener = *listener;
    door->open_handles = 2;
    timer_init(&door->rest, &server->worker->loop, web_door_rested, door);
    if (uv_poll_init(&server->worker->loop, &door->poll, listener->fd) != 0) {
        abort(); /* a listening socket can be polled */
    }
    door->poll.data = door;
    (void)uv_poll_start(&door->poll, UV_READABLE, web_door_accept);
    list_add(&server->doors, &door->link);
    server->num_doors++;
}

static void web_door_handle_closed(struct web_door *door)
{
    struct web_server *server = door->server;

    if (--door->open_handles == 0) {
        free(door);
        server->num_doors--;
        web_server_free_if_over(server);
    }
}

static void web_door_rest_closed(struct timer *rest, void *user)
{
    (void)rest;
    web_door_handle_closed(user);
}

static void web_door_poll_closed(uv_handle_t *poll)
{
    web_door_handle_closed(poll->data);
}

static void web_door_close(struct web_door *door)
{
    list_remove(&door->link);
    web_listener_unlink(&door->listener);
    timer_close(&door->rest, web_door_rest_closed);
    uv_close((uv_handle_t *)&door->poll, web_door_poll_closed);
    (void)close(door->listener.fd); /* behind uv_close(), which took it out of the poll set */
}

enum status web_server_start(struct worker *worker, const struct web_server_options *options,
                             struct web_server **out_server, struct failure *why)
{
    struct web_listener listener;
    struct web_server *server;

    if (options->address != NULL) {
        TRY(web_listen(options->address, &listener, why));
    }
    server = memory_make(sizeof *server);
    server->worker = worker;
    server->options = *options;
    server->options.address = NULL; /* the caller's text is not kept */
    list_init(&server->doors);
    list_init(&server->connections);
    list_init(&server->line);
    timer_init(&server->turn, &worker->loop, web_server_take_turn, server);
    if (options->address != NULL) {
        web_door_open(server, &listener);
    }
    *out_server = server;
    return STATUS_OK;
}

/* Closes the doors that are at none of these addresses. */
static void web_server_keep(struct web_server *server, const struct address *addresses,
                            size_t num_addresses)
{
    LIST_EACH(&server->doors, link)
    {
        struct web_door *door = LIST_OF(link, struct web_door, link);
        bool kept = false;

        for (size_t i = 0; i < num_addresses && !kept; i++) {
            kept = address_equal(&door->listener.address, &addresses[i]);
        }
        if (!kept) {
            web_door_close(door);
        }
    }
}

static bool web_server_has(const struct web_server *server, const struct address *address)
{
    LIST_EACH(&server->doors, link)
    {
        if (address_equal(&LIST_OF(link, struct web_door, link)->listener.address, address)) {
            return true;
        }
    }
    return false;
}

enum status web_server_listen(struct web_server *server, const struct address *addresses,
                              size_t num_addresses, struct failure *why)
{
    enum status worst = STATUS_OK;

    web_server_keep(server, addresses, num_addresses);
    for (size_t i = 0; i < num_addresses; i++) {
        struct web_listener listener;
        struct failure cause = {0};
        char text[ADDRESS_TEXT_MAX];

        if (web_server_has(server, &addresses[i])) {
            continue;
        }
        if (web_listen(address_print(&addresses[i], text), &listener, &cause) == STATUS_OK) {
            web_door_open(server, &listener);
        } else if (cause.os_error != EADDRNOTAVAIL && worst == STATUS_OK) {
            worst = fail_os(why, cause.os_error, cause.reason, "%s", text);
        }
    }
    return worst;
}

enum status web_server_addresses(const struct web_server *server, struct buffer *out)
{
    char text[ADDRESS_TEXT_MAX];

    LIST_EACH(&server->doors, link)
    {
        const struct web_door *door = LIST_OF(link, struct web_door, link);

        TRY(buffer_add_format(out, "%s%s", out->len == 0 ? "" : " ",
                              address_print(&door->listener.address, text)));
    }
    return STATUS_OK;
}

static void web_server_turn_closed(struct timer *turn, void *user)
{
    struct web_server *server = user;

    (void)turn;
    server->turn_closed = true;
    web_server_free_if_over(server);
}

void web_server_close(struct web_server *server)
{
    if (server == NULL) {
        return;
    }
    LIST_EACH(&server->connections, link)
    {
        web_connection_close(LIST_OF(link, struct web_connection, link));
    }
    web_server_keep(server, NULL, 0);
    timer_close(&server->turn, web_server_turn_closed);
}
