/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan as text for `nft -f -`: one table, `inet signet`, for both families. Pure.
 *
 * nft applies one text as one transaction, and "add, delete, add" makes it repeatable: a second run
 * leaves the same rules, and at no moment are there none.
 */
#ifndef SIGNET_CORE_REDIRECT_NFT_H
#define SIGNET_CORE_REDIRECT_NFT_H

#include "core/redirect/plan.h"
#include "core/runtime/base/buffer.h"

/* nft_ruleset appends the whole ruleset. STATUS_LIMIT "buffer/full" from the buffer's bound. */
enum status nft_ruleset(const struct plan *plan, struct buffer *out) MUST_USE;

/* nft_removal is the text that removes the table, there or not; a literal. */
const char *nft_removal(void);

#endif
