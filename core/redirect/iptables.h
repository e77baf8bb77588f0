/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan as text for `iptables-restore --noflush` and `ip6tables-restore --noflush`. Pure.
 *
 * One text is one transaction for one table of one family. Our chains (SIGNET_OUTPUT,
 * SIGNET_PREROUTING) are filled first and hooked last. The built-in chains belong to everybody, so
 * only our one jump is added to each, and only when the saved rules do not hold it yet.
 */
#ifndef SIGNET_CORE_REDIRECT_IPTABLES_H
#define SIGNET_CORE_REDIRECT_IPTABLES_H

#include "core/redirect/plan.h"
#include "core/runtime/base/buffer.h"

#define IPTABLES_TEXT_MAX (256 * 1024) /* bytes: a whole plan is under 32 KiB */

/* What of ours stands in the nat table of one family. */
struct iptables_state {
    bool has_output;      /* the chain SIGNET_OUTPUT */
    bool has_prerouting;  /* the chain SIGNET_PREROUTING */
    size_t output_jumps;  /* jumps to it from OUTPUT; 1 when all is well */
    size_t prerouting_jumps;
};

/*
 * iptables_state_read finds our chains and jumps in what `iptables-save -t nat` printed. Anything
 * else in it is not ours and is passed over.
 */
struct iptables_state iptables_state_read(struct bytes saved);

/* iptables_state_is_empty: is nothing of ours there? */
bool iptables_state_is_empty(const struct iptables_state *state);

/*
 * iptables_ruleset appends the text that makes `plan` stand for `family` (PLAN_IPV4 or PLAN_IPV6),
 * whatever of ours stood there: `state`. STATUS_LIMIT "buffer/full" from the buffer's bound.
 */
enum status iptables_ruleset(const struct plan *plan, enum plan_family family,
                             const struct iptables_state *state, struct buffer *out) MUST_USE;

/* iptables_removal appends the text that removes what `state` says is ours. */
enum status iptables_removal(const struct iptables_state *state, struct buffer *out) MUST_USE;

/*
 * iptables_restoral appends the text that brings our chains back to what they were in `saved`, from
 * what `now` says they are: used when the second family refuses after the first was loaded.
 */
enum status iptables_restoral(struct bytes saved, const struct iptables_state *now,
                              struct buffer *out) MUST_USE;

#endif
