/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/rule_note.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"

struct rule_note *rule_note_take(struct rule_notes *notes, const struct deciding_rule *rule)
{
    char text[DECIDING_RULE_TEXT_MAX];
    struct rule_note *note;

    if (rule->policy == NULL) {
        return NULL;
    }
    deciding_rule_print(rule, text);
    note = map_get(&notes->by_text, bytes_of(text));
    if (note == NULL) {
        size_t size = strlen(text) + 1;

        note = memory_make(sizeof *note + size);
        memcpy(note->text, text, size);
        (void)map_put(&notes->by_text, bytes_of(text), note);
    }
    note->holders++;
    return note;
}

void rule_note_give(struct rule_notes *notes, struct rule_note **note)
{
    struct rule_note *given = TAKE(*note);

    if (given != NULL && --given->holders == 0) {
        (void)map_remove(&notes->by_text, bytes_of(given->text));
        free(given);
    }
}

void rule_notes_clear(struct rule_notes *notes)
{
    assert(notes->by_text.count == 0);
    map_clear(&notes->by_text);
}
