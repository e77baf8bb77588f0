/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One captured or accepted connection: what inbound and outbound have in common. Which states there
 * are and what each does is a table of the direction's own (inbound.c, outbound.c); this file moves a
 * connection through them, and writes down its beginning and its end, in one place.
 *
 * A connection belongs to its lane's thread. It is freed when it ends: after connection_advance()
 * has returned, or a callback of it, it may be gone.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_CONNECTION_H
#define SIGNET_CORE_SIDECAR_PROXY_CONNECTION_H

#include "core/runtime/net/dial.h"
#include "core/runtime/net/relay.h"
#include "core/runtime/telemetry/metrics.h"
#include "core/sidecar/proxy/lane.h"
#include "core/trust/authz/evaluate.h"
#include "core/trust/tls/tls_stream.h"

struct connection;

/* What a step answers: a state to go to (>= 0), or one of these. */
enum {
    STEP_WAIT = -1, /* an event will resume it; it may even be gone already */
    STEP_ENDS = -2, /* an ordinary end, or with STEP_FAIL a failure */
};

/* STEP_FAIL(status): the connection ends with that status; the step has filled `why`. */
#define STEP_FAIL(status) (STEP_ENDS - (int)(status))

struct connection_step {
    int (*run)(struct connection *connection, struct failure *why);
    enum lane_limit limit; /* longest stay */
    const char *late;      /* reason when it is passed */
    /* When the limit is passed: a state to go on in, or STEP_WAIT: end it. NULL: always end it. */
    int (*passed)(struct connection *connection);
};

struct connection {
    struct list_link link; /* in its lane's table */
    struct list_link due;  /* in its lane's line, while its handshake waits for its turn */
    struct admission_ticket ticket; /* inbound: its place among the handshakes */
    struct lane *lane;
    const struct connection_step *steps; /* of its direction, one per state */
    const struct forward *forward;       /* borrowed from the options; NULL: captured */
    struct snapshot *snapshot; /* reference: what was true when it began; NULL: none yet, or it relays */
    struct snapshot_endpoint endpoint; /* outbound: where to, when has_endpoint; borrows of snapshot */
    struct stream *network; /* owned; towards the network: TLS once it has begun */
    struct stream *app;     /* owned; towards the application */
    struct dial *dial;      /* owned; while one is running */
    struct relay relay;
    const char *reason;        /* verdict's reason, a literal; NULL before the verdict */
    struct rule_note *rule; /* reference: what the verdict stands on; NULL: no rule decided */
    uint64_t id;
    uint64_t opened_ms;  /* worker's clock */
    uint64_t entered_ms; /* when `state` began */
    uint64_t step_us;    /* uv_hrtime in us when handshake or dial began */
    uint32_t handshake_us;
    uint32_t dial_us;
    struct ip peer_ip; /* who opened the connection */
    struct ip to_ip;   /* where it was going */
    uint32_t slot;     /* its place in the lane's table */
    int accepted_fd;   /* of the stream it came with, which owns it */
    uint16_t peer_port;
    uint16_t to_port;
    uint8_t direction; /* enum connection_direction */
    uint8_t state;     /* enum connection_state; only connection_enter() writes it */
    uint8_t mode;      /* enum mtls_mode asked for on this leg */
    uint8_t tried;     /* outbound: endpoints tried */
    uint16_t first_endpoint; /* outbound: index drawn for the first try */
    uint16_t num_endpoints;  /* outbound: that there are */
    bool has_endpoint;
    bool tls;          /* `network` is a TLS stream */
    bool shown;        /* counted and logged as open */
    bool ending;       /* told the one who opened it that nothing more comes */
    bool waits;        /* counted as waiting for the first certificate or mesh */
    struct failure *dial_why; /* owned; how the last dial failed; NULL nearly always */
};

/* connection_make makes one around an accepted socket and puts it into the lane's table. */
struct connection *connection_make(struct lane *lane, enum connection_direction direction, int fd,
                                   const struct address *peer);

/* connection_begin sends it into its first state and runs it. */
void connection_begin(struct connection *connection, enum connection_state first);

/* connection_self is ourselves as the connection's mesh has us, or NULL: no mesh, or not in it. */
const struct snapshot_workload *connection_self(const struct connection *connection);

/* connection_advance runs steps until one must wait. Every event of a connection ends here. */
void connection_advance(struct connection *connection);

/* connection_fail ends it with a reason, from an event of its own or at a limit. */
void connection_fail(struct connection *connection, enum status status, const struct failure *why);

/* connection_late is called when the limit of its state has passed. */
void connection_late(struct connection *connection);

/* connection_watch_network and connection_watch_app make events of that stream resume it. */
void connection_watch_network(struct connection *connection, unsigned events);
void connection_watch_app(struct connection *connection, unsigned events);

/*
 * connection_dial begins to dial `to`; when that ends, the connection is advanced, and
 * connection_dialled() tells the step that waits: STATUS_OK: connected, the stream is in place at
 * `app` (inbound) or `network` (outbound); STATUS_WAIT: still dialling; else `why`.
 */
void connection_dial(struct connection *connection, const struct address *to);
enum status connection_dialled(struct connection *connection, struct failure *why) MUST_USE;

/* connection_forget_dial lets a failed dial be followed by another. */
void connection_forget_dial(struct connection *connection);

/*
 * connection_admit is the step CONNECTION_ADMIT: goes on to CONNECTION_HANDSHAKE with a place among
 * the handshakes, or waits for one, unread. STATUS_LIMIT "limit/waiting" when too many wait already.
 */
int connection_admit(struct connection *connection, struct failure *why);

/* connection_secure begins TLS on the network stream with the lane's present context, which exists. */
void connection_secure(struct connection *connection, enum tls_role role, const char *expected_id);

/* connection_handshake is the step of both directions: goes as far as TLS can; then the peer is known. */
enum status connection_handshake(struct connection *connection, struct failure *why) MUST_USE;

/* connection_peer is the verified peer, or NULL for plaintext and before the handshake's end. */
const struct tls_peer *connection_peer(const struct connection *connection);

/*
 * connection_end_idle is for a drain: when no byte was relayed for `idle_ms`, the one who opened it is
 * told that nothing more comes, and then ends it himself. True when that was done now.
 */
bool connection_end_idle(struct connection *connection, uint64_t idle_ms);

/* connection_relay is the last step: shows it as open, and pumps until both sides have ended. */
int connection_relay(struct connection *connection, struct failure *why);

#endif
