/* SPDX-License-Identifier: Apache-2.0 */
/* What `signet token` asks the control plane, and reads out of its replies. */
#ifndef SIGNET_CMD_SIGNET_TOKENS_H
#define SIGNET_CMD_SIGNET_TOKENS_H

#include "cmd/signet/doors.h"
#include "cmd/signet/table.h"
#include "core/runtime/base/secret.h"

/* What the command line of `token create` gave; NULL where it did not. Borrowed from argv. */
struct tokens_new {
    const char *entry;
    const char *out;
    const char *ttl;
    const char *until;
    const char *uses;
    const char *from;
    const char *owner;
    struct doors_choice choice;
};

/*
 * tokens_question writes the body of POST /tokens.
 * STATUS_CONFIG "words/span", "words/date", "token/life" (both --ttl and --until), "token/uses",
 * "token/from" (not CIDRs with commas between them).
 */
enum status tokens_question(const struct tokens_new *wanted, struct buffer *out,
                            struct failure *why) MUST_USE;

/*
 * tokens_reply_parse takes the token and its end (Unix s) out of the reply to POST /tokens. The caller
 * wipes `body` and clears the secret.
 *
 * Errors: of json_read and its getters, STATUS_PROTOCOL "token/form" (empty, or with characters that
 * no token has). No detail quotes the token.
 */
enum status tokens_reply_parse(struct bytes body, struct secret *out_token, int64_t *out_expires_at,
                               struct failure *why) MUST_USE;

#define TOKENS_COLUMNS 7
extern const char *const tokens_titles[TOKENS_COLUMNS];

/* tokens_add adds the reply to GET /tokens to a table of these titles. Errors of json_read and its getters. */
enum status tokens_add(struct table *table, struct bytes body, int64_t now_s,
                       struct failure *why) MUST_USE;

/* `signet token list` and `signet token revoke`: as the functions of commands.h. */
int tokens_list(int count, char **arguments);
int tokens_revoke(int count, char **arguments);

#endif
