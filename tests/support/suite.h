/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SUITE(name) declares a Criterion suite in which a leak is a failure when ASan is on: Criterion
 * alone prints LeakSanitizer's report and still says that the test passed.
 */
#ifndef SIGNET_TESTS_SUPPORT_SUITE_H
#define SIGNET_TESTS_SUPPORT_SUITE_H

#include <criterion/criterion.h>
#include <stdlib.h>

#ifdef __SANITIZE_ADDRESS__
int __lsan_do_recoverable_leak_check(void);

static inline void suite_check_leaks(void)
{
    if (__lsan_do_recoverable_leak_check() != 0) {
        abort();
    }
}
#else
static inline void suite_check_leaks(void)
{
}
#endif

/* Further Criterion options may follow the name: SUITE(agent, .timeout = 20); */
#define SUITE(name, ...) TestSuite(name, .fini = suite_check_leaks, ##__VA_ARGS__)

#endif
