/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of lines with a bound. See warnings.h.
 */
#include "core/runtime/yaml/warnings.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/runtime/base/memory.h"

enum { WARNINGS_TEXT_MAX = 512, WARNINGS_STEP = 16 };

void warnings_add(struct warnings *warnings, const struct yaml_node *node, const char *format, ...)
{
    char what[WARNINGS_TEXT_MAX];
    va_list args;

    if (warnings == NULL) {
        return;
    }
    if (warnings->count == WARNINGS_MAX) {
        warnings->left_out++;
        return;
    }
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    for (char *at = what; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = '?'; /* quoted input must not break the line that a person reads */
        }
    }
    if (warnings->count % WARNINGS_STEP == 0) {
        warnings->lines = memory_grow(warnings->lines, (warnings->count + WARNINGS_STEP) *
                                                           sizeof warnings->lines[0]);
    }
    warnings->lines[warnings->count++] =
        memory_format("%s:%u: %s", yaml_file_name(node->file), node->line, what);
}

void warnings_copy(const struct warnings *from, struct warnings *to)
{
    to->lines = memory_make((from->count + 1) * sizeof to->lines[0]);
    for (size_t i = 0; i < from->count; i++) {
        to->lines[i] = memory_text(from->lines[i]);
    }
    to->count = from->count;
    to->left_out = from->left_out;
}

void warnings_clear(struct warnings *warnings)
{
    for (size_t i = 0; i < warnings->count; i++) {
        free(warnings->lines[i]);
    }
    free(warnings->lines);
    *warnings = (struct warnings){0};
}
