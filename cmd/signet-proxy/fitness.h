/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the identity in force fit for what this proxy is set to do? Peers judge our certificate; here it is
 * judged first, with their eyes, so that what they will refuse is said at the start, by the side that is
 * wrong, and not at the first connection. Pure.
 */
#ifndef SIGNET_CMD_SIGNET_PROXY_FITNESS_H
#define SIGNET_CMD_SIGNET_PROXY_FITNESS_H

#include "cmd/signet-proxy/plan.h"

/*
 * fitness_of_leaf verifies our own chain under the bundle in force, as a server where the plan has an
 * inbound side, as a client where it has an outbound one.
 *
 * STATUS_UNTRUSTED "identity/not-vouched-for": peers with this bundle refuse us. STATUS_CONFIG
 * "identity/no-server-auth", "identity/no-client-auth": the certificate is not for that direction.
 */
enum status fitness_of_leaf(const struct identity_set *set, const struct sidecar_plan *plan,
                            int64_t now_s, struct failure *why) MUST_USE;

/*
 * fitness_of_peer asks whether `peer_id`, expected behind `where` (for the message), can be verified at
 * all. STATUS_NOT_FOUND "identity/peer-domain": the bundle has no roots of its trust domain, so every
 * handshake with it will be refused.
 */
enum status fitness_of_peer(const struct identity_set *set, const char *where, const char *peer_id,
                            struct failure *why) MUST_USE;

#endif
