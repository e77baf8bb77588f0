/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's current TLS context, and the swap. Only the worker's thread reads or writes its slot:
 * publish() brings the new context there, and the next handshake takes it.
 */
#ifndef SIGNET_CORE_TRUST_TLS_SLOT_H
#define SIGNET_CORE_TRUST_TLS_SLOT_H

#include "core/runtime/loop/publish.h"
#include "core/trust/tls/context.h"

struct tls_slot {
    struct tls_context *current; /* reference; NULL: no identity yet */
};

/* slot_swap puts `next` in, whose reference it takes over, and drops what was there. */
void slot_swap(struct tls_slot *slot, struct tls_context *next);

/* slot_take gives a new reference to the current context, or NULL while there is none. */
struct tls_context *slot_take(const struct tls_slot *slot);

/* slot_clear drops what is there. */
void slot_clear(struct tls_slot *slot);

/* slot_type is how publish() counts references of a TLS context. */
extern const struct publish_type slot_type;

#endif
