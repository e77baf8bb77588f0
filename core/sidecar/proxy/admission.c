/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/admission.h"

#include <assert.h>
#include <stdlib.h>

#include "core/runtime/base/memory.h"

struct admission_source {
    struct list_link turn; /* in admission.turns, when it waits and is below its limit */
    struct list queue;     /* of tickets that wait, the oldest first */
    struct ip ip; /* of ip_source() */
    unsigned half_open;
};

static unsigned admission_or(unsigned given, unsigned otherwise)
{
    return given != 0 ? given : otherwise;
}

struct admission_limits admission_share(const struct admission_limits *all, unsigned num_workers)
{
    struct admission_limits share = {
        .half_open = admission_or(all->half_open, ADMISSION_HALF_OPEN) / num_workers,
        .of_source = admission_or(all->of_source, ADMISSION_OF_SOURCE) / num_workers,
        .waiting = admission_or(all->waiting, ADMISSION_WAITING) / num_workers,
    };

    share.half_open = admission_or(share.half_open, 1);
    share.of_source = admission_or(share.of_source, 1);
    share.waiting = admission_or(share.waiting, 1);
    return share;
}

void admission_init(struct admission *admission, const struct admission_limits *limits)
{
    *admission = (struct admission){.limits = admission_share(limits, 1)};
    list_init(&admission->turns);
}

void admission_clear(struct admission *admission)
{
    assert(admission->sources.count == 0);
    map_clear(&admission->sources);
}

static struct admission_source *admission_source_of(struct admission *admission,
                                                    const struct ip *from)
{
    struct ip ip = ip_source(from);
    struct admission_source *source = map_get(&admission->sources, ip_bytes(&ip));

    if (source == NULL) {
        source = memory_make(sizeof *source);
        source->ip = ip;
        list_init(&source->queue);
        (void)map_put(&admission->sources, ip_bytes(&source->ip), source);
    }
    return source;
}

/* After each change of a source: is it in turn, is it still needed? */
static void admission_settle(struct admission *admission, struct admission_source *source)
{
    bool waits = !list_is_empty(&source->queue);

    if (!waits || source->half_open >= admission->limits.of_source) {
        list_remove(&source->turn);
    } else if (!list_has(&source->turn)) {
        list_add(&admission->turns, &source->turn);
    }
    if (!waits && source->half_open == 0) {
        (void)map_remove(&admission->sources, ip_bytes(&source->ip));
        free(source);
    }
}

static void admission_grant(struct admission *admission, struct admission_ticket *ticket)
{
    ticket->admitted = true;
    ticket->source->half_open++;
    admission->half_open++;
}

enum admission_answer admission_ask(struct admission *admission, struct admission_ticket *ticket,
                                    const struct ip *from)
{
    struct admission_source *source = admission_source_of(admission, from);
    bool room = admission->half_open < admission->limits.half_open &&
                source->half_open < admission->limits.of_source &&
                !admission_has_next(admission);

    assert(ticket->source == NULL);
    if (room) {
        ticket->source = source;
        admission_grant(admission, ticket);
        return ADMISSION_GRANTED;
    }
    if (admission->waiting >= admission->limits.waiting) {
        admission_settle(admission, source);
        return ADMISSION_FULL;
    }
    ticket->source = source;
    list_add(&source->queue, &ticket->link);
    admission->waiting++;
    admission_settle(admission, source);
    return ADMISSION_WAITS;
}

bool admission_has_next(const struct admission *admission)
{
    return admission->half_open < admission->limits.half_open &&
           !list_is_empty(&admission->turns);
}

struct admission_ticket *admission_next(struct admission *admission)
{
    struct admission_source *source;
    struct admission_ticket *ticket;

    if (!admission_has_next(admission)) {
        return NULL;
    }
    source = LIST_OF(admission->turns.head.next, struct admission_source, turn);
    ticket = LIST_OF(source->queue.head.next, struct admission_ticket, link);
    list_remove(&ticket->link);
    admission->waiting--;
    admission_grant(admission, ticket);
    list_remove(&source->turn); /* behind the others, if it still waits */
    admission_settle(admission, source);
    return ticket;
}

void admission_leave(struct admission *admission, struct admission_ticket *ticket)
{
    struct admission_source *source = TAKE(ticket->source);

    if (source == NULL) {
        return;
    }
    if (ticket->admitted) {
        ticket->admitted = false;
        source->half_open--;
        admission->half_open--;
    } else {
        list_remove(&ticket->link);
        admission->waiting--;
    }
    admission_settle(admission, source);
}
