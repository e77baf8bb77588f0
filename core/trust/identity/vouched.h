/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intermediates whose signature by a root of this domain was found good before: a memory of a
 * bundle's domain, so that a handshake costs one signature check and not two. Only the signature is
 * remembered; dates, flags, usages and names are judged each time. What is remembered goes with the
 * bundle, so a root that is taken away takes along all that it vouched for (I10).
 *
 * Only what a root has really signed gets in, nothing is ever replaced, and there is room for
 * VOUCHED_MAX: no stranger can fill or churn it. Any thread, without a lock.
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_VOUCHED_H
#define SIGNET_CORE_TRUST_IDENTITY_VOUCHED_H

#include "core/runtime/base/bytes.h"

#define VOUCHED_MAX 32

struct evp_pkey_st;
struct vouched;

/*
 * vouched_make makes an empty memory; vouched_drop frees it, when no other thread reads it any
 * more.
 */
struct vouched *vouched_make(void);
void vouched_drop(struct vouched **vouched);

/*
 * vouched_find gives the public key of the certificate `der` when root number `root` is known to
 * have signed it, else NULL; borrowed for the life of `vouched`.
 */
struct evp_pkey_st *vouched_find(const struct vouched *vouched, size_t root, struct bytes der);

/*
 * vouched_add remembers that root number `root` has signed `der`, whose key is `key` (a reference
 * is taken).
 */
void vouched_add(struct vouched *vouched, size_t root, struct bytes der, struct evp_pkey_st *key);

#endif
