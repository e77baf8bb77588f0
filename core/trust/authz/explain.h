/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same decision in words: for `signet authz explain`, the admin page, and whoever was refused.
 */
#ifndef SIGNET_CORE_TRUST_AUTHZ_EXPLAIN_H
#define SIGNET_CORE_TRUST_AUTHZ_EXPLAIN_H

#include "core/runtime/base/buffer.h"
#include "core/trust/authz/evaluate.h"

/*
 * explain appends to `out`: who asks, the answer and why, then each rule in the order of its judging
 * with "matches" or the first condition that failed (what was asked, what was found). It decides by
 * evaluate() and never otherwise. STATUS_LIMIT "buffer/full" when `out` is too small. Any thread.
 */
enum status explain(const struct policy *policy, const struct facts *facts,
                    struct buffer *out) MUST_USE;

#endif
