/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/identity_set.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/runtime/base/memory.h"

struct identity_set {
    atomic_uint refs;
    struct svid *svid;     /* a reference */
    struct bundle *bundle; /* a reference */
    uint64_t generation;
};

enum status identity_set_make(struct svid *svid, struct bundle *bundle, uint64_t generation,
                              struct identity_set **out_set, struct failure *why)
{
    struct identity_set *set;

    if (svid_key(svid) == NULL) {
        return fail(why, STATUS_CONFIG, "identity-set/no-key",
                    "the certificate came without its private key");
    }
    if (bundle_find(bundle, spiffe_id_trust_domain(svid_id(svid))) == NULL) {
        return fail(why, STATUS_CONFIG, "identity-set/no-bundle",
                    "the bundle has no roots of our own trust domain");
    }
    set = memory_make(sizeof *set);
    atomic_init(&set->refs, 1);
    set->svid = svid_ref(svid);
    set->bundle = bundle_ref(bundle);
    set->generation = generation;
    *out_set = set;
    return STATUS_OK;
}

struct identity_set *identity_set_ref(struct identity_set *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void identity_set_drop(struct identity_set **set)
{
    struct identity_set *gone = TAKE(*set);

    if (gone != NULL && atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) == 1) {
        svid_drop(&gone->svid);
        bundle_drop(&gone->bundle);
        free(gone);
    }
}

struct svid *identity_set_svid(const struct identity_set *set)
{
    return set->svid;
}

struct bundle *identity_set_bundle(const struct identity_set *set)
{
    return set->bundle;
}

uint64_t identity_set_generation(const struct identity_set *set)
{
    return set->generation;
}
