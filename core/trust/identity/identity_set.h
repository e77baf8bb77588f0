/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that a proxy needs to be someone: its own svid with key, and whom it trusts. One immutable,
 * counted value with a generation number, published to every worker at once. Any thread.
 *
 * Elsewhere: who makes it (sidecar/rotation), the TLS contexts made from it (trust/tls/context.h).
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_IDENTITY_SET_H
#define SIGNET_CORE_TRUST_IDENTITY_IDENTITY_SET_H

#include "core/trust/identity/bundle.h"
#include "core/trust/identity/svid.h"

struct identity_set;

/*
 * identity_set_make takes a reference of `svid`, which must have a key, and of `bundle`.
 * `generation` grows with each set that a process makes.
 *
 * STATUS_CONFIG "identity-set/no-key"; "identity-set/no-bundle" when the bundle does not know the
 * svid's own trust domain.
 */
enum status identity_set_make(struct svid *svid, struct bundle *bundle, uint64_t generation,
                              struct identity_set **out_set, struct failure *why) MUST_USE;

/*
 * identity_set_ref adds a reference; identity_set_drop gives one back and sets *set to NULL. Any
 * thread.
 */
struct identity_set *identity_set_ref(struct identity_set *set);
void identity_set_drop(struct identity_set **set);

/* The parts, borrowed for the life of `set`; take a reference to keep one longer. */
struct svid *identity_set_svid(const struct identity_set *set);
struct bundle *identity_set_bundle(const struct identity_set *set);

/* identity_set_generation is the number given at identity_set_make. */
uint64_t identity_set_generation(const struct identity_set *set);

#endif
