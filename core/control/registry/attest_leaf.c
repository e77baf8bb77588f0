/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/attest.h"

#include <stdio.h>
#include <string.h>

#include "core/control/ca/serial.h"
#include "core/control/registry/instance.h"
#include "core/runtime/base/clock.h"

struct attest_renewal {
    struct registry *registry;
    const struct attest_proof *proof;
    struct attested attested;
};

/* A leaf that no instance has begins one, which is told. */
static enum status attest_adopt(struct store *store, const struct attest_proof *proof,
                                struct attested *attested, struct failure *why)
{
    struct instance_birth birth = {.name = attested->instance,
                                   .now = proof->now,
                                   .limit_reason = "renew/instance-limit"};

    attested->adopted = true;
    (void)snprintf(attested->instance, sizeof attested->instance, "leaf-%s",
                   proof->leaf->serial_hex);
    return instance_begin(store, &attested->entry, &birth, why);
}

/* One transaction: the entry must still stand, and the leaf belong to one of its instances. */
static enum status attest_renew(struct store *store, void *user, struct failure *why)
{
    struct attest_renewal *renewal = user;
    const struct attest_proof *proof = renewal->proof;
    struct bytes serial = bytes_of(proof->leaf->serial_hex);
    struct attested *attested = &renewal->attested;
    struct instance instance;
    enum status status =
        entry_of_identity(renewal->registry, &proof->leaf->id, &attested->entry, why);

    if (status == STATUS_NOT_FOUND) {
        return fail(why, STATUS_DENIED, "renew/no-entry", "no entry is %.200s any more",
                    proof->leaf->id.text);
    }
    TRY(status);
    TRY(entry_check_leaf(&attested->entry, serial, why));
    status = instance_of_serial(store, &attested->entry, serial, &instance, why);
    if (status == STATUS_NOT_FOUND) {
        TRY(attest_adopt(store, proof, attested, why));
    } else {
        TRY(status);
        (void)snprintf(attested->instance, sizeof attested->instance, "%s", instance.name);
    }
    return store_revision(store, &attested->revision, why);
}

/*
 * Only our own signer writes revisions, and only into leaves of our own trust domain: nobody else can
 * move the store. It happens once after a restore, or not at all.
 */
static enum status attest_catch_up(struct registry *registry, const struct verified_peer *leaf,
                                   struct failure *why)
{
    int64_t revision = serial_revision(bytes_of(leaf->serial_hex));

    if (revision > STORE_REVISION_MAX ||
        !bytes_equal_text(spiffe_id_trust_domain(&leaf->id), registry->trust_domain)) {
        return STATUS_OK;
    }
    return store_raise(registry->store, revision, why);
}

static enum status attest_leaf_judge(struct registry *registry, const struct attest_proof *proof,
                                     struct attested *out_attested, struct failure *why)
{
    struct attest_renewal renewal = {.registry = registry, .proof = proof};
    const struct verified_peer *leaf = proof->leaf;

    if (leaf == NULL) {
        return fail(why, STATUS_UNTRUSTED, "renew/no-leaf", "a renewal needs a live certificate");
    }
    if (proof->now >= leaf->expires_at) {
        return fail(why, STATUS_UNTRUSTED, "renew/expired-leaf",
                    "the certificate of %.150s ended at %s, the control plane's clock says %s",
                    leaf->id.text, clock_utc(leaf->expires_at).text, clock_utc(proof->now).text);
    }
    if (memcmp(proof->key.at, leaf->key_sha256, sizeof proof->key.at) == 0) {
        return fail(why, STATUS_PROTOCOL, "renew/same-key",
                    "the request holds the key of the certificate that it renews; a new "
                    "certificate needs a new key");
    }
    TRY(attest_catch_up(registry, leaf, why));
    TRY(store_change(registry->store, attest_renew, &renewal, why));
    *out_attested = renewal.attested;
    return STATUS_OK;
}

const struct attestor attest_leaf = {"leaf", attest_leaf_judge};
