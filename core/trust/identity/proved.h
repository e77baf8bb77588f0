/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaf signatures that this thread has found good before. Whether a key has signed certain bytes never
 * changes, so it need not be computed again for a peer who comes back: that is half of what judging
 * him costs. Nothing else is remembered: path, dates, names, usages and trust are judged each time,
 * against the bundle in force (I10).
 *
 * Only good signatures get in, under a digest of all that goes into the check. One table per thread, a
 * fixed 2 KiB; a new entry takes the place of an older one.
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_PROVED_H
#define SIGNET_CORE_TRUST_IDENTITY_PROVED_H

#include "core/trust/identity/certificate.h"

#define PROVED_DIGEST_LEN 32

/* proved_digest names the question "did the key `issuer_spki` (DER) sign `cert`?". Any thread. */
void proved_digest(const struct certificate *cert, struct bytes issuer_spki,
                   uint8_t out_digest[PROVED_DIGEST_LEN]);

/* proved_find tells whether this thread knows the answer to be yes; proved_add says so. */
bool proved_find(const uint8_t digest[PROVED_DIGEST_LEN]);
void proved_add(const uint8_t digest[PROVED_DIGEST_LEN]);

#endif
