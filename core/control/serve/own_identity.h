/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the control plane itself is: spiffe://TRUST_DOMAIN/ns/signet-system/sa/signet-control, signed by
 * its own authority and renewed for the process's whole life, a new key each time. Each new set is told
 * to one subscriber, who puts it in force without closing a connection.
 *
 * A leaf that is not valid now, because it ended during a stop or because the clock that it was made by
 * was ahead, is replaced at once; one that is valid only by a clock that may be believed (ca/steady.h).
 *
 * The loop's thread only. Elsewhere: the listener that presents it (certificates.h).
 */
#ifndef SIGNET_CORE_CONTROL_SERVE_OWN_IDENTITY_H
#define SIGNET_CORE_CONTROL_SERVE_OWN_IDENTITY_H

#include <uv.h>

#include "core/control/ca/authority.h"
#include "core/control/registry/entry.h"
#include "core/trust/identity/identity_set.h"

struct own_identity;

/* Puts a new set in force; a refusal is logged and the renewal tried again. `set` is borrowed. */
typedef enum status (*own_identity_fn)(void *user, struct identity_set *set, struct failure *why);

/* Who we are, and who is told. */
struct own_identity_plan {
    struct authority *authority;     /* borrowed; outlives the identity */
    const struct registry *registry; /* borrowed for the start */
    own_identity_fn changed;         /* at each set after the first, until own_identity_close() */
    void *user;
};

/*
 * own_identity_start makes the first set at once and then keeps it young.
 * Errors of key_make, authority_issue, svid_parse and identity_set_make.
 */
enum status own_identity_start(uv_loop_t *loop, const struct own_identity_plan *plan,
                               struct own_identity **out_own, struct failure *why) MUST_USE;

/* own_identity_set is the set in force; borrowed until the loop's next turn: identity_set_ref() to keep. */
struct identity_set *own_identity_set(const struct own_identity *own);

/*
 * own_identity_judge makes sure that the leaf in force is valid at this moment, and replaces it where it is
 * not. Errors as own_identity_start, and of the subscriber.
 */
enum status own_identity_judge(struct own_identity *own, struct failure *why) MUST_USE;

/* own_identity_renews_at is when the next one is due, in Unix s. */
int64_t own_identity_renews_at(const struct own_identity *own);

/* own_identity_close ends the renewals; it frees itself after the loop's close callbacks. NULL is fine. */
void own_identity_close(struct own_identity *own);

#endif
