/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *memory_make(size_t size)
{
    void *made = calloc(1, size == 0 ? 1 : size);

    if (made == NULL) {
        abort();
    }
    return made;
}

void *memory_grow(void *old, size_t size)
{
    void *grown = realloc(old, size == 0 ? 1 : size);

    if (grown == NULL) {
        abort();
    }
    return grown;
}

char *memory_text(const char *text)
{
    size_t size;
    char *copy;

    if (text == NULL) {
        return NULL;
    }
    size = strlen(text) + 1;
    copy = memory_make(size);
    memcpy(copy, text, size);
    return copy;
}

char *memory_format(const char *format, ...)
{
    va_list arguments;
    va_list again;
    int len;
    char *text;

    va_start(arguments, format);
    va_copy(again, arguments);
    len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (len < 0) {
        abort();
    }
    text = memory_make((size_t)len + 1);
    (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

void memory_wipe(void *at, size_t size)
{
    if (size > 0) {
        explicit_bzero(at, size);
    }
}
