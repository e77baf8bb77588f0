/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control/registry/record.h"
#include "core/control/registry/token_use.h"
#include "core/runtime/base/memory.h"

#define TOKEN_PREFIX "sgt_"
#define TOKEN_SECRET_LEN 32
#define TOKEN_ID_BYTES 8
#define TOKEN_DRAWS 4 /* for an id that is free; one is enough for ever */

struct token_key {
    char text[8 + TOKEN_ID_SIZE];
};

static struct bytes token_key_of(struct token_key *key, const char *id)
{
    (void)snprintf(key->text, sizeof key->text, "token/%s", id);
    return bytes_of(key->text);
}

/* base64url without padding, of 32 bytes: RFC 4648 section 5. */
static void token_print(const uint8_t secret[TOKEN_SECRET_LEN], char out[TOKEN_TEXT_LEN + 1])
{
    char padded[48]; /* 44 characters, the last one '=', and a NUL */

    bytes_to_base64(bytes_make(secret, TOKEN_SECRET_LEN), padded);
    memcpy(out, TOKEN_PREFIX, 4);
    for (size_t i = 0; i < TOKEN_TEXT_LEN - 4; i++) {
        out[4 + i] = (char)(padded[i] == '+' ? '-' : padded[i] == '/' ? '_' : padded[i]);
    }
    out[TOKEN_TEXT_LEN] = '\0';
    memory_wipe(padded, sizeof padded);
}

static bool token_scan(struct bytes text, uint8_t out_secret[TOKEN_SECRET_LEN])
{
    char padded[44];
    size_t len = 0;
    bool good = text.len == TOKEN_TEXT_LEN && bytes_starts(text, bytes_of(TOKEN_PREFIX));

    for (size_t i = 4; good && i < TOKEN_TEXT_LEN; i++) {
        char letter = (char)text.at[i];

        good = letter != '+' && letter != '/' && letter != '=';
        padded[i - 4] = (char)(letter == '-' ? '+' : letter == '_' ? '/' : letter);
    }
    if (good) {
        padded[43] = '=';
        good = bytes_from_base64(bytes_make(padded, sizeof padded), out_secret, TOKEN_SECRET_LEN,
                                 &len) &&
               len == TOKEN_SECRET_LEN;
    }
    memory_wipe(padded, sizeof padded);
    return good;
}

static void token_name(struct token *token, const struct digest *hash)
{
    token->hash = *hash;
    bytes_to_hex(bytes_make(hash->at, TOKEN_ID_BYTES), token->id);
}

bool token_identify(struct bytes text, char out_id[TOKEN_ID_SIZE], struct digest *out_hash)
{
    uint8_t secret[TOKEN_SECRET_LEN];
    bool good = token_scan(text, secret);

    if (good) {
        *out_hash = digest_of(bytes_make(secret, sizeof secret));
        bytes_to_hex(bytes_make(out_hash->at, TOKEN_ID_BYTES), out_id);
    }
    memory_wipe(secret, sizeof secret);
    return good;
}

uint32_t token_uses_left(const struct token *token)
{
    return token->num_used < token->uses ? token->uses - token->num_used : 0;
}

bool token_is_open(const struct token *token, int64_t now)
{
    return token_uses_left(token) > 0 && now < token->expires_at;
}

static enum status token_read(struct bytes record, struct token *out_token, struct failure *why)
{
    struct failure inner = {0};

    if (token_decode(record, out_token, &inner) != STATUS_OK) {
        return fail(why, STATUS_IO, "store/damaged", "a token does not read: %s: %s", inner.reason,
                    inner.detail);
    }
    return STATUS_OK;
}

enum status token_get(struct store *store, const char *id, struct token *out_token,
                      struct failure *why)
{
    CLEARED(buffer) record = {.max = RECORD_MAX};
    struct token_key key;
    enum status status = store_get(store, token_key_of(&key, id), &record, NULL, why);

    if (status == STATUS_NOT_FOUND) {
        return fail(why, STATUS_NOT_FOUND, "token/unknown", "there is no token %s", id);
    }
    TRY(status);
    return token_read(buffer_bytes(&record), out_token, why);
}

enum status token_put(struct store *store, const struct token *token, struct failure *why)
{
    CLEARED(buffer) record = {0};
    struct token_key key;

    token_encode(token, &record);
    return store_put(store, token_key_of(&key, token->id), buffer_bytes(&record), why);
}

static enum status token_count_one(void *user, struct bytes key, struct bytes value,
                                   struct failure *why)
{
    size_t *count = user;

    (void)key;
    (void)value;
    (void)why;
    *count += 1;
    return STATUS_OK;
}

/* What token_create() does in its transaction. */
struct token_job {
    struct registry *registry;
    struct token token;
};

static enum status token_store(struct store *store, void *user, struct failure *why)
{
    const struct token_job *job = user;
    CLEARED(buffer) record = {0};
    struct entry entry;
    struct token_key key;
    size_t count = 0;

    TRY(entry_get(job->registry, bytes_of(job->token.entry), &entry, why));
    TRY(store_list(store, bytes_of("token/"), token_count_one, &count, why));
    if (count >= TOKENS_MAX) {
        return fail(why, STATUS_LIMIT, "token/too-many", "the registry holds %d tokens",
                    TOKENS_MAX);
    }
    token_encode(&job->token, &record);
    return store_swap(store, token_key_of(&key, job->token.id), STORE_ABSENT, buffer_bytes(&record),
                      why);
}

static enum status token_check_order(const struct token_order *order, struct failure *why)
{
    if (order->life_s < TOKEN_LIFE_MIN_S || order->life_s > TOKEN_LIFE_MAX_S) {
        return fail(why, STATUS_CONFIG, "token/life",
                    "a token lives at least a second and at most a year, not %lld days",
                    (long long)(order->life_s / (24 * 3600)));
    }
    if (order->uses > TOKEN_USES_MAX) {
        return fail(why, STATUS_CONFIG, "token/uses", "a token has 1 to %d uses, not %u",
                    TOKEN_USES_MAX, order->uses);
    }
    if (order->num_from > TOKEN_FROM_MAX) {
        return fail(why, STATUS_CONFIG, "token/from",
                    "a token names at most %d blocks of addresses, not %zu", TOKEN_FROM_MAX,
                    order->num_from);
    }
    return STATUS_OK;
}

/* Draws a secret and stores what may be stored of it. STATUS_DENIED: another token has its id. */
static enum status token_draw(struct token_job *job, struct secret *out_text, struct failure *why)
{
    uint8_t secret[TOKEN_SECRET_LEN];
    char text[TOKEN_TEXT_LEN + 1];
    struct digest hash;
    enum status status;

    digest_draw(secret, sizeof secret);
    hash = digest_of(bytes_make(secret, sizeof secret));
    token_name(&job->token, &hash);
    status = store_change(job->registry->store, token_store, job, why);
    if (status == STATUS_OK) {
        token_print(secret, text);
        secret_set(out_text, bytes_make(text, TOKEN_TEXT_LEN));
        memory_wipe(text, sizeof text);
    }
    memory_wipe(secret, sizeof secret);
    return status;
}

enum status token_create(struct registry *registry, const struct token_order *order,
                         struct secret *out_text, struct token *out_token, struct failure *why)
{
    struct token_job job = {
        .registry = registry,
        .token = {.created_at = order->now,
                  .expires_at = order->now + order->life_s,
                  .uses = order->uses == 0 ? 1 : order->uses,
                  .num_from = order->num_from}};
    struct entry known;
    enum status status = STATUS_DENIED;

    TRY(token_check_order(order, why));
    TRY(entry_get(registry, order->entry, &known, why));
    memcpy(job.token.entry, known.name, sizeof known.name);
    for (size_t i = 0; i < order->num_from; i++) {
        job.token.from[i] = order->from[i];
    }
    for (int draw = 0; draw < TOKEN_DRAWS && status == STATUS_DENIED; draw++) {
        status = token_draw(&job, out_text, why);
    }
    if (status == STATUS_OK && out_token != NULL) {
        *out_token = job.token;
    }
    return status;
}

/* Within a transaction: the token, and what was noted of its uses. */
static enum status token_remove(struct store *store, const char *id, struct failure *why)
{
    struct token_key key;

    TRY(store_remove(store, token_key_of(&key, id), why));
    return token_use_forget_all(store, id, why);
}

static enum status token_revoke_one(struct store *store, void *user, struct failure *why)
{
    return token_remove(store, user, why);
}

enum status token_revoke(struct registry *registry, struct bytes id, struct failure *why)
{
    uint8_t digits[TOKEN_ID_BYTES];
    char clean[TOKEN_ID_SIZE];
    enum status status = STATUS_NOT_FOUND;

    if (bytes_from_hex(id, digits, sizeof digits)) {
        bytes_to_hex(bytes_make(digits, sizeof digits), clean);
        status = store_change(registry->store, token_revoke_one, clean, why);
    }
    if (status == STATUS_NOT_FOUND) {
        return fail(why, STATUS_NOT_FOUND, "token/unknown", "there is no such token");
    }
    return status;
}

/* Which tokens to take out; a list must not change the store while it walks. */
struct token_pick {
    struct bytes entry; /* all of this entry; empty: those that are over */
    int64_t now;
    char (*ids)[TOKEN_ID_SIZE]; /* owned */
    size_t num_ids;
};

static enum status token_pick_one(void *user, struct bytes key, struct bytes value,
                                  struct failure *why)
{
    struct token_pick *pick = user;
    struct token token;
    bool wanted;

    (void)key;
    TRY(token_read(value, &token, why));
    wanted = pick->entry.len > 0 ? bytes_equal_text(pick->entry, token.entry)
                                 : token.expires_at < pick->now - TOKEN_KEEP_S;
    if (wanted) {
        pick->ids = memory_grow(pick->ids, (pick->num_ids + 1) * sizeof *pick->ids);
        memcpy(pick->ids[pick->num_ids++], token.id, sizeof token.id);
    }
    return STATUS_OK;
}

static enum status token_remove_picked(struct store *store, void *user, struct failure *why)
{
    struct token_pick *pick = user;
    enum status status = store_list(store, bytes_of("token/"), token_pick_one, pick, why);

    for (size_t i = 0; status == STATUS_OK && i < pick->num_ids; i++) {
        status = token_remove(store, pick->ids[i], why);
    }
    free(pick->ids);
    pick->ids = NULL;
    return status;
}

enum status token_revoke_all(struct store *store, struct bytes entry, struct failure *why)
{
    struct token_pick pick = {.entry = entry};

    return token_remove_picked(store, &pick, why);
}

enum status token_sweep(struct registry *registry, int64_t now, struct failure *why)
{
    struct token_pick pick = {.now = now};

    return store_change(registry->store, token_remove_picked, &pick, why);
}

struct token_walk {
    token_visit_fn visit;
    void *user;
};

static enum status token_visit(void *user, struct bytes key, struct bytes value,
                               struct failure *why)
{
    const struct token_walk *walk = user;
    struct token token;

    (void)key;
    TRY(token_read(value, &token, why));
    return walk->visit(walk->user, &token, why);
}

enum status token_list(struct registry *registry, token_visit_fn visit, void *user,
                       struct failure *why)
{
    struct token_walk walk = {.visit = visit, .user = user};

    return store_list(registry->store, bytes_of("token/"), token_visit, &walk, why);
}
