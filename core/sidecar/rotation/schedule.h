/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to renew, when to worry, how long we last: pure arithmetic on two clocks.
 *
 * Deadlines are kept as spans since the moment the certificate arrived, on the boot clock and on the
 * wall clock, and the greater span counts: a suspend moves the boot clock (and the wall), a restored
 * snapshot only the wall, a wall clock set back only the boot clock. A wall clock that is simply wrong by
 * a constant changes nothing.
 */
#ifndef SIGNET_CORE_SIDECAR_ROTATION_SCHEDULE_H
#define SIGNET_CORE_SIDECAR_ROTATION_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* What both clocks said at one moment. */
struct schedule_now {
    uint64_t boot_ms; /* CLOCK_BOOTTIME */
    int64_t unix_ms;  /* wall clock */
};

/* What the authority said of a certificate, and when we heard it. A zeroed one has expired for ever. */
struct schedule {
    int64_t issued_at;         /* Unix s, the server's clock; life counts from here */
    int64_t renew_at;          /* Unix s, the server's clock; drawn once */
    int64_t not_after;         /* Unix s, the server's clock */
    int64_t heard_server_ms;   /* the server's clock when it answered, Unix ms */
    struct schedule_now heard; /* our clocks at that moment */
};

enum schedule_verdict {
    SCHEDULE_FRESH,   /* nothing to do */
    SCHEDULE_DUE,     /* renew now */
    SCHEDULE_WORRY,   /* three quarters of life are gone: people should know */
    SCHEDULE_EXPIRED, /* it proves nothing any more */
};

/*
 * schedule_renewal_moment is the moment (Unix s) in [33 %, 50 %] of life at which to renew, spread
 * evenly by `drawn` (any value, 2^32 steps). Life counts from issued_at, not from a backdated notBefore.
 */
int64_t schedule_renewal_moment(int64_t issued_at, int64_t expires_at, uint32_t drawn);

/* What a reply says of a certificate: Unix s, and ms where the name says so, on the server's clock. */
struct schedule_told {
    int64_t issued_at;
    int64_t renew_at;
    int64_t not_after;
    int64_t server_ms; /* the server's clock when it answered */
};

/*
 * schedule_make takes over what a reply says, heard at `now`. A renew_at outside of [33 %, 50 %] of
 * life is replaced by our own draw. False, and *out_schedule untouched, when not_after is not after
 * issued_at or the server's time.
 */
bool schedule_make(const struct schedule_told *told, struct schedule_now now, uint32_t drawn,
                   struct schedule *out_schedule);

/* schedule_judge says where in its life the certificate is. */
enum schedule_verdict schedule_judge(const struct schedule *schedule, struct schedule_now now);

/* schedule_disputed: one of the two clocks says that the certificate has ended, the other that it has not. */
bool schedule_disputed(const struct schedule *schedule, struct schedule_now now);

/* schedule_wait_ms is how long until the next change of the verdict; 0 once expired. */
uint64_t schedule_wait_ms(const struct schedule *schedule, struct schedule_now now);

/* schedule_on_our_clock is a moment of the server's clock (Unix s) as our wall clock will show it. */
int64_t schedule_on_our_clock(const struct schedule *schedule, int64_t server_s);

/* schedule_budget_s is the outage budget: seconds until the certificate no longer proves anything, at least 0. */
int64_t schedule_budget_s(const struct schedule *schedule, struct schedule_now now);

/*
 * schedule_retry_most_ms is the longest pause after a failed renewal: an eighth of the life that is left
 * and at least 100 ms, so that an authority that comes back before the end is found before the end.
 * UINT64_MAX once expired: then nothing is left to be saved by haste.
 */
uint64_t schedule_retry_most_ms(const struct schedule *schedule, struct schedule_now now);

/*
 * schedule_clock_stepped tells whether wall time and boot time moved apart by more than `limit_ms` between
 * two moments: the wall clock was set, or a snapshot was restored.
 */
bool schedule_clock_stepped(struct schedule_now before, struct schedule_now now, uint64_t limit_ms);

#endif
