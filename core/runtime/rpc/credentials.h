/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC's TLS with our identities. TLS 1.3 only; one judge of certificates on both sides, our own
 * verify_peer(), because gRPC's chain check knows nothing of SPIFFE, answers without a reason, and
 * falls back to the system's roots where it has none. It is therefore switched off on purpose
 * (set_verify_server_cert 0, request-but-don't-verify) and nothing passes without ours:
 *
 *   client  an external verifier runs before any byte of a call leaves: the chain must verify to the
 *           given bundle (or to the pinned root) and the leaf must name exactly the expected identity;
 *   server  a certificate is asked for, not demanded; it is verified for each call by the server's judge,
 *           so that a refusal has a reason and the server's time, and an expired leaf ends at once.
 *
 * BoringSSL checks in every case that the peer holds the leaf's key. gRPC copies PEM keys and does not
 * wipe them: an honest limit, which is why the process should be non-dumpable.
 *
 * This is the one arrow from runtime to trust, and therefore its own Bazel target.
 */
#ifndef SIGNET_CORE_RUNTIME_RPC_CREDENTIALS_H
#define SIGNET_CORE_RUNTIME_RPC_CREDENTIALS_H

#include "core/runtime/rpc/queue.h"
#include "core/runtime/rpc/server.h"
#include "core/trust/identity/bundle.h"
#include "core/trust/identity/identity_set.h"
#include "core/trust/identity/spiffe_id.h"
#include "core/trust/identity/svid.h"
#include "core/trust/identity/verify.h"

/* SHA-256 of a root certificate's DER. */
#define RPC_PIN_SIZE 32

struct rpc_client_credentials;
struct rpc_server_credentials;
struct grpc_channel_credentials;
struct grpc_server_credentials;

/* Whom a client expects and who it is itself. Exactly one of `bundle` and `pin` is given. */
struct rpc_client_trust {
    struct spiffe_id expected; /* the server's leaf must name this, exactly */
    struct bundle
        *bundle; /* roots of the expected trust domain; NULL with a pin; a reference is taken */
    const uint8_t *pin; /* RPC_PIN_SIZE bytes, or NULL: the presented chain must hold this root */
    struct svid *svid;  /* ours, with its key; NULL: no client certificate is offered; borrowed */
};

/*
 * rpc_client_credentials_make makes them; give the raw ones to rpc_channel_make(). Home's thread.
 * STATUS_CONFIG "rpc/trust" (neither or both of bundle and pin), "rpc/identity" (gRPC refused our chain or key).
 */
enum status rpc_client_credentials_make(struct rpc_queue *queue,
                                        const struct rpc_client_trust *trust,
                                        struct rpc_client_credentials **out_credentials,
                                        struct failure *why) MUST_USE;

/* rpc_client_credentials_drop gives them back; channels made with them stay usable. NULL is fine. */
void rpc_client_credentials_drop(struct rpc_client_credentials **credentials);

/* rpc_client_credentials_raw is gRPC's object, borrowed. */
struct grpc_channel_credentials *
rpc_client_credentials_raw(const struct rpc_client_credentials *credentials);

/*
 * rpc_client_credentials_refusal is why the last server was refused, or NULL when none was: a call that
 * ended UNAVAILABLE because of it says only that it was not reached. The detail holds the verifier's word.
 * Valid until the drop. Home's thread.
 *
 * "rpc/other-identity" (another workload, or another trust domain), "rpc/pin" (the pinned root is not shown),
 * "rpc/server-root" (no root that we trust vouches for it), "rpc/server-expired", "rpc/server-not-yet-valid",
 * "rpc/server-certificate" (it breaks another rule of verify.h), "rpc/peer-pem".
 */
const struct failure *
rpc_client_credentials_refusal(const struct rpc_client_credentials *credentials);

/* rpc_client_credentials_root is the DER of the pinned root that a server has proved, or empty. Home's thread. */
struct bytes rpc_client_credentials_root(const struct rpc_client_credentials *credentials);

/*
 * rpc_server_credentials_make makes a server's credentials from who we are and whom we trust. The chain
 * that is presented ends with our root, so that a client can pin it. gRPC must have begun (queue.h).
 * STATUS_CONFIG "rpc/identity".
 */
enum status rpc_server_credentials_make(struct identity_set *set,
                                        struct rpc_server_credentials **out_credentials,
                                        struct failure *why) MUST_USE;

/*
 * rpc_server_credentials_set changes the identity for new handshakes and the roots for every call from
 * now on. On a refusal the old ones stay. The server's thread. STATUS_CONFIG "rpc/identity".
 */
enum status rpc_server_credentials_set(struct rpc_server_credentials *credentials,
                                       struct identity_set *set, struct failure *why) MUST_USE;

/*
 * rpc_server_credentials_on_stale says who renews. From then on no handshake shows a leaf that is not valid
 * by our clock: where one begins while that is so (it ended in a stop, or the clock was set), stale(user)
 * runs on the loop of `home`, the handshake waits a moment for rpc_server_credentials_set() and shows the new
 * leaf. Where nothing valid comes, or `home` is NULL (nobody renews any more), the handshake ends and nothing
 * is shown. The server's thread.
 */
void rpc_server_credentials_on_stale(struct rpc_server_credentials *credentials,
                                     struct worker *home, void (*stale)(void *user), void *user);

/* rpc_server_credentials_drop: after the server that uses them has closed. NULL is fine. */
void rpc_server_credentials_drop(struct rpc_server_credentials **credentials);

/* rpc_server_credentials_raw is gRPC's object, borrowed, for rpc_server_options. */
struct grpc_server_credentials *
rpc_server_credentials_raw(const struct rpc_server_credentials *credentials);

/*
 * rpc_server_credentials_judge is the judge for rpc_server_options: any mesh identity whose chain verifies
 * to our bundle now, as a client. Borrows the credentials.
 */
struct rpc_judge rpc_server_credentials_judge(struct rpc_server_credentials *credentials);

/* rpc_credentials_peer is the verified caller of an exchange whose server has our judge, or NULL: nobody. */
const struct verified_peer *rpc_credentials_peer(const struct rpc_exchange *exchange);

#endif
