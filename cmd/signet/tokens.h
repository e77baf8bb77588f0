/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the control plane's reply that holds a token. */
#ifndef SIGNET_CMD_SIGNET_TOKENS_H
#define SIGNET_CMD_SIGNET_TOKENS_H

#include "core/runtime/base/secret.h"

/*
 * tokens_reply_parse takes the token and its end (Unix s) out of the reply to POST /tokens. The caller
 * wipes `body` and clears the secret.
 *
 * Errors: of json_read and its getters, STATUS_PROTOCOL "token/form" (empty, or with characters that
 * no token has). No detail quotes the token.
 */
enum status tokens_reply_parse(struct bytes body, struct secret *out_token, int64_t *out_expires_at,
                               struct failure *why) MUST_USE;

#endif
