/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/net/relay.h"

#include "core/runtime/telemetry/metrics.h"

/* ---- what one way keeps ---- */

static bool relay_is_stalled(const struct relay_way *way)
{
    return way->kept.len > 0 || way->to->owes > 0;
}

/* It has memory that only its peers could give back: one who does not read, or one who sent half a record. */
static bool relay_holds_on(const struct relay_way *way)
{
    return relay_is_stalled(way) || way->from->part;
}

/* It stands in the list of those who wait for memory: nothing is asked of `from` but errors, and its end. */
static bool relay_is_waiting(const struct relay_way *way)
{
    return !way->stalled && list_has(&way->holder.link);
}

size_t relay_held(const struct relay *relay)
{
    size_t held = 0;

    for (int i = 0; i < 2 && relay->worker != NULL; i++) {
        held += relay->way[i].kept.len + relay->way[i].to->owes;
    }
    return held;
}

static enum status relay_keep(struct relay *relay, struct relay_way *way, struct bytes rest,
                              struct failure *why)
{
    if (slab_chain_add(&way->kept, &relay->worker->slabs, rest)) {
        return STATUS_OK;
    }
    return fail(why, STATUS_LIMIT, "limit/memory", "no memory for %zu bytes that are not read",
                rest.len);
}

/* Bytes went on: somebody looks some seconds later whether they arrived. */
static void relay_moved(struct relay *relay, struct relay_way *way, size_t sent)
{
    _Atomic int64_t *counted = relay->counted[way - relay->way];

    way->bytes += sent;
    if (counted != NULL) {
        metrics_count(counted, sent);
    }
    if (sent > 0) {
        relay->moved_ms = worker_now_ms(relay->worker);
        way->unheard_ms = way->unheard_ms == 0 ? relay->moved_ms : way->unheard_ms;
        rounds_join(&relay->worker->rounds, &relay->round);
    }
}

/* Writes what is kept. STATUS_OK when nothing is left. */
static enum status relay_flush(struct relay *relay, struct relay_way *way, struct failure *why)
{
    while (way->kept.len > 0) {
        size_t sent = 0;

        TRY(stream_write(way->to, slab_chain_head(&way->kept), &sent, why));
        slab_chain_use(&way->kept, &relay->worker->slabs, sent);
        relay_moved(relay, way, sent);
    }
    return way->to->owes > 0 ? STATUS_WAIT : STATUS_OK;
}

/* After a pump: is this way among the stalled where it belongs? A record moved on begins a new stall. */
static void relay_note_stall(struct relay *relay, struct relay_way *way)
{
    if (!relay_holds_on(way)) {
        if (way->stalled) {
            way->stalled = false;
            slabs_leave(&way->holder);
        }
        return;
    }
    if (relay_is_stalled(way) && !way->pinched) {
        way->holder.saves = false; /* it may have been told while it held half a record only */
    }
    if (!way->stalled || way->bytes - way->marked >= SLABS_RECORD) {
        way->stalled = true;
        way->marked = way->bytes;
        slabs_stall(&relay->worker->slabs, &way->holder);
    }
}

/* ---- moving ---- */

/*
 * How much may be read now; 0: there is no memory for it, and the way waits. Where only an error, or
 * an end with hardly a byte before it, can be the reason of the event (`told`), it is read without
 * asking: ends give memory back, and must not wait for it. So is the rest of a record of which a
 * part is held: if all of those waited for memory, what they hold would never be given back.
 */
static size_t relay_room(struct relay *relay, struct relay_way *way, bool told)
{
    unsigned records = way->from_ended
                           ? 1
                           : slabs_reserve(&relay->worker->slabs, relay_held(relay) > 0);

    if (records == 0 && !told && !way->from->part) {
        if (way->stalled) {
            way->stalled = false;
            slabs_leave(&way->holder);
        }
        slabs_wait(&relay->worker->slabs, &way->holder);
        return 0;
    }
    if (relay_is_waiting(way)) {
        slabs_leave(&way->holder);
    }
    return records == SLABS_MOST ? RELAY_CHUNK : SLABS_RECORD;
}

/* One chunk from `from` to `to`. STATUS_OK: there may be more; STATUS_WAIT: not now. */
static enum status relay_move(struct relay *relay, struct relay_way *way, bool told,
                              bool *out_theirs, struct failure *why)
{
    uint8_t *scratch = worker_scratch(relay->worker, 1);
    size_t room = relay_room(relay, way, told);
    size_t got = 0;
    size_t sent = 0;
    enum status status;

    *out_theirs = false;
    if (room == 0) {
        return STATUS_WAIT;
    }
    status = stream_read(way->from, scratch, room, &got, why);
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
    relay_moved(relay, way, sent);
    if (sent < got) {
        TRY(relay_keep(relay, way, bytes_make(scratch + sent, got - sent), why));
        return STATUS_WAIT;
    }
    /* A stream that gave less than it could has nothing left: no need to ask it again. */
    return way->to->owes == 0 && (got == room || way->from->holds) ? STATUS_OK : STATUS_WAIT;
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
    TRY(relay_keep(relay, way, bytes_make(scratch, got), why));
    return STATUS_WAIT;
}

/* Its end came without a farewell: may that be an end in order? See RELAY_QUIET_MS. */
static bool relay_may_end(const struct relay *relay, const struct relay_way *way)
{
    return way->from->cut &&
           (way->from_ended ||
            (relay_held(relay) == 0 &&
             worker_now_ms(relay->worker) >= relay->moved_ms + RELAY_QUIET_MS));
}

/* Moves what there is. STATUS_OK, STATUS_WAIT, or the failure of a side. */
static enum status relay_move_all(struct relay *relay, struct relay_way *way, bool told,
                                  bool *out_theirs, struct failure *why)
{
    enum status status;

    do {
        status = relay_move(relay, way, told, out_theirs, why);
        if (status != STATUS_OK && status != STATUS_WAIT && !*out_theirs &&
            relay_may_end(relay, way)) {
            way->from_ended = true;
            return STATUS_OK;
        }
        TRY(status);
    } while (!way->from_ended && way->from->holds);
    return STATUS_OK;
}

/*
 * Moves one chunk of one way on. STATUS_OK or STATUS_WAIT: the relay goes on. A second chunk waits for
 * the next round of the loop, so that one fast flow cannot keep the others waiting.
 */
static enum status relay_pump(struct relay *relay, struct relay_way *way, bool event,
                              bool *out_theirs, struct failure *why)
{
    bool told = event && relay_is_waiting(way);
    enum status status;

    *out_theirs = true;
    status = relay_flush(relay, way, why);
    if (status == STATUS_WAIT && event) {
        *out_theirs = false;
        return relay_learn_error(relay, way, why);
    }
    if (status != STATUS_OK) {
        return status;
    }
    /* An event of a side that has ended can only be an error, which reading then tells. */
    if (!way->from_ended || event) {
        TRY(relay_move_all(relay, way, told, out_theirs, why));
    }
    if (way->from_ended && !relay_is_stalled(way) && !way->to_ended) {
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

        if (relay_is_stalled(way) || (way->from_ended && !way->to_ended)) {
            wanted[1 - i] |= STREAM_WRITABLE;
        } else if (!way->from_ended) {
            wanted[i] |= relay_is_waiting(way) ? STREAM_ENDS : STREAM_READABLE;
        }
        /* A reset is passed on even while nothing is awaited from that side. */
        wanted[i] |= way->from_ended && relay->way[1 - i].to_ended ? 0u : STREAM_ERRORS;
    }
    stream_interest(relay->way[0].from, wanted[0]);
    stream_interest(relay->way[1].from, wanted[1]);
}

/* way 0 reads a and writes b; way 1 the reverse. `theirs`: it was the side written to. */
static void relay_fail(struct relay *relay, unsigned way, bool theirs, enum status status,
                       const struct failure *why)
{
    relay->broken_on_b = (way == 0) == theirs;
    stream_interest(relay->way[0].from, 0);
    stream_interest(relay->way[1].from, 0);
    relay->done(relay, status, why);
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
            relay_fail(relay, i, theirs, status, &why);
            return;
        }
        relay_note_stall(relay, &relay->way[i]);
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

/* ---- what the worker tells ---- */

static void relay_called(struct relay *relay, unsigned way, enum slab_call call)
{
    struct relay_way *own = &relay->way[way];
    struct failure why = {0};
    bool stalled;

    if (call == SLAB_RESUME) {
        relay_run(relay, 1u << way, 0);
        return;
    }
    stalled = relay_is_stalled(own);
    if (call == SLAB_SAVE) {
        if (stalled) { /* not for half a record: one is on its way in any fast flow */
            own->pinched = true;
            stream_pinch(own->from);
            stream_pinch(own->to);
        }
        return;
    }
    (void)fail(&why, STATUS_LIMIT, "limit/memory",
               "%zu bytes wait for %s, and the process has been over its memory budget of %zu "
               "bytes for more than %u s",
               own->kept.len + own->to->owes,
               stalled ? "a reader who does not read" : "the rest of a record that never comes",
               memory_ledger_budget(), SLABS_PATIENCE_MS / 1000);
    relay_fail(relay, way, stalled, STATUS_LIMIT, &why);
}

static void relay_a_called(struct slab_holder *holder, enum slab_call call)
{
    relay_called(LIST_OF(holder, struct relay, way[0].holder), 0, call);
}

static void relay_b_called(struct slab_holder *holder, enum slab_call call)
{
    relay_called(LIST_OF(holder, struct relay, way[1].holder), 1, call);
}

/*
 * For how long `to` has been silent about bytes that are on their way: after an idle hour its last
 * acknowledgement is an hour old, and that of bytes just sent is still to come. False: none are.
 */
static bool relay_is_unheard(const struct relay *relay, struct relay_way *way, uint64_t *out_ms)
{
    uint64_t now_ms = worker_now_ms(relay->worker);
    uint64_t sent_ms;

    if (!stream_silence(way->to, out_ms)) {
        way->unheard_ms = 0;
        return false;
    }
    way->unheard_ms = way->unheard_ms == 0 ? now_ms : way->unheard_ms;
    sent_ms = now_ms - way->unheard_ms;
    *out_ms = sent_ms < *out_ms ? sent_ms : *out_ms;
    return true;
}

/* Some seconds after bytes went: have they arrived? */
static void relay_look(struct round *round)
{
    struct relay *relay = LIST_OF(round, struct relay, round);
    bool on_their_way = false;

    for (unsigned i = 0; i < 2; i++) {
        struct failure why = {0};
        uint64_t silent_ms = 0;

        if (!relay_is_unheard(relay, &relay->way[i], &silent_ms)) {
            continue;
        }
        on_their_way = true;
        if (silent_ms >= relay->silence_ms) {
            (void)fail(&why, STATUS_IO, "tcp/vanished",
                       "bytes are on their way, and nobody has acknowledged any for %llu s",
                       (unsigned long long)silent_ms / 1000);
            relay_fail(relay, i, true, STATUS_IO, &why);
            return;
        }
    }
    if (on_their_way) {
        rounds_join(&relay->worker->rounds, &relay->round);
    }
}

void relay_start(struct relay *relay, struct worker *worker, struct stream *a, struct stream *b,
                 void (*done)(struct relay *relay, enum status status, const struct failure *why))
{
    *relay = (struct relay){.worker = worker,
                            .done = done,
                            .counted = {relay->counted[0], relay->counted[1]},
                            .round.look = relay_look,
                            .moved_ms = worker_now_ms(worker),
                            .silence_ms = RELAY_SILENCE_MS};
    relay->way[0] = (struct relay_way){.from = a, .to = b, .holder.called = relay_a_called};
    relay->way[1] = (struct relay_way){.from = b, .to = a, .holder.called = relay_b_called};
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
    if (relay->worker == NULL) {
        return; /* never started */
    }
    rounds_leave(&relay->round);
    for (int i = 0; i < 2; i++) {
        slabs_leave(&relay->way[i].holder);
        slab_chain_clear(&relay->way[i].kept, &relay->worker->slabs);
    }
}
