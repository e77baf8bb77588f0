/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/attest.h"

#include <stdio.h>

#include "core/control/registry/instance.h"
#include "core/control/registry/token_use.h"

struct attest_redemption {
    struct registry *registry;
    const struct attest_proof *proof;
    struct attested attested;
};

/* One transaction: using the token, finding its entry, and counting the instance that begins. */
static enum status attest_redeem(struct store *store, void *user, struct failure *why)
{
    struct attest_redemption *redemption = user;
    const struct attest_proof *proof = redemption->proof;
    struct attested *attested = &redemption->attested;
    struct token_shown shown = {
        .text = proof->token, .key = proof->key, .address = proof->address, .now = proof->now};
    struct instance_birth birth = {.name = attested->instance,
                                   .key = &proof->key,
                                   .now = proof->now,
                                   .limit_reason = "bootstrap/instance-limit"};
    struct token_use use;
    enum status status;

    if (proof->process.len > 0) {
        shown.process = digest_of(proof->process);
    }
    TRY(token_redeem(store, &shown, &use, why));
    status = entry_get(redemption->registry, bytes_of(use.token.entry), &attested->entry, why);
    if (status == STATUS_NOT_FOUND) {
        return fail(why, STATUS_DENIED, "bootstrap/no-entry", "entry %s of token %s is gone",
                    use.token.entry, use.token.id);
    }
    TRY(status);
    attested->token = use.token;
    attested->repeated = use.repeated;
    attested->second_key = use.second_key;
    (void)snprintf(attested->instance, sizeof attested->instance, "%s", use.instance);
    TRY(instance_begin(store, &attested->entry, &birth, why));
    return store_revision(store, &attested->revision, why);
}

static enum status attest_join_token_judge(struct registry *registry,
                                           const struct attest_proof *proof,
                                           struct attested *out_attested, struct failure *why)
{
    struct attest_redemption redemption = {.registry = registry, .proof = proof};

    TRY(store_change(registry->store, attest_redeem, &redemption, why));
    *out_attested = redemption.attested;
    return STATUS_OK;
}

const struct attestor attest_join_token = {"join-token", attest_join_token_judge};
