/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule that let a connection in, as text, kept once for all connections of a worker that it let
 * in. A connection may live for weeks: it must not hold the mesh that was in force when it began.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_RULE_NOTE_H
#define SIGNET_CORE_SIDECAR_PROXY_RULE_NOTE_H

#include "core/runtime/base/map.h"
#include "core/trust/authz/evaluate.h"

/* One worker's; only its thread. A zeroed struct holds none. */
struct rule_notes {
    struct map by_text;
};

/* Immutable but for its count. */
struct rule_note {
    unsigned holders;
    char text[]; /* of deciding_rule_print() */
};

/* rule_note_take gives the note of `rule`, to be given back; NULL when no rule decided. */
struct rule_note *rule_note_take(struct rule_notes *notes, const struct deciding_rule *rule);

/* rule_note_give gives it back and sets *note to NULL; NULL is fine. */
void rule_note_give(struct rule_notes *notes, struct rule_note **note);

/* rule_notes_clear frees the table, when every note was given back. */
void rule_notes_clear(struct rule_notes *notes);

#endif
