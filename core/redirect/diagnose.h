/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nft and iptables say when they cannot, in words that name what is missing and the remedy.
 * Pure.
 */
#ifndef SIGNET_CORE_REDIRECT_DIAGNOSE_H
#define SIGNET_CORE_REDIRECT_DIAGNOSE_H

#include "core/runtime/base/bytes.h"

/*
 * diagnose_nft judges the errors of a failed nft, diagnose_iptables those of a failed
 * iptables-restore, iptables-save or their IPv6 forms (`program` is named in the detail).
 *
 * STATUS_DENIED "redirect/permission": CAP_NET_ADMIN is missing. STATUS_NOT_FOUND
 * "redirect/kernel": the kernel lacks a module, named in the detail; "redirect/tool": the tool is
 * too old or lacks an extension. STATUS_IO "redirect/refused": anything else, with the tool's own
 * first line.
 */
enum status diagnose_nft(struct bytes errors, struct failure *why);
enum status diagnose_iptables(const char *program, struct bytes errors, struct failure *why);

#endif
