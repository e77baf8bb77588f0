/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load a plan into the kernel, or take it out again: all of it or nothing.
 *
 * Runs the system's nft, or iptables-restore and ip6tables-restore, with text from nft.h and
 * iptables.h. It blocks and belongs into a program that runs once. It touches the table `inet
 * signet` and the chains SIGNET_OUTPUT and SIGNET_PREROUTING, nothing else. Connections that are
 * open before apply_set() are neither captured nor cut (plan.h); captured ones live through a
 * second apply_set(). After apply_remove() they end, unless somebody else's rules keep connection
 * tracking on in this namespace: the kernel forgets where they went.
 */
#ifndef SIGNET_CORE_REDIRECT_APPLY_H
#define SIGNET_CORE_REDIRECT_APPLY_H

#include "core/redirect/plan.h"

enum apply_backend {
    APPLY_AUTO, /* nft when it is there and works in this kernel, else iptables */
    APPLY_NFT,
    APPLY_IPTABLES,
};

struct apply_outcome {
    enum apply_backend backend; /* which one stands now: never APPLY_AUTO */
    bool ipv6;                  /* false: this kernel has no IPv6, so there is nothing to capture */
    bool replaced_other;        /* rules of ours in the other backend were removed */
};

/* apply_backend_parse reads "auto", "nft" or "iptables"; false when it is none of them. */
bool apply_backend_parse(struct bytes text, enum apply_backend *out_backend);

/* apply_backend_word is its name: "nft". Never NULL. */
const char *apply_backend_word(enum apply_backend backend);

/*
 * apply_set makes `plan` stand and everything else of ours go. With `dry_run` the kernel only
 * judges it and nothing changes. nft loads both families in one transaction. iptables loads one
 * family after the other, both judged before; when the second is refused all the same, the first
 * is put back.
 *
 * STATUS_DENIED "redirect/permission", STATUS_NOT_FOUND "redirect/kernel" or "redirect/tool": what
 * is missing and the remedy stand in the detail. STATUS_IO "redirect/refused", and process.h's
 * errors.
 */
enum status apply_set(const struct plan *plan, enum apply_backend wanted, bool dry_run,
                      struct apply_outcome *out_outcome, struct failure *why) MUST_USE;

/*
 * apply_remove takes away all that is ours, from both backends; *out_was_there tells whether there
 * was any. Nothing to remove is STATUS_OK. STATUS_NOT_FOUND "redirect/tool" when neither nft nor
 * iptables is installed, so that nobody can look; else as apply_set.
 */
enum status apply_remove(bool *out_was_there, struct failure *why) MUST_USE;

#endif
