/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pump two streams into each other until both have ended: back-pressure, half-close, counts.
 *
 * An idle relay holds no buffer. Bytes pass through the worker's scratch memory within one call; only
 * what the other side could not take at once is kept, and then nothing more is read until it is gone.
 * An end (FIN, close_notify) on one side becomes an end on the other, after the last byte; an error
 * ends the relay, and its owner closes both sides with a reset.
 */
#ifndef SIGNET_CORE_RUNTIME_NET_RELAY_H
#define SIGNET_CORE_RUNTIME_NET_RELAY_H

#include "core/runtime/loop/worker.h"
#include "core/runtime/net/stream.h"

/* Read at once at most: whole TLS records of 16 KiB, that still fit into scratch memory once sealed. */
#define RELAY_CHUNK ((size_t)7 * 16 * 1024)

struct relay_way {
    struct stream *from; /* borrowed */
    struct stream *to;   /* borrowed */
    uint8_t *kept;       /* owned; what `to` did not take yet; NULL nearly always */
    size_t kept_len;
    size_t kept_used;
    uint64_t bytes;  /* delivered to `to` */
    bool from_ended; /* no more will come */
    bool to_ended;   /* and we said so */
};

struct relay {
    struct worker *worker;   /* borrowed */
    struct relay_way way[2]; /* 0: a to b, 1: b to a */
    /* The relay is over: `status` is STATUS_OK when both sides ended in order, else `why` says which. */
    void (*done)(struct relay *relay, enum status status, const struct failure *why);
    bool broken_on_b;        /* at a failure: was it b's? */
};

/*
 * relay_start takes over the events of both streams, which stay their owner's and must outlive the
 * relay. It pumps at once what is there; done() comes exactly once, from the loop or from inside
 * this call. `relay` is embedded in the owner.
 */
void relay_start(struct relay *relay, struct worker *worker, struct stream *a, struct stream *b,
                 void (*done)(struct relay *relay, enum status status, const struct failure *why));

/*
 * relay_end ends one way (0: a to b, 1: b to a) as though its source had ended, behind what is kept; the
 * other way goes on until its own end. done() may come from inside the call.
 */
void relay_end(struct relay *relay, unsigned way);

/* relay_clear frees what is kept; call it when the relay is over or given up, before the streams go. */
void relay_clear(struct relay *relay);

#endif
