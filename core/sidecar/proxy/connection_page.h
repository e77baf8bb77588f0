/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of live connections for the admin: the worker copies plain values, in a fraction of a
 * millisecond, and the main loop makes text of them while the worker goes on.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_CONNECTION_PAGE_H
#define SIGNET_CORE_SIDECAR_PROXY_CONNECTION_PAGE_H

#include "core/sidecar/proxy/lane.h"

struct json_writer;

#define CONNECTION_PAGE_MOST 256u   /* connections copied in one turn of a worker */
#define CONNECTION_PAGE_LOOKS 4096u /* places looked at for them */

/* One connection as it was at a moment. Its texts lie in the page's. */
struct connection_view {
    uint64_t id;
    uint64_t state_ms;
    uint64_t age_ms;
    uint64_t received; /* bytes from the network */
    uint64_t sent;
    const char *reason; /* a literal, or NULL */
    const char *transport; /* a literal: record_transport_word() */
    struct ip peer_ip;
    struct ip to_ip;
    size_t peer_at; /* in the page's texts */
    size_t peer_len; /* 0: nobody is verified */
    size_t rule_at;
    size_t rule_len; /* 0: no rule decided */
    uint16_t peer_port;
    uint16_t to_port;
    uint8_t direction;
    uint8_t state;
    bool tls;
};

struct connection_page {
    struct connection_view views[CONNECTION_PAGE_MOST];
    size_t count;
    size_t most;              /* set by who asks: at most so many are copied */
    struct buffer texts;      /* owned */
    struct identity_set *own; /* reference: whose side of mutual TLS the worker shows; or NULL */
    uint32_t next;            /* the place to go on from */
    bool more;                /* there are places behind it */
};

/* connection_page_fill copies from place `from` on. The lane's thread; the page is empty before. */
void connection_page_fill(const struct lane *lane, uint32_t from, struct connection_page *page);

/* connection_page_describe appends an object a connection to the writer's open array. Any thread. */
void connection_page_describe(const struct connection_page *page, struct json_writer *json);

/* connection_page_clear empties it and frees what it holds. */
void connection_page_clear(struct connection_page *page);

#endif
