/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of operators.h share, and nobody else sees. */
#ifndef SIGNET_CORE_CONTROL_SERVE_OPERATORS_PARTS_H
#define SIGNET_CORE_CONTROL_SERVE_OPERATORS_PARTS_H

#include "core/control/registry/token.h"
#include "core/control/serve/operators.h"
#include "core/runtime/json/json.h"

#define OPERATORS_BODY_MAX ((size_t)16 * 1024)

/* operators_optional_number reads a member from 1 to `max` that need not be there. */
enum status operators_optional_number(const struct json_value *object, const char *name,
                                      int64_t max, int64_t *out_number,
                                      struct failure *why) MUST_USE;

/* operators_need_text reads a text: without it the question is wrong, not its object absent. */
enum status operators_need_text(const struct json_value *object, const char *name, size_t max_len,
                                struct bytes *out_text, struct failure *why) MUST_USE;

/* operators_answer_done answers {"name": "value"}. */
enum status operators_answer_done(struct web_answer *answer, const char *name, struct bytes value,
                                  struct failure *why) MUST_USE;

/* The operations on tokens, rows of the table. */
enum status operators_list_tokens(struct operators *operators, const struct web_request *request,
                                  struct web_answer *answer, struct failure *why) MUST_USE;
enum status operators_create_token(struct operators *operators, const struct web_request *request,
                                   struct web_answer *answer, struct failure *why) MUST_USE;
enum status operators_revoke_token(struct operators *operators, const struct web_request *request,
                                   struct web_answer *answer, struct failure *why) MUST_USE;

/* With how many tokens, and how often, workloads can still begin. */
struct operators_open {
    int64_t now; /* Unix s */
    uint64_t tokens;
    uint64_t uses;
};

/* operators_count_open fills in the numbers for `open->now`. */
enum status operators_count_open(struct registry *registry, struct operators_open *open,
                                 struct failure *why) MUST_USE;

#endif
