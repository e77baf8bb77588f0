/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attestation: from a proof to the one entry whose identity the caller gets. Nothing that the caller
 * says about himself reaches the answer, only what he proves (I1, I4).
 *
 * One attestor per kind of proof; each judges, and records what makes its proof single use, in one
 * transaction of the store. One thread at a time, that of the store's handle.
 *
 * Elsewhere: what happens then (serve/issue.h).
 */
#ifndef SIGNET_CORE_CONTROL_REGISTRY_ATTEST_H
#define SIGNET_CORE_CONTROL_REGISTRY_ATTEST_H

#include "core/control/registry/digest.h"
#include "core/control/registry/entry.h"
#include "core/control/registry/token.h"
#include "core/runtime/base/ip.h"
#include "core/trust/identity/verify.h"

/* What a caller proves himself with; borrowed for the call. */
struct attest_proof {
    struct bytes token;               /* of attest_join_token: the bearer token as it came */
    struct bytes process;             /* of attest_join_token: what the caller's process calls itself */
    struct ip address;                /* of attest_join_token: where it calls from */
    const struct verified_peer *leaf; /* of attest_leaf: the verified live leaf; or NULL */
    struct digest key; /* of the new public key that the caller shows: SHA-256 of its SPKI */
    int64_t now;       /* Unix s */
};

/* What was proved. */
struct attested {
    struct entry entry;
    char instance[49]; /* which workload of that entry, as instance.h counts them */
    int64_t revision;  /* of the store then: what the certificate's serial number is to carry */
    bool adopted; /* a live leaf that no known instance has: a copy, or the store was restored */
    struct token token; /* of attest_join_token: as it is stored now; id "" with a leaf */
    bool repeated;      /* this key had its use of the token already */
    bool second_key;    /* the same process has used the token with another key before (I7) */
};

struct attestor {
    const char *name; /* "join-token", "leaf": for logs and records */
    enum status (*attest)(struct registry *registry, const struct attest_proof *proof,
                          struct attested *out_attested, struct failure *why);
};

/*
 * attest_join_token redeems a join token for the new key, in one transaction: a kill at any moment
 * leaves the use unspent, or spent by this key, which may repeat (token_use.h).
 *
 * STATUS_UNTRUSTED  token_redeem()'s
 * STATUS_DENIED     "bootstrap/no-entry" (the entry is gone), "bootstrap/instance-limit"
 */
extern const struct attestor attest_join_token;

/*
 * attest_leaf accepts a live leaf: the caller is who its one URI says, as long as an entry says so too
 * that is not younger than the leaf. The leaf is judged at each call, not when its connection began.
 *
 * Its serial number carries a revision of the store. One that is ahead of the store's own says that the
 * store was restored from a backup: then the store is raised to it, so that no revision means two things.
 *
 * STATUS_UNTRUSTED  "renew/no-leaf", "renew/expired-leaf", "renew/evicted"
 * STATUS_PROTOCOL   "renew/same-key" (the new key is the leaf's own)
 * STATUS_DENIED     "renew/no-entry", "renew/instance-limit"
 */
extern const struct attestor attest_leaf;

/*
 * attest_issued records the certificate that followed: its serial number is how the instance will be
 * known at its next renewal.
 * STATUS_NOT_FOUND "instance/unknown" (its entry was removed meanwhile); "store/…".
 */
enum status attest_issued(struct registry *registry, const struct attest_proof *proof,
                          const struct attested *attested, const char *serial, int64_t expires_at,
                          struct failure *why) MUST_USE;

#endif
