/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream: an ordered two-way channel of bytes. TCP and unix sockets, TLS over another stream, and the
 * memory streams of tests all look like this, so that a relay, and a flow test, need not know which.
 *
 * Streams are pulled: ready() says that something may be done, the owner then reads or writes, and
 * the answer STATUS_WAIT means "not now". So back-pressure is simply not reading, and an idle
 * stream holds no buffer.
 *
 *   read      gives what is there. When fewer than `room` bytes came and `holds` is not set, nothing
 *             is left inside the stream itself: bytes not read yet wait in the system and ready()
 *             will tell of them. `room` is at least STREAM_ROOM_MIN.
 *   write     takes some or all. A stream that took bytes delivers them, even if it must keep some
 *             for later: `owes` says how many. Until that is 0 the next write answers STATUS_WAIT, and
 *             who has bytes for it should not read more of them.
 *   shutdown  ends our direction behind all that was written; reading goes on. STATUS_WAIT: something
 *             written is still on its way, call again when writable.
 *   interest  which events ready() shall report; level-triggered, from the loop only, never from
 *             inside a call of the owner. With STREAM_ERRORS alone only a broken connection is told,
 *             as both events; with 0 nothing is. STREAM_ENDS beside it tells, as readable, an end that
 *             comes with at most STREAM_END_MOST bytes unread: who has no memory to read with hears it.
 *   silence   for how long bytes are on their way without the other end's system acknowledging any;
 *             nobody need have it.
 *   pinch     asks the system to hold little for this stream from now on; nobody need have it.
 *   unread    gives bytes back, to be read again before any other. At most once between two reads.
 *             No event tells of them: `holds` does.
 *   close     gives the stream up: no event comes after it, it frees itself when the loop lets it.
 *             Bytes that were taken and not sent yet are dropped. With `reset`, the peer sees a reset
 *             (RST) instead of an end.
 *
 * A stream belongs to one worker's thread. Nothing here may be called from another.
 */
#ifndef SIGNET_CORE_RUNTIME_NET_STREAM_H
#define SIGNET_CORE_RUNTIME_NET_STREAM_H

#include <stdbool.h>

#include "core/runtime/base/bytes.h"

/* The plaintext of a TLS record fits in. */
#define STREAM_ROOM_MIN ((size_t)16 * 1024)

enum {
    STREAM_READABLE = 1,
    STREAM_WRITABLE = 2,
    STREAM_ERRORS = 4, /* interest only; implied by the others */
    STREAM_ENDS = 8,   /* interest only; with STREAM_ERRORS, in the place of STREAM_READABLE */
};

/* A close_notify, sealed, fits in, and little else: RFC 8446 section 5.2. */
#define STREAM_END_MOST 64

struct stream;

/* What happened, STREAM_READABLE and STREAM_WRITABLE ored. An error is reported as both. */
typedef void (*stream_ready_fn)(void *user, unsigned events);

struct stream_ops {
    enum status (*read)(struct stream *stream, uint8_t *into, size_t room, size_t *out_len,
                        struct failure *why);
    enum status (*write)(struct stream *stream, struct bytes from, size_t *out_len,
                         struct failure *why);
    enum status (*shutdown)(struct stream *stream, struct failure *why);
    void (*interest)(struct stream *stream, unsigned events);
    void (*unread)(struct stream *stream, struct bytes bytes);
    void (*close)(struct stream *stream, bool reset);
    bool (*silence)(struct stream *stream, uint64_t *out_ms); /* or NULL */
    void (*pinch)(struct stream *stream);                     /* or NULL */
};

struct stream {
    const struct stream_ops *ops;
    stream_ready_fn ready; /* the owner's; set by stream_own() */
    void *user;
    size_t owes; /* bytes that it took and the stream below did not take yet */
    bool holds;  /* bytes, an end or an error are inside, of which no event will tell: read again */
    bool part;   /* of a record that has not come whole is held, and counted: reading on gives it back */
    bool cut;    /* the failure that reading told is an end without a farewell, between two records */
};

/* stream_own says who is told of events. Events wanted must be asked for with stream_interest(). */
static inline void stream_own(struct stream *stream, stream_ready_fn ready, void *user)
{
    stream->ready = ready;
    stream->user = user;
}

/*
 * stream_read: STATUS_OK with *out_len > 0; STATUS_WAIT; STATUS_CLOSED at the peer's orderly end;
 * STATUS_IO "tcp/reset", "tcp/read"; STATUS_PROTOCOL and others as the stream above TCP says.
 */
static inline enum status stream_read(struct stream *stream, uint8_t *into, size_t room,
                                      size_t *out_len, struct failure *why)
{
    return stream->ops->read(stream, into, room, out_len, why);
}

/* stream_write: STATUS_OK with *out_len > 0 bytes taken; STATUS_WAIT; STATUS_IO "tcp/write" … */
static inline enum status stream_write(struct stream *stream, struct bytes from, size_t *out_len,
                                       struct failure *why)
{
    return stream->ops->write(stream, from, out_len, why);
}

/* stream_shutdown: STATUS_OK when the end is on its way; STATUS_WAIT: again when writable; STATUS_IO. */
static inline enum status stream_shutdown(struct stream *stream, struct failure *why)
{
    return stream->ops->shutdown(stream, why);
}

/* stream_interest sets which events are wanted from now on (0: none). */
static inline void stream_interest(struct stream *stream, unsigned events)
{
    stream->ops->interest(stream, events);
}

/* stream_unread gives back bytes, which are copied, to be read again first. */
static inline void stream_unread(struct stream *stream, struct bytes bytes)
{
    stream->ops->unread(stream, bytes);
}

/*
 * stream_silence is true while bytes are on their way; *out_ms is then for how long their receiver's
 * system has been silent, be it from before they went. An acknowledged window of zero is no silence.
 */
static inline bool stream_silence(struct stream *stream, uint64_t *out_ms)
{
    return stream->ops->silence != NULL && stream->ops->silence(stream, out_ms);
}

/* stream_pinch makes the system's buffers of this stream small: memory is scarce, and it stalls. */
static inline void stream_pinch(struct stream *stream)
{
    if (stream->ops->pinch != NULL) {
        stream->ops->pinch(stream);
    }
}

/* stream_close gives the stream at *stream up and sets the pointer to NULL; NULL is fine. */
static inline void stream_close(struct stream **stream, bool reset)
{
    if (*stream != NULL) {
        struct stream *gone = *stream;

        *stream = NULL;
        gone->ops->close(gone, reset);
    }
}

#endif
