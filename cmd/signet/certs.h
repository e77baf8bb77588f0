/* SPDX-License-Identifier: Apache-2.0 */
/* What `signet certs` says about one sidecar. */
#ifndef SIGNET_CMD_SIGNET_CERTS_H
#define SIGNET_CMD_SIGNET_CERTS_H

#include <stdio.h>

#include "cmd/signet/replies.h"

/*
 * certs_print writes who it is, the times, the chain and the roots. `now_s` is the present in Unix s.
 * *out_good says whether there is a leaf and none of the chain is past its end. Errors: those of
 * reply_certificate_parse; nothing was then printed.
 */
enum status certs_print(const char *name, const struct reply_certs *certs, int64_t now_s, FILE *out,
                        bool *out_good, struct failure *why) MUST_USE;

#endif
