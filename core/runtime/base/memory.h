/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for small fixed objects: never NULL, the process aborts when the system refuses.
 *
 * Anything whose size a peer chooses does not come from here but from a buffer with a bound.
 */
#ifndef SIGNET_CORE_RUNTIME_BASE_MEMORY_H
#define SIGNET_CORE_RUNTIME_BASE_MEMORY_H

#include <stddef.h>

/* memory_make gives `size` zeroed bytes, to be given back with free(). Any thread. */
void *memory_make(size_t size) __attribute__((malloc, returns_nonnull));

/* memory_grow is realloc() that aborts instead of failing; added bytes are not zeroed. */
void *memory_grow(void *old, size_t size) __attribute__((returns_nonnull));

/* memory_text copies a C string; free() it. NULL gives NULL. */
char *memory_text(const char *text);

/* memory_format is printf into a new C string; free() it. */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

/* memory_wipe overwrites `size` bytes with zeros in a way that no compiler drops. */
void memory_wipe(void *at, size_t size);

#endif
