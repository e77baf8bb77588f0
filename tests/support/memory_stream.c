/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/memory_stream.h"

#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/list.h"
#include "core/runtime/base/memory.h"

struct memory_stream {
    struct stream stream;
    struct memory_stream *peer; /* NULL once it is gone */
    uv_idle_t turn;
    struct memory_stream_plan plan;
    uint8_t *inbox; /* owned, plan.room bytes */
    size_t inbox_len;
    size_t shown;    /* of the inbox: what a read gets in this turn */
    size_t takes;    /* what a write may still take in this turn */
    unsigned events; /* interest */
    uint8_t *unread; /* owned */
    size_t unread_len;
    bool peer_ended; /* an end is behind what is in the inbox */
    bool reset;
    bool ended; /* we said our end */
    bool stalled;
    bool closed;
};

static struct memory_stream *memory_stream_of(const struct stream *stream)
{
    return LIST_OF(stream, struct memory_stream, stream);
}

static size_t memory_stream_draw(struct memory_stream *end)
{
    size_t most = end->plan.chunk;

    if (end->plan.seed == 0) {
        return most;
    }
    end->plan.seed ^= end->plan.seed << 13;
    end->plan.seed ^= end->plan.seed >> 17;
    end->plan.seed ^= end->plan.seed << 5;
    switch (end->plan.seed >> 16 & 3) {
    case 0:
        return 0;
    case 1:
        return 1 + (end->plan.seed & 7);
    default:
        return end->plan.seed % (most + 1);
    }
}

static size_t memory_stream_free_room(const struct memory_stream *end)
{
    return end->peer == NULL || end->stalled ? 0 : end->peer->plan.room - end->peer->inbox_len;
}

/* What could be told if everything were shown and taken. */
static unsigned memory_stream_possible(const struct memory_stream *end)
{
    unsigned events = 0;

    if (end->reset) {
        return end->events == 0 ? 0u : STREAM_READABLE | STREAM_WRITABLE;
    }
    if ((end->events & STREAM_READABLE) != 0 && (end->inbox_len > 0 || end->peer_ended)) {
        events |= STREAM_READABLE;
    }
    if ((end->events & STREAM_ENDS) != 0 && end->peer_ended && end->inbox_len <= STREAM_END_MOST) {
        events |= STREAM_READABLE;
    }
    if ((end->events & STREAM_WRITABLE) != 0 &&
        (end->peer == NULL || memory_stream_free_room(end) > 0)) {
        events |= STREAM_WRITABLE;
    }
    return events;
}

static void memory_stream_turn(uv_idle_t *turn);

static void memory_stream_arm(struct memory_stream *end)
{
    if (end == NULL || end->closed) {
        return;
    }
    if (memory_stream_possible(end) == 0) {
        (void)uv_idle_stop(&end->turn);
    } else {
        (void)uv_idle_start(&end->turn, memory_stream_turn);
    }
}

static void memory_stream_turn(uv_idle_t *turn)
{
    struct memory_stream *end = turn->data;
    unsigned events = memory_stream_possible(end);

    end->shown = memory_stream_draw(end);
    end->takes = memory_stream_draw(end);
    if (!end->reset && end->shown == 0 && end->inbox_len > 0) {
        events &= ~(unsigned)STREAM_READABLE;
    }
    if (!end->reset && end->takes == 0 && end->peer != NULL) {
        events &= ~(unsigned)STREAM_WRITABLE;
    }
    if (events != 0) {
        end->stream.ready(end->stream.user, events);
    }
}

static enum status memory_stream_read_unread(struct memory_stream *end, uint8_t *into, size_t room,
                                             size_t *out_len)
{
    size_t len = end->unread_len < room ? end->unread_len : room;

    memcpy(into, end->unread, len);
    memmove(end->unread, end->unread + len, end->unread_len - len);
    end->unread_len -= len;
    end->stream.holds = end->unread_len > 0;
    *out_len = len;
    return STATUS_OK;
}

static enum status memory_stream_read(struct stream *stream, uint8_t *into, size_t room,
                                      size_t *out_len, struct failure *why)
{
    struct memory_stream *end = memory_stream_of(stream);
    size_t len = end->shown < end->inbox_len ? end->shown : end->inbox_len;

    if (end->unread_len > 0) {
        return memory_stream_read_unread(end, into, room, out_len);
    }
    if (end->reset) {
        return fail(why, STATUS_IO, "tcp/reset", "reading");
    }
    if (end->inbox_len == 0 && end->peer_ended) {
        return STATUS_CLOSED;
    }
    len = len < room ? len : room;
    if (len == 0) {
        return STATUS_WAIT;
    }
    memcpy(into, end->inbox, len);
    memmove(end->inbox, end->inbox + len, end->inbox_len - len);
    end->inbox_len -= len;
    end->shown -= len;
    memory_stream_arm(end);
    memory_stream_arm(end->peer);
    *out_len = len;
    return STATUS_OK;
}

static enum status memory_stream_write(struct stream *stream, struct bytes from, size_t *out_len,
                                       struct failure *why)
{
    struct memory_stream *end = memory_stream_of(stream);
    size_t len = memory_stream_free_room(end);

    if (end->ended) {
        abort();
    }
    if (end->reset || end->peer == NULL) {
        return fail(why, STATUS_IO, "tcp/reset", "writing");
    }
    len = len < end->takes ? len : end->takes;
    len = len < from.len ? len : from.len;
    if (len == 0) {
        return STATUS_WAIT;
    }
    memcpy(end->peer->inbox + end->peer->inbox_len, from.at, len);
    end->peer->inbox_len += len;
    end->takes -= len;
    memory_stream_arm(end);
    memory_stream_arm(end->peer);
    *out_len = len;
    return STATUS_OK;
}

static enum status memory_stream_shutdown(struct stream *stream, struct failure *why)
{
    struct memory_stream *end = memory_stream_of(stream);

    (void)why;
    end->ended = true;
    if (end->peer != NULL) {
        end->peer->peer_ended = true;
        memory_stream_arm(end->peer);
    }
    return STATUS_OK;
}

static void memory_stream_interest(struct stream *stream, unsigned events)
{
    struct memory_stream *end = memory_stream_of(stream);

    if (end->closed) {
        abort();
    }
    end->events = events;
    memory_stream_arm(end);
}

static void memory_stream_unread(struct stream *stream, struct bytes bytes)
{
    struct memory_stream *end = memory_stream_of(stream);
    uint8_t *all = memory_make(end->unread_len + bytes.len + 1);

    if (end->unread_len > 0) {
        abort(); /* at most once between two reads */
    }
    memcpy(all, bytes.at, bytes.len);
    free(end->unread);
    end->unread = all;
    end->unread_len = bytes.len;
    end->stream.holds = bytes.len > 0;
}

static void memory_stream_freed(uv_handle_t *handle)
{
    struct memory_stream *end = handle->data;

    free(end->inbox);
    free(end->unread);
    free(end);
}

static void memory_stream_close(struct stream *stream, bool reset)
{
    struct memory_stream *end = memory_stream_of(stream);

    if (end->peer != NULL) {
        end->peer->peer_ended = true;
        end->peer->reset = end->peer->reset || reset;
        end->peer->peer = NULL;
        memory_stream_arm(end->peer);
    }
    end->closed = true;
    uv_close((uv_handle_t *)&end->turn, memory_stream_freed);
}

static const struct stream_ops memory_stream_ops = {
    .read = memory_stream_read,
    .write = memory_stream_write,
    .shutdown = memory_stream_shutdown,
    .interest = memory_stream_interest,
    .unread = memory_stream_unread,
    .close = memory_stream_close,
};

void memory_stream_pair(struct worker *worker, const struct memory_stream_plan *plan,
                        struct stream *out_ends[2])
{
    struct memory_stream *ends[2];

    for (unsigned i = 0; i < 2; i++) {
        ends[i] = memory_make(sizeof *ends[i]);
        ends[i]->stream.ops = &memory_stream_ops;
        ends[i]->plan = *plan;
        ends[i]->plan.seed = plan->seed == 0 ? 0 : plan->seed * 2 + i + 1;
        ends[i]->inbox = memory_make(plan->room);
        ends[i]->shown = plan->chunk;
        ends[i]->takes = plan->chunk;
        (void)uv_idle_init(&worker->loop, &ends[i]->turn);
        ends[i]->turn.data = ends[i];
        out_ends[i] = &ends[i]->stream;
    }
    ends[0]->peer = ends[1];
    ends[1]->peer = ends[0];
}

void memory_stream_stall(struct stream *end, bool yes)
{
    memory_stream_of(end)->stalled = yes;
    memory_stream_arm(memory_stream_of(end));
}

size_t memory_stream_waiting(const struct stream *end)
{
    return memory_stream_of(end)->inbox_len;
}

bool memory_stream_quiet(const struct stream *end)
{
    const struct memory_stream *own = memory_stream_of(end);

    return memory_stream_possible(own) == 0 &&
           (own->peer == NULL || memory_stream_possible(own->peer) == 0);
}
