/* SPDX-License-Identifier: Apache-2.0 */
#include "core/redirect/process.h"

#include <signal.h>
#include <string.h>

#include "tests/support/suite.h"

SUITE(process);

Test(process, gives_input_and_takes_both_outputs_and_the_exit_code)
{
    static const char *const argv[] = {"cat", "-", "/nonexistent", NULL};
    CLEARED(process_result) result = {0};
    struct failure why = {0};

    cr_assert_eq(process_run(argv, bytes_of("hello"), 10000, &result, &why), STATUS_OK);
    cr_assert(bytes_equal_text(buffer_bytes(&result.out), "hello"));
    cr_assert(result.err.len > 0);
    cr_assert_eq(result.exit_code, 1);
}

/* 512 KiB through a program that does not read: a pipe would block, or kill us. */
Test(process, does_not_mind_a_program_that_ignores_its_input)
{
    static const char *const argv[] = {"true", NULL};
    static uint8_t much[512 * 1024];
    CLEARED(process_result) result = {0};

    cr_assert_eq(process_run(argv, bytes_make(much, sizeof much), 10000, &result, NULL), STATUS_OK);
    cr_assert_eq(result.exit_code, 0);
}

Test(process, names_a_program_that_is_not_there)
{
    static const char *const argv[] = {"no-such-program", NULL};
    CLEARED(process_result) result = {0};
    struct failure why = {0};

    cr_assert_eq(process_run(argv, bytes_of(""), 10000, &result, &why), STATUS_NOT_FOUND);
    cr_assert_str_eq(why.reason, "process/missing");
    cr_assert_not_null(strstr(why.detail, "no-such-program"));
}

Test(process, kills_what_takes_too_long)
{
    static const char *const argv[] = {"sleep", "60", NULL};
    CLEARED(process_result) result = {0};
    struct failure why = {0};

    cr_assert_eq(process_run(argv, bytes_of(""), 100, &result, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "process/slow");
}

Test(process, refuses_more_output_than_the_bound)
{
    static const char *const argv[] = {"head", "-c", "1048577", "/dev/zero", NULL};
    CLEARED(process_result) result = {0};
    struct failure why = {0};

    cr_assert_eq(process_run(argv, bytes_of(""), 10000, &result, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "process/output");
}

Test(process, tells_the_signal_that_ended_a_program)
{
    static const char *const argv[] = {"timeout", "-s", "KILL", "0.05", "sleep", "60", NULL};
    CLEARED(process_result) result = {0};

    cr_assert_eq(process_run(argv, bytes_of(""), 10000, &result, NULL), STATUS_OK);
    cr_assert_eq(result.exit_code, 128 + SIGKILL);
}
