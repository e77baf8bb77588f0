/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/base/status.h"
#include "tests/support/suite.h"

SUITE(status);

Test(status, a_detail_stays_one_printable_line)
{
    struct failure why = {0};

    cr_assert_eq(fail(&why, STATUS_DENIED, "a/b", "x%sy", "\r\n\x1b\x7f"), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "a/b");
    cr_assert_str_eq(why.detail, "x????y");
    cr_assert_eq(fail(NULL, STATUS_IO, "a/b", "nobody listens"), STATUS_IO);
}

Test(status, a_long_detail_is_cut)
{
    struct failure why = {0};

    cr_assert_eq(fail(&why, STATUS_LIMIT, "a/b", "%01000d", 1), STATUS_LIMIT);
    cr_assert_eq(strlen(why.detail), FAILURE_DETAIL_MAX - 1);
}

Test(status, the_systems_word_is_appended)
{
    struct failure why = {0};

    cr_assert_eq(fail_os(&why, ENOENT, "a/b", "file"), STATUS_IO);
    cr_assert_eq(why.os_error, ENOENT);
    cr_assert_not_null(strstr(why.detail, "No such file"));
}

static enum status status_test_try(enum status given, int *reached)
{
    TRY(given);
    (*reached)++;
    return STATUS_OK;
}

Test(status, try_passes_up_and_take_empties)
{
    int reached = 0;
    char *text = memory_text("x");
    char *taken = TAKE(text);

    cr_assert_eq(status_test_try(STATUS_CLOSED, &reached), STATUS_CLOSED);
    cr_assert_eq(status_test_try(STATUS_OK, &reached), STATUS_OK);
    cr_assert_eq(reached, 1);
    cr_assert_null(text);
    cr_assert_str_eq(taken, "x");
    free(taken);
    for (int word = STATUS_OK; word <= STATUS_CONFIG; word++) {
        cr_assert_str_neq(status_word((enum status)word), "unknown");
    }
}
