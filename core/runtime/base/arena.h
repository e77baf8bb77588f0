/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that goes all at once: for immutable values of many small parts (a snapshot, a policy).
 * Nothing in it is freed alone. The process aborts when the system refuses, as with memory.h: who
 * fills an arena from foreign input bounds that input first.
 */
#ifndef SIGNET_CORE_RUNTIME_BASE_ARENA_H
#define SIGNET_CORE_RUNTIME_BASE_ARENA_H

#include "core/runtime/base/bytes.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* owned; the newest first */
};

/* arena_clear frees everything taken from it. A zeroed struct is an empty arena. */
void arena_clear(struct arena *arena);

/* arena_take gives `count` * `size` zeroed bytes, aligned for any type. Never NULL. */
void *arena_take(struct arena *arena, size_t count, size_t size) __attribute__((returns_nonnull));

/* arena_text copies a slice and adds a NUL. */
const char *arena_text(struct arena *arena, struct bytes text) __attribute__((returns_nonnull));

/* arena_format is printf into the arena. */
const char *arena_format(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3)
    __attribute__((returns_nonnull));

/* arena_size is how many bytes of the system's memory it holds. */
size_t arena_size(const struct arena *arena);

#endif
