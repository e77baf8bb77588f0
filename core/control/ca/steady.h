/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the wall clock to be believed? It may be set, ahead and back, by a person, by NTP, by a host
 * whose own clock jumped; the boot clock may not. While both advance alike the wall clock is as
 * good as it was; from the moment when they disagree the count begins anew.
 *
 * A span must pass before something that works is given up for something that this clock says is
 * better. What does not work is replaced at once, whatever the clock.
 *
 * Pure: time comes as a parameter. Elsewhere: what waits for it (authority.h, serve/own_identity.h).
 */
#ifndef SIGNET_CORE_CONTROL_CA_STEADY_H
#define SIGNET_CORE_CONTROL_CA_STEADY_H

#include <stdbool.h>
#include <stdint.h>

#define STEADY_APART_MS 5000     /* so far apart and they disagree */
#define STEADY_WAIT_MS 600000    /* ten minutes: the longest wait */
#define STEADY_LIVES_PER_WAIT 20 /* a twentieth of a certificate's life, where that is shorter */

/* What both clocks said at one moment. */
struct steady_now {
    int64_t unix_ms;  /* wall clock */
    uint64_t boot_ms; /* CLOCK_BOOTTIME */
};

/* A value; zeroed it has never looked. */
struct steady {
    bool begun;
    uint64_t since_boot_ms; /* both have advanced alike from here on */
    struct steady_now mark; /* what the next look is compared with; moved on each STEADY_WAIT_MS */
    int64_t stepped_ms;     /* the last disagreement: so far did the wall clock jump; 0: none yet */
    int64_t stepped_at;     /* and the wall time after it, Unix s */
    uint64_t num_steps;
};

/* steady_look takes in what the clocks say now. True: they disagree with what they said before. */
bool steady_look(struct steady *steady, struct steady_now now);

/* steady_for_ms is for how long both have advanced alike, up to the last look. 0: never looked. */
uint64_t steady_for_ms(const struct steady *steady, struct steady_now now);

/* steady_wait_ms is how long they must have, before a certificate of that life may be replaced. */
uint64_t steady_wait_ms(int64_t life_s);

/* steady_enough: may a certificate of that life, which is still good, be replaced by this clock? */
bool steady_enough(const struct steady *steady, struct steady_now now, int64_t life_s);

#endif
