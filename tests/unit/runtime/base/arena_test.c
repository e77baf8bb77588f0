/* SPDX-License-Identifier: Apache-2.0 */
#include <stdalign.h>
#include <string.h>

#include "core/runtime/base/arena.h"
#include "tests/support/suite.h"

SUITE(arena);

Test(arena, gives_zeroed_aligned_memory_of_any_size)
{
    struct arena arena = {0};

    for (size_t size = 0; size < 200000; size = size * 2 + 7) {
        uint8_t *at = arena_take(&arena, size, 1);

        cr_assert_eq((uintptr_t)at % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++) {
            cr_assert_eq(at[i], 0);
        }
        memset(at, 0xff, size);
    }
    cr_assert_gt(arena_size(&arena), 200000);
    arena_clear(&arena);
    cr_assert_eq(arena_size(&arena), 0);
}

Test(arena, keeps_texts_whole)
{
    struct arena arena = {0};
    const char *first = arena_text(&arena, bytes_of("first"));
    const char *empty = arena_text(&arena, bytes_make(NULL, 0));
    const char *made = NULL;

    for (int i = 0; i < 5000; i++) {
        made = arena_format(&arena, "%d-%s", i, first);
    }
    cr_assert_str_eq(first, "first");
    cr_assert_str_eq(empty, "");
    cr_assert_str_eq(made, "4999-first");
    arena_clear(&arena);
}
