/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker's share of the proxy: its listeners, its connections, and its own references to what is
 * published (TLS context, mesh snapshot). Everything here belongs to that worker's thread.
 *
 * Elsewhere: the whole proxy and its workers (proxy.h), one connection (connection.h).
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_LANE_H
#define SIGNET_CORE_SIDECAR_PROXY_LANE_H

#include "core/runtime/telemetry/log.h"
#include "core/sidecar/capture/listener.h"
#include "core/sidecar/discovery/snapshot.h"
#include "core/sidecar/proxy/access_log.h"
#include "core/sidecar/proxy/admission.h"
#include "core/sidecar/proxy/connection_table.h"
#include "core/sidecar/proxy/rule_note.h"
#include "core/sidecar/proxy/turn.h"
#include "core/trust/tls/slot.h"

/* The bounded waits of a connection. Indexes of lane_options.limit_ms. */
enum lane_limit {
    LANE_NO_LIMIT,
    LANE_LIMIT_IDENTITY,  /* for the first certificate, or the first mesh */
    LANE_LIMIT_SNIFF,     /* for the first bytes on a permissive port */
    LANE_LIMIT_HANDSHAKE, /* for a sidecar's first bytes, for a place among the handshakes, then for TLS */
    LANE_LIMIT_DIAL,      /* for the application, or the peer's host */
    LANE_LIMITS,
};

/* An explicit listener: listen here, forward there. */
struct forward {
    bool inbound; /* take mTLS and forward plaintext; else take plaintext and forward mTLS */
    struct address listen;
    struct address to;
    char *peer_id; /* owned; outbound: the identity the peer must present. Inbound: the only one let
                      in, or NULL: any that policy allows */
};

/* Fixed once the workers run; shared by all of them. */
struct lane_options {
    uint32_t limit_ms[LANE_LIMITS];
    struct admission_limits admission; /* of inbound handshakes: this lane's share */
    const char *workload; /* "namespace/name" of ourselves in the mesh; NULL: none */
    bool has_mesh;        /* a mesh is expected: until it is here, nothing is let through */
    atomic_uint *num_live; /* connections of all lanes; NULL: not counted */
    unsigned most_live;    /* of them, by the descriptors that they need; 0: no bound */
    struct access_sink *access; /* NULL: no access log */
    void (*canary_seen)(void *user); /* outbound capture was proved; any worker's thread */
    void *user;
};

struct lane {
    struct worker *worker; /* borrowed */
    const struct lane_options *options;
    struct log log;
    struct tls_slot slot;
    struct snapshot *snapshot;            /* reference; NULL until the mesh is read */
    const struct snapshot_workload *self; /* borrowed from snapshot; NULL: not in the mesh */
    struct connection_table table;
    struct access_log access;
    struct admission admission; /* inbound handshakes: who may begin one now */
    struct turn turn;           /* handshakes, of both directions, in turns with all else */
    struct list due;            /* connections whose handshake can go on, the oldest first */
    bool in_turn;               /* one of them is being run now */
    struct rule_notes rules;
    uint64_t next_id;
    atomic_uint num_idle_ended; /* by lane_end_idle(); written by this worker, read by any thread */
    uint32_t drawn; /* state of a small generator, for choosing endpoints: no secret */
};

/* lane_init prepares a lane on its worker's thread. `options` outlives it. */
void lane_init(struct lane *lane, struct worker *worker, const struct lane_options *options);

/* lane_close cuts what is left of its connections and drops its references; then the loop runs dry. */
void lane_close(struct lane *lane);

/* lane_take_context and lane_take_snapshot take over a reference to what was published. */
void lane_take_context(struct lane *lane, struct tls_context *context);
void lane_take_snapshot(struct lane *lane, struct snapshot *snapshot);

/*
 * lane_has_identity tells whether there is a certificate in force that has not ended: a leaf out of date is
 * never shown to a peer.
 */
bool lane_has_identity(const struct lane *lane);

/*
 * lane_ask_turn puts a connection in line for its next piece of handshake, which runs from the loop.
 * lane_in_turn tells whether that is now.
 */
void lane_ask_turn(struct lane *lane, struct list_link *due);
bool lane_in_turn(const struct lane *lane);

/* lane_admit asks for a place among the handshakes; lane_leave gives it, or the wait for it, up. */
enum admission_answer lane_admit(struct lane *lane, struct admission_ticket *ticket,
                                 const struct ip *from);
void lane_leave(struct lane *lane, struct admission_ticket *ticket);

/* lane_end_idle is proxy_end_idle() for this lane. */
void lane_end_idle(struct lane *lane, uint64_t idle_ms);

/* lane_count_live counts one connection more, or one fewer. */
void lane_count_live(struct lane *lane, int change);

/*
 * lane_held tells why no connection may be accepted now: a literal, "limit/descriptors" or
 * "limit/memory" (the process is over its memory budget); NULL: it may.
 */
const char *lane_held(const struct lane *lane);

/* lane_draw is the next number of the lane's generator. */
uint32_t lane_draw(struct lane *lane);

#endif
