/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask about join tokens. */
#include "core/control/serve/operators_parts.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/json/writer.h"
#include "core/runtime/telemetry/metrics.h"

static const char *operators_token_state(const struct token *token, int64_t now)
{
    if (token_uses_left(token) == 0) {
        return "used";
    }
    return now >= token->expires_at ? "expired" : "open";
}

/* A list of tokens on its way into JSON. */
struct operators_token_walk {
    struct json_writer *json;
    int64_t now;
};

static void operators_put_from(struct json_writer *json, const struct token *token)
{
    json_open_array(json, "from");
    for (size_t i = 0; i < token->num_from; i++) {
        char text[IP_BLOCK_TEXT_MAX];

        ip_block_print(&token->from[i], text);
        json_put_text(json, NULL, text);
    }
    json_close_array(json);
}

static enum status operators_put_token(void *user, const struct token *token, struct failure *why)
{
    struct operators_token_walk *walk = user;

    (void)why;
    json_open_object(walk->json, NULL);
    json_put_text(walk->json, "id", token->id);
    json_put_text(walk->json, "entry", token->entry);
    json_put_text(walk->json, "state", operators_token_state(token, walk->now));
    json_put_uint(walk->json, "uses", token->uses);
    json_put_uint(walk->json, "uses_left", token_uses_left(token));
    operators_put_from(walk->json, token);
    json_put_int(walk->json, "created_at", token->created_at);
    json_put_int(walk->json, "expires_at", token->expires_at);
    if (token->used_at != 0) {
        json_put_int(walk->json, "used_at", token->used_at);
    } else {
        json_put_null(walk->json, "used_at");
    }
    json_close_object(walk->json);
    return STATUS_OK;
}

enum status operators_list_tokens(struct operators *operators, const struct web_request *request,
                                  struct web_answer *answer, struct failure *why)
{
    struct json_writer json = json_writer_to(&answer->body);
    struct operators_token_walk walk = {.json = &json, .now = clock_unix_s()};
    enum status status;

    (void)request;
    json_open_object(&json, NULL);
    json_open_array(&json, "tokens");
    status = token_list(operators->view.issuer.registry, operators_put_token, &walk, why);
    json_close_array(&json);
    json_close_object(&json);
    return status == STATUS_OK ? json_writer_end(&json, why) : status;
}

/* A token's end: `life_s` from now on, or `until` a moment; an hour when neither is said. */
static enum status operators_read_life(const struct json_value *top, struct token_order *order,
                                       struct failure *why)
{
    int64_t life_s = 0;
    int64_t until = 0;

    /* Only what arithmetic bears: token_create() says what a token's life may be. */
    TRY(operators_optional_number(top, "life_s", INT64_MAX / 4, &life_s, why));
    TRY(operators_optional_number(top, "until", INT64_MAX / 4, &until, why));
    if (life_s != 0 && until != 0) {
        return fail(why, STATUS_CONFIG, "token/life", "life_s or until, not both");
    }
    if (until != 0 && until <= order->now) {
        return fail(why, STATUS_CONFIG, "token/life", "until is %s, and it is %s by our clock",
                    clock_utc(until).text, clock_utc(order->now).text);
    }
    order->life_s = until != 0 ? until - order->now : life_s != 0 ? life_s : OPERATORS_TOKEN_LIFE_S;
    return STATUS_OK;
}

/* Where it may be used from: an array of CIDRs or addresses. */
static enum status operators_read_from(const struct json_value *top,
                                       struct ip_block blocks[TOKEN_FROM_MAX],
                                       struct token_order *order, struct failure *why)
{
    const struct json_value *list = NULL;
    enum status status = json_get_array(top, "from", &list, why);

    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    TRY(status);
    if (json_count(list) > TOKEN_FROM_MAX) {
        return fail(why, STATUS_CONFIG, "token/from", "from has at most %d blocks, not %zu",
                    TOKEN_FROM_MAX, json_count(list));
    }
    for (size_t i = 0; i < json_count(list); i++) {
        struct bytes text = {0};

        if (!json_text_of(json_at(list, i), &text) || !ip_block_parse(text, &blocks[i])) {
            return fail(why, STATUS_CONFIG, "token/from",
                        "\"%.*s\" is no block of addresses: 10.0.0.0/8, fd00::/16, 10.0.0.7",
                        (int)(text.len < 64 ? text.len : 64), (const char *)text.at);
        }
    }
    order->from = blocks;
    order->num_from = json_count(list);
    return STATUS_OK;
}

static enum status operators_answer_token(struct web_answer *answer, const struct token *token,
                                          const struct secret *text, struct failure *why)
{
    struct json_writer json = json_writer_to(&answer->body);

    json_open_object(&json, NULL);
    json_put_text(&json, "id", token->id);
    json_put_text(&json, "entry", token->entry);
    json_put_uint(&json, "uses", token->uses);
    json_put_int(&json, "expires_at", token->expires_at);
    json_put_bytes(&json, "token", secret_bytes(text));
    json_close_object(&json);
    return json_writer_end(&json, why);
}

enum status operators_create_token(struct operators *operators, const struct web_request *request,
                                   struct web_answer *answer, struct failure *why)
{
    static const char *const known[] = {"entry", "life_s", "until", "uses", "from"};
    OWNED(json_value) *top = NULL;
    CLEARED(secret) text = {0};
    struct ip_block blocks[TOKEN_FROM_MAX];
    struct token_order order = {.now = clock_unix_s()};
    struct token token;
    int64_t uses = 1;

    TRY(json_read(request->body, OPERATORS_BODY_MAX, &top, why));
    TRY(json_refuse_unknown(top, known, sizeof known / sizeof known[0], why));
    TRY(operators_need_text(top, "entry", ENTRY_NAME_MAX, &order.entry, why));
    TRY(operators_read_life(top, &order, why));
    TRY(operators_optional_number(top, "uses", TOKEN_USES_MAX, &uses, why));
    TRY(operators_read_from(top, blocks, &order, why));
    order.uses = (uint32_t)uses;
    TRY(token_create(operators->view.issuer.registry, &order, &text, &token, why));
    metrics_add(0, METRIC_TOKENS_CREATED, LABEL_NONE, LABEL_NONE, 1);
    log_event(&operators->log, LOG_INFO, "token.created", LOG_TEXT("token_id", token.id),
              LOG_TEXT("entry", token.entry), LOG_INT("uses", token.uses),
              LOG_DATE("expires_at", token.expires_at));
    return operators_answer_token(answer, &token, &text, why);
}

enum status operators_revoke_token(struct operators *operators, const struct web_request *request,
                                   struct web_answer *answer, struct failure *why)
{
    TRY(token_revoke(operators->view.issuer.registry, request->rest, why));
    log_event(&operators->log, LOG_INFO, "token.revoked", LOG_BYTES("token_id", request->rest));
    return operators_answer_done(answer, "removed", request->rest, why);
}

static enum status operators_count_one(void *user, const struct token *token, struct failure *why)
{
    struct operators_open *open = user;

    (void)why;
    if (token_is_open(token, open->now)) {
        open->tokens++;
        open->uses += token_uses_left(token);
    }
    return STATUS_OK;
}

enum status operators_count_open(struct registry *registry, struct operators_open *open,
                                 struct failure *why)
{
    return token_list(registry, operators_count_one, open, why);
}
