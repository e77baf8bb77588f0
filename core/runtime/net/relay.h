/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pump two streams into each other until both have ended: back-pressure, half-close, counts.
 *
 * An idle relay holds no buffer. Bytes pass through the worker's scratch memory within one call; only
 * what the other side could not take at once is kept, in slabs that were reserved before the read, and
 * then nothing more is read until it is gone: at most RELAY_CHUNK bytes a direction, one record above
 * half of the memory budget. An end (FIN, close_notify) on one side becomes an end on the other, after
 * the last byte; an error ends the relay, and its owner closes both sides with a reset.
 *
 * It ends by itself with STATUS_LIMIT "limit/memory" when the process was over its memory budget for
 * SLABS_PATIENCE_MS and this one has stalled longest, be it that one side does not read, or that the
 * other has sent a part of a record and not its rest; with STATUS_IO "tcp/vanished" when bytes are on
 * their way and the receiver's system acknowledged none of them for RELAY_SILENCE_MS. A peer whose
 * window is zero, and who says so, may take for ever.
 */
#ifndef SIGNET_CORE_RUNTIME_NET_RELAY_H
#define SIGNET_CORE_RUNTIME_NET_RELAY_H

#include "core/runtime/loop/worker.h"
#include "core/runtime/net/stream.h"

/*
 * Read at once, and kept, at most. Four records: sealed they are less than the 64 KiB that a system
 * hands down in one piece.
 */
#define RELAY_CHUNK ((size_t)63 * 1024)

/* No acknowledgement for so long: the peer has vanished. */
#define RELAY_SILENCE_MS 120000u

/*
 * A peer that ends without a farewell (a FIN, but no close_notify) has ended in order when nothing was
 * kept and neither direction moved for so long; sooner, the end of a message may be missing.
 */
#define RELAY_QUIET_MS 1000u

struct relay_way {
    struct stream *from; /* borrowed */
    struct stream *to;   /* borrowed */
    struct slab_chain kept;    /* what `to` did not take yet; empty nearly always */
    struct slab_holder holder; /* while this way stalls, or waits for memory */
    uint64_t bytes;            /* delivered to `to` */
    uint64_t marked;           /* `bytes` when it stalled, or last moved a record on */
    uint64_t unheard_ms;       /* worker's clock: since when bytes may be on their way; 0: none are */
    bool from_ended;           /* no more will come */
    bool to_ended;             /* and we said so */
    bool pinched;              /* was told to save, and did */
    bool stalled;              /* among the stalled: it keeps bytes, or holds a part of a record */
};

struct relay {
    struct worker *worker;   /* borrowed */
    struct relay_way way[2]; /* 0: a to b, 1: b to a */
    _Atomic int64_t *counted[2]; /* metrics_counter() of each way, set before the start; NULL: none */
    /* The relay is over: `status` is STATUS_OK when both sides ended in order, else `why` says which. */
    void (*done)(struct relay *relay, enum status status, const struct failure *why);
    struct round round;   /* joined while bytes may be on their way */
    uint64_t moved_ms;    /* worker's clock: when a byte last moved */
    uint32_t silence_ms;  /* RELAY_SILENCE_MS; a test may shorten it once it has started */
    bool broken_on_b;     /* at a failure: was it b's? */
};

/*
 * relay_start, of a relay that is zeroed but for `counted`, takes over the events of both streams,
 * which stay their owner's and must outlive the relay. It pumps at once what is there; done() comes
 * exactly once, from the loop or from inside this call. `relay` is embedded in the owner.
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

/* relay_held is how many bytes are kept now for both directions, by it and by its streams. */
size_t relay_held(const struct relay *relay);

#endif
