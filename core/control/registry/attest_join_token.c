/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/attest.h"

#include <stdio.h>

#include "core/control/registry/instance.h"
#include "core/control/registry/token.h"

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
    struct token token;
    enum status status;

    TRY(token_redeem(store, proof->token, &proof->key, proof->now, &token, why));
    status = entry_get(redemption->registry, bytes_of(token.entry), &attested->entry, why);
    if (status == STATUS_NOT_FOUND) {
        return fail(why, STATUS_DENIED, "bootstrap/no-entry", "entry %s of token %s is gone",
                    token.entry, token.id);
    }
    TRY(status);
    (void)snprintf(attested->instance, sizeof attested->instance, "%s", token.id);
    return instance_begin(store, &attested->entry, attested->instance, proof->now,
                          "bootstrap/instance-limit", why);
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
