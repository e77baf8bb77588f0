/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process's clocks in a test's hand: they stand still until they are moved. Timers of a loop are
 * libuv's and do not follow.
 */
#ifndef SIGNET_TESTS_SUPPORT_FAKE_CLOCK_H
#define SIGNET_TESTS_SUPPORT_FAKE_CLOCK_H

#include <stdint.h>

/* fake_clock_start puts the wall clock at `unix_ms`, the others at 0; fake_clock_end brings back the system's. */
void fake_clock_start(int64_t unix_ms);
void fake_clock_end(void);

/* fake_clock_move lets `ms` pass on all three. fake_clock_step sets the wall clock alone. */
void fake_clock_move(uint64_t ms);
void fake_clock_step(int64_t unix_ms);

#endif
