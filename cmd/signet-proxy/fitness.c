/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet-proxy/fitness.h"

#include <string.h>

#include "core/trust/identity/verify.h"

static bool fitness_has_side(const struct sidecar_plan *plan, bool inbound)
{
    bool has = plan->transparent;

    for (size_t i = 0; i < plan->num_forwards; i++) {
        has = has || plan->forwards[i].inbound == inbound;
    }
    return has;
}

/* One direction: what a peer would say of our chain. */
static enum status fitness_in(const struct identity_set *set, enum verify_use use, int64_t now_s,
                              struct failure *why)
{
    const struct svid *svid = identity_set_svid(set);
    bool server = use == VERIFY_SERVER;
    struct bytes chain[SVID_CERTS_MAX];
    struct verified_peer self;
    struct failure cause = {0};

    for (size_t i = 0; i < svid_num_certs(svid); i++) {
        chain[i] = svid_cert_der(svid, i);
    }
    if (verify_peer(identity_set_bundle(set), chain, svid_num_certs(svid), use, now_s, &self,
                    &cause) == STATUS_OK) {
        return STATUS_OK;
    }
    if (strcmp(cause.reason, "verify/eku") == 0) {
        return fail(why, STATUS_CONFIG,
                    server ? "identity/no-server-auth" : "identity/no-client-auth",
                    "our own certificate is not for %s, so every %s will refuse it: %s",
                    server ? "servers, and there is an inbound side"
                           : "clients, and there is an outbound side",
                    server ? "caller" : "server", cause.detail);
    }
    return fail(why, STATUS_UNTRUSTED, "identity/not-vouched-for",
                "peers with the bundle in force refuse our own certificate (%s): %s",
                cause.reason, cause.detail);
}

enum status fitness_of_leaf(const struct identity_set *set, const struct sidecar_plan *plan,
                            int64_t now_s, struct failure *why)
{
    if (fitness_has_side(plan, true)) {
        TRY(fitness_in(set, VERIFY_SERVER, now_s, why));
    }
    return fitness_has_side(plan, false) ? fitness_in(set, VERIFY_CLIENT, now_s, why) : STATUS_OK;
}

enum status fitness_of_peer(const struct identity_set *set, const char *where, const char *peer_id,
                            struct failure *why)
{
    struct spiffe_id id;

    TRY(spiffe_id_parse(bytes_of(peer_id), &id, why));
    if (bundle_find(identity_set_bundle(set), spiffe_id_trust_domain(&id)) == NULL) {
        struct bytes domain = spiffe_id_trust_domain(&id);

        return fail(why, STATUS_NOT_FOUND, "identity/peer-domain",
                    "%.60s: the bundle has no roots of %.*s, so no peer of that trust domain can "
                    "be verified", where, (int)(domain.len > 60 ? 60 : domain.len),
                    (const char *)domain.at);
    }
    return STATUS_OK;
}
