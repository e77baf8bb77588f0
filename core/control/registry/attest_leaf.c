/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/attest.h"

#include <stdio.h>

#include "core/control/registry/instance.h"

struct attest_renewal {
    struct registry *registry;
    const struct attest_proof *proof;
    struct attested attested;
};

/* One transaction: the entry must still stand, and the leaf belong to one of its instances. */
static enum status attest_renew(struct store *store, void *user, struct failure *why)
{
    struct attest_renewal *renewal = user;
    const struct attest_proof *proof = renewal->proof;
    struct attested *attested = &renewal->attested;
    struct instance instance;
    enum status status = entry_of_identity(renewal->registry, proof->leaf, &attested->entry, why);

    if (status == STATUS_NOT_FOUND) {
        return fail(why, STATUS_DENIED, "renew/no-entry", "no entry is %.200s any more",
                    proof->leaf->text);
    }
    TRY(status);
    status = instance_of_serial(store, &attested->entry, proof->leaf_serial, &instance, why);
    if (status == STATUS_OK) {
        (void)snprintf(attested->instance, sizeof attested->instance, "%s", instance.name);
        return STATUS_OK;
    }
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    attested->adopted = true;
    (void)snprintf(attested->instance, sizeof attested->instance, "leaf-%.*s",
                   (int)proof->leaf_serial.len, (const char *)proof->leaf_serial.at);
    return instance_begin(store, &attested->entry, attested->instance, proof->now,
                          "renew/instance-limit", why);
}

static enum status attest_leaf_judge(struct registry *registry, const struct attest_proof *proof,
                                     struct attested *out_attested, struct failure *why)
{
    struct attest_renewal renewal = {.registry = registry, .proof = proof};

    if (proof->leaf == NULL || proof->leaf_serial.len == 0) {
        return fail(why, STATUS_UNTRUSTED, "renew/no-leaf", "a renewal needs a live certificate");
    }
    if (proof->now >= proof->leaf_expires_at) {
        return fail(why, STATUS_UNTRUSTED, "renew/expired-leaf",
                    "the certificate of %.150s expired %lld s ago", proof->leaf->text,
                    (long long)(proof->now - proof->leaf_expires_at));
    }
    TRY(store_change(registry->store, attest_renew, &renewal, why));
    *out_attested = renewal.attested;
    return STATUS_OK;
}

const struct attestor attest_leaf = {"leaf", attest_leaf_judge};
