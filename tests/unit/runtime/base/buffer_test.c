/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "core/runtime/base/buffer.h"
#include "tests/support/suite.h"

SUITE(buffer);

Test(buffer, grows_to_its_bound_and_not_a_byte_further)
{
    CLEARED(buffer) buffer = {.max = 1000};

    for (int i = 0; i < 100; i++) {
        cr_assert_eq(buffer_add(&buffer, bytes_of("0123456789")), STATUS_OK);
    }
    cr_assert_eq(buffer_add(&buffer, bytes_of("x")), STATUS_LIMIT);
    cr_assert_eq(buffer.len, 1000);
    cr_assert_null(buffer_reserve(&buffer, 1));
    cr_assert_eq(buffer_add(&buffer, bytes_of("")), STATUS_OK);
}

Test(buffer, a_zeroed_one_holds_nothing)
{
    CLEARED(buffer) buffer = {0};

    cr_assert_eq(buffer_add_text(&buffer, "x"), STATUS_LIMIT);
    cr_assert_eq(buffer.len, 0);
}

Test(buffer, consumes_from_the_front)
{
    CLEARED(buffer) buffer = {.max = 64};

    cr_assert_eq(buffer_add_text(&buffer, "abcdef"), STATUS_OK);
    buffer_consume(&buffer, 4);
    cr_assert(bytes_equal_text(buffer_bytes(&buffer), "ef"));
    buffer_consume(&buffer, 2);
    cr_assert_eq(buffer.len, 0);
}

Test(buffer, formats_behind_what_it_holds)
{
    CLEARED(buffer) buffer = {.max = 4096};

    cr_assert_eq(buffer_add_text(&buffer, "a="), STATUS_OK);
    cr_assert_eq(buffer_add_format(&buffer, "%d %0300d", 42, 7), STATUS_OK);
    cr_assert_eq(buffer.len, 2 + 3 + 300);
    cr_assert_eq(memcmp(buffer.at, "a=42 000", 8), 0);
    cr_assert_eq(buffer_add_format(&buffer, "%05000d", 1), STATUS_LIMIT);
    cr_assert_eq(buffer.len, 305);
}

Test(buffer, reads_a_file_that_fits_and_refuses_one_that_does_not)
{
    char path[] = "/tmp/buffer_test_XXXXXX";
    int fd = mkstemp(path);
    struct failure why = {0};
    CLEARED(buffer) exact = {.max = 5};
    CLEARED(buffer) small = {.max = 4};

    cr_assert_eq(write(fd, "hello", 5), 5);
    close(fd);
    cr_assert_eq(buffer_read_file(&exact, path, &why), STATUS_OK);
    cr_assert(bytes_equal_text(buffer_bytes(&exact), "hello"));
    cr_assert_eq(buffer_read_file(&small, path, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "file/too-long");
    unlink(path);
    cr_assert_eq(buffer_read_file(&exact, path, &why), STATUS_NOT_FOUND);
    cr_assert_str_eq(why.reason, "file/missing");
    cr_assert_eq(buffer_read_file(&exact, "/", &why), STATUS_LIMIT, "full: what comes cannot fit");
}
