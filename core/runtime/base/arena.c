/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of growing blocks, filled from the front. See arena.h.
 */
#include "core/runtime/base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"

enum { ARENA_FIRST = 1024, ARENA_LARGEST = 64 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t room; /* bytes in `at` */
    size_t used; /* bytes given away */
    alignas(max_align_t) uint8_t at[];
};

void arena_clear(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;

        arena->blocks = block->next;
        free(block);
    }
}

static void arena_grow(struct arena *arena, size_t least)
{
    size_t room = arena->blocks == NULL ? ARENA_FIRST : arena->blocks->room * 2;
    struct arena_block *block;

    if (room > ARENA_LARGEST) {
        room = ARENA_LARGEST;
    }
    if (room < least) {
        room = least;
    }
    block = memory_make(sizeof *block + room);
    block->room = room;
    block->next = arena->blocks;
    arena->blocks = block;
}

void *arena_take(struct arena *arena, size_t count, size_t size)
{
    const size_t align = alignof(max_align_t);
    size_t len;
    uint8_t *at;

    if (__builtin_mul_overflow(count, size, &len) || len > SIZE_MAX / 2) {
        abort();
    }
    len = len == 0 ? align : (len + align - 1) / align * align;
    if (arena->blocks == NULL || arena->blocks->room - arena->blocks->used < len) {
        arena_grow(arena, len);
    }
    at = arena->blocks->at + arena->blocks->used;
    arena->blocks->used += len;
    return at;
}

const char *arena_text(struct arena *arena, struct bytes text)
{
    char *copy = arena_take(arena, text.len + 1, 1);

    if (text.len > 0) {
        memcpy(copy, text.at, text.len);
    }
    return copy;
}

const char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_list again;
    int len;
    char *text;

    assert(format != NULL); /* else the sanitizers' build believes that it may be */
    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0) {
        abort();
    }
    text = arena_take(arena, (size_t)len + 1, 1);
    (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

size_t arena_size(const struct arena *arena)
{
    size_t size = 0;

    for (const struct arena_block *block = arena->blocks; block != NULL; block = block->next) {
        size += sizeof *block + block->room;
    }
    return size;
}
