/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/net/relay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"

/* Writes what is kept. STATUS_OK when nothing is left. */
static enum status relay_flush(struct relay_way *way, struct failure *why)
{
    while (way->kept != NULL) {
        size_t sent = 0;

        TRY(stream_write(way->to,
                         bytes_make(way->kept + way->kept_used, way->kept_len - way->kept_used),
                         &sent, why));
        way->kept_used += sent;
        way->bytes += sent;
        if (way->kept_used == way->kept_len) {
            free(way->kept);
            way->kept = NULL;
        }
    }
    return STATUS_OK;
}

static void relay_keep(struct relay_way *way, struct bytes rest)
{
    assert(way->kept == NULL);
    way->kept = memory_make(rest.len);
    memcpy(way->kept, rest.at, rest.len);
    way->kept_len = rest.len;
    way->kept_used = 0;
}

/* One chunk from `from` to `to`. STATUS_OK: there may be more; STATUS_WAIT: not now. */
static enum status relay_move(struct relay *relay, struct relay_way *way, bool *out_theirs,
                              struct failure *why)
{
    uint8_t *scratch = worker_scratch(relay->worker, 1);
    size_t got = 0;
    size_t sent = 0;
    enum status status = stream_read(way->from, scratch, RELAY_CHUNK, &got, why);

    *out_theirs = false;
    if (status == STATUS_CLOSED) {
        way->from_ended = true;
        return STATUS_OK;
    }
    TRY(status);
    *out_theirs = true;
    status = stream_write(way->to, bytes_make(scratch, got), &sent, why);
    if (status == STATUS_WAIT) {
        sent = 0;
    } else {
        TRY(status);
    }
    way->bytes += sent;
    if (sent < got) {
        relay_keep(way, bytes_make(scratch + sent, got - sent));
        return STATUS_WAIT;
    }
    /* A stream that gave less than it could has nothing left: no need to ask it again. */
    return got == RELAY_CHUNK || way->from->holds ? STATUS_OK : STATUS_WAIT;
}

/*
 * Bytes are kept, so nothing was asked of `from` but errors, and it has told one: its reset must not
 * wait for a peer that does not read. Bytes that it gives all the same are kept behind the others.
 */
static enum status relay_learn_error(struct relay *relay, struct relay_way *way,
                                     struct failure *why)
{
    uint8_t *scratch = worker_scratch(relay->worker, 1);
    size_t got = 0;
    enum status status = stream_read(way->from, scratch, STREAM_ROOM_MIN, &got, why);

    if (status == STATUS_CLOSED) {
        way->from_ended = true;
        return STATUS_WAIT;
    }
    TRY(status);
    way->kept = memory_grow(way->kept, way->kept_len + got);
    memcpy(way->kept + way->kept_len, scratch, got);
    way->kept_len += got;
    return STATUS_WAIT;
}

/*
 * Moves one chunk of one way on. STATUS_OK or STATUS_WAIT: the relay goes on. A second chunk waits for
 * the next round of the loop, so that one fast flow cannot keep the others waiting.
 */
static enum status relay_pump(struct relay *relay, struct relay_way *way, bool event,
                              bool *out_theirs, struct failure *why)
{
    enum status status;

    *out_theirs = true;
    status = relay_flush(way, why);
    if (status == STATUS_WAIT && event) {
        *out_theirs = false;
        return relay_learn_error(relay, way, why);
    }
    if (status != STATUS_OK) {
        return status;
    }
    /* An event of a side that has ended can only be an error, which reading then tells. */
    if (!way->from_ended || event) {
        do {
            TRY(relay_move(relay, way, out_theirs, why));
        } while (!way->from_ended && way->from->holds);
    }
    if (way->from_ended && way->kept == NULL && !way->to_ended) {
        *out_theirs = true;
        TRY(stream_shutdown(way->to, why));
        way->to_ended = true;
    }
    return STATUS_OK;
}

static void relay_set_interest(struct relay *relay)
{
    unsigned wanted[2] = {0, 0};

    for (int i = 0; i < 2; i++) {
        const struct relay_way *way = &relay->way[i];

        if (way->kept != NULL || (way->from_ended && !way->to_ended)) {
            wanted[1 - i] |= STREAM_WRITABLE;
        } else if (!way->from_ended) {
            wanted[i] |= STREAM_READABLE;
        }
        /* A reset is passed on even while nothing is awaited from that side. */
        wanted[i] |= way->from_ended && relay->way[1 - i].to_ended ? 0u : STREAM_ERRORS;
    }
    stream_interest(relay->way[0].from, wanted[0]);
    stream_interest(relay->way[1].from, wanted[1]);
}

/* `ways`: to be pumped; `events`: those whose source reported something. Bit i is way i. */
static void relay_run(struct relay *relay, unsigned ways, unsigned events)
{
    struct failure why = {0};

    for (unsigned i = 0; i < 2; i++) {
        bool theirs = false;
        enum status status;

        if ((ways & 1u << i) == 0) {
            continue;
        }
        status = relay_pump(relay, &relay->way[i], (events & 1u << i) != 0, &theirs, &why);
        if (status != STATUS_OK && status != STATUS_WAIT) {
            /* way 0 reads a and writes b; way 1 the reverse */
            relay->broken_on_b = (i == 0) == theirs;
            stream_interest(relay->way[0].from, 0);
            stream_interest(relay->way[1].from, 0);
            relay->done(relay, status, &why);
            return;
        }
    }
    relay_set_interest(relay);
    if (relay->way[0].to_ended && relay->way[1].to_ended) {
        relay->done(relay, STATUS_OK, &why);
    }
}

static void relay_ready(struct relay *relay, unsigned own_way, unsigned events)
{
    unsigned readable = (events & STREAM_READABLE) != 0 ? 1u << own_way : 0u;
    unsigned writable = (events & STREAM_WRITABLE) != 0 ? 1u << (1 - own_way) : 0u;

    relay_run(relay, readable | writable, readable);
}

static void relay_a_ready(void *user, unsigned events)
{
    relay_ready(user, 0, events);
}

static void relay_b_ready(void *user, unsigned events)
{
    relay_ready(user, 1, events);
}

void relay_start(struct relay *relay, struct worker *worker, struct stream *a, struct stream *b,
                 void (*done)(struct relay *relay, enum status status, const struct failure *why))
{
    *relay = (struct relay){.worker = worker, .done = done};
    relay->way[0] = (struct relay_way){.from = a, .to = b};
    relay->way[1] = (struct relay_way){.from = b, .to = a};
    stream_own(a, relay_a_ready, relay);
    stream_own(b, relay_b_ready, relay);
    relay_run(relay, 3, 0);
}

void relay_end(struct relay *relay, unsigned way)
{
    relay->way[way].from_ended = true;
    relay_run(relay, 1u << way, 0);
}

void relay_clear(struct relay *relay)
{
    for (int i = 0; i < 2; i++) {
        free(relay->way[i].kept);
        relay->way[i].kept = NULL;
    }
}
