/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A relay between two far ends that send a pattern and check the one that comes.
 */
#ifndef SIGNET_TESTS_UNIT_RUNTIME_NET_RELAY_RIG_H
#define SIGNET_TESTS_UNIT_RUNTIME_NET_RELAY_RIG_H

#include "core/runtime/net/relay.h"

struct relay_rig;

/* What the two sides of a relay are made of. */
struct relay_rig_kind {
    const char *name;
    /* Fills rig->inner[side], rig->far[side].stream, and .fd where there is a socket below. */
    void (*make)(struct relay_rig *rig, unsigned side, uint32_t seed);
    void (*clear)(struct relay_rig *rig); /* frees what make() needed; or NULL */
    uint32_t seeds;                       /* how many runs of a random transfer */
};

/* The far end of one side of the relay: sends a pattern, checks the one that comes. */
struct relay_far {
    struct relay_rig *rig;
    struct stream *stream;
    int fd; /* borrowed, the far end's socket; -1: none */
    uint8_t salt;
    size_t to_send, sent, received;
    bool end_after_peer; /* ends only once the other side's end has come */
    bool never_ends;
    bool stopped; /* does not read */
    bool ended, peer_ended, broken;
};

struct relay_rig {
    struct worker worker;
    struct relay relay;
    const struct relay_rig_kind *kind;
    void *user; /* the kind's */
    struct stream *inner[2];
    struct relay_far far[2];
    uv_timer_t tick; /* so that a turn never waits for long */
    int done;
    enum status status;
    char reason[32];
};

/* relay_rig_open makes both sides; relay_rig_start the relay, and lets the far ends begin. */
void relay_rig_open(struct relay_rig *rig, const struct relay_rig_kind *kind, uint32_t seed);
void relay_rig_start(struct relay_rig *rig);

/* relay_rig_turn is one turn of the loop; relay_rig_turns several. */
void relay_rig_turn(struct relay_rig *rig);
void relay_rig_turns(struct relay_rig *rig, int count);

/*
 * relay_rig_stall stops the far end of `side`, and lets the other send, little by little, until the
 * relay keeps bytes. What is sent then finds room in the sockets.
 */
void relay_rig_stall(struct relay_rig *rig, unsigned side);

/* relay_rig_far_ready is the far end's event; a test may cause one. */
void relay_rig_far_ready(void *far, unsigned events);

/* relay_rig_reset closes the far end of `side` with a reset. */
void relay_rig_reset(struct relay_rig *rig, unsigned side);

/* relay_rig_end frees all. */
void relay_rig_end(struct relay_rig *rig);

/* The kind of real sockets on loopback. */
extern const struct relay_rig_kind relay_rig_tcp;

/* relay_rig_sockets connects two on loopback with small buffers, as streams: [0] ours, [1] the far end's. */
void relay_rig_sockets(struct relay_rig *rig, uint32_t seed, int out_fds[2],
                       struct stream *out_ends[2]);

#endif
