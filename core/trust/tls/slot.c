/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/tls/slot.h"

#include <stddef.h>

static void *slot_ref(void *value)
{
    return tls_context_ref(value);
}

static void slot_drop(void *value)
{
    struct tls_context *context = value;

    tls_context_drop(&context);
}

const struct publish_type slot_type = {.ref = slot_ref, .drop = slot_drop};

void slot_swap(struct tls_slot *slot, struct tls_context *next)
{
    tls_context_drop(&slot->current);
    slot->current = next;
}

struct tls_context *slot_take(const struct tls_slot *slot)
{
    return slot->current == NULL ? NULL : tls_context_ref(slot->current);
}

void slot_clear(struct tls_slot *slot)
{
    tls_context_drop(&slot->current);
}
