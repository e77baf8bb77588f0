/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is allowed but deserves a word: a bounded list of lines "FILE:LINE: ..." for people.
 */
#ifndef SIGNET_CORE_RUNTIME_YAML_WARNINGS_H
#define SIGNET_CORE_RUNTIME_YAML_WARNINGS_H

#include "core/runtime/yaml/yaml.h"

#define WARNINGS_MAX 256

struct warnings {
    char **lines;    /* owned, each one owned; in the order of their finding */
    size_t count;    /* lines kept, at most WARNINGS_MAX */
    size_t left_out; /* warnings beyond that */
};

/* warnings_add notes something about a node. `warnings` may be NULL: then nothing happens. */
void warnings_add(struct warnings *warnings, const struct yaml_node *node, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* warnings_copy makes `to`, which is empty, a copy of `from`; nothing may be added to a copy. */
void warnings_copy(const struct warnings *from, struct warnings *to);

/* warnings_clear frees the lines; the struct is then empty. A zeroed struct may be cleared. */
void warnings_clear(struct warnings *warnings);

#endif
