/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control/registry/record.h"
#include "core/runtime/base/memory.h"

#define TOKEN_PREFIX "sgt_"
#define TOKEN_SECRET_LEN 32
#define TOKEN_ID_BYTES 8
#define TOKEN_DRAWS 4 /* for an id that is free; one is enough for ever */

enum token_tag {
    TOKEN_TAG_HASH = 1,
    TOKEN_TAG_ENTRY,
    TOKEN_TAG_CREATED,
    TOKEN_TAG_EXPIRES,
    TOKEN_TAG_USED,
    TOKEN_TAG_KEY,
};

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

void token_encode(const struct token *token, struct buffer *out_record)
{
    record_begin(out_record);
    record_add(out_record, TOKEN_TAG_HASH, digest_bytes(&token->hash));
    record_add(out_record, TOKEN_TAG_ENTRY, bytes_of(token->entry));
    record_add_number(out_record, TOKEN_TAG_CREATED, token->created_at);
    record_add_number(out_record, TOKEN_TAG_EXPIRES, token->expires_at);
    if (token->used_at != 0) {
        record_add_number(out_record, TOKEN_TAG_USED, token->used_at);
        record_add(out_record, TOKEN_TAG_KEY, digest_bytes(&token->key));
    }
}

static enum status token_decode_digest(const struct record_field *field, struct digest *out_digest,
                                       struct failure *why)
{
    if (field->content.len != DIGEST_LEN) {
        return fail(why, STATUS_PROTOCOL, "token/record", "field %d is no digest", field->tag);
    }
    memcpy(out_digest->at, field->content.at, DIGEST_LEN);
    return STATUS_OK;
}

static enum status token_decode_field(const struct record_field *field, struct token *token,
                                      struct failure *why)
{
    switch (field->tag) {
    case TOKEN_TAG_HASH:
        TRY(token_decode_digest(field, &token->hash, why));
        bytes_to_hex(bytes_make(token->hash.at, TOKEN_ID_BYTES), token->id);
        return STATUS_OK;
    case TOKEN_TAG_ENTRY:
        return record_text(field, token->entry, sizeof token->entry, why);
    case TOKEN_TAG_CREATED:
        return record_number(field, &token->created_at, why);
    case TOKEN_TAG_EXPIRES:
        return record_number(field, &token->expires_at, why);
    case TOKEN_TAG_USED:
        return record_number(field, &token->used_at, why);
    case TOKEN_TAG_KEY:
        return token_decode_digest(field, &token->key, why);
    default:
        return STATUS_OK; /* of a newer program */
    }
}

enum status token_decode(struct bytes record, struct token *out_token, struct failure *why)
{
    struct token token = {0};
    struct record_field field = {0};
    struct bytes rest;
    bool has_key = false;
    enum status status;

    TRY(record_open(record, &rest, why));
    while ((status = record_next(&rest, &field, why)) == STATUS_OK) {
        TRY(token_decode_field(&field, &token, why));
        has_key = has_key || field.tag == TOKEN_TAG_KEY;
    }
    if (status != STATUS_CLOSED) {
        return status;
    }
    if (token.id[0] == '\0' || token.entry[0] == '\0' || has_key != (token.used_at != 0)) {
        return fail(why, STATUS_PROTOCOL, "token/record", "a token lacks a part");
    }
    *out_token = token;
    return STATUS_OK;
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

enum status token_create(struct registry *registry, const struct token_order *order,
                         struct secret *out_text, struct token *out_token, struct failure *why)
{
    struct token_job job = {
        .registry = registry,
        .token = {.created_at = order->now, .expires_at = order->now + order->life_s}};
    struct entry known;
    enum status status = STATUS_OK;

    if (order->life_s < TOKEN_LIFE_MIN_S || order->life_s > TOKEN_LIFE_MAX_S) {
        return fail(why, STATUS_CONFIG, "token/life", "a token lives %d to %d s, not %lld",
                    TOKEN_LIFE_MIN_S, TOKEN_LIFE_MAX_S, (long long)order->life_s);
    }
    TRY(entry_get(registry, order->entry, &known, why));
    memcpy(job.token.entry, known.name, sizeof known.name);
    for (int draw = 0; draw < TOKEN_DRAWS; draw++) {
        uint8_t secret[TOKEN_SECRET_LEN];
        char text[TOKEN_TEXT_LEN + 1];
        struct digest hash;

        digest_draw(secret, sizeof secret);
        hash = digest_of(bytes_make(secret, sizeof secret));
        token_name(&job.token, &hash);
        status = store_change(registry->store, token_store, &job, why);
        if (status == STATUS_OK) {
            token_print(secret, text);
            secret_set(out_text, bytes_make(text, TOKEN_TEXT_LEN));
        }
        memory_wipe(secret, sizeof secret);
        memory_wipe(text, sizeof text);
        if (status != STATUS_DENIED) {
            break;
        }
    }
    if (status == STATUS_OK && out_token != NULL) {
        *out_token = job.token;
    }
    return status;
}

/* The rule of a token that is known: unused and in time, or used by the same key a moment ago. */
static enum status token_judge(const struct token *token, const struct digest *key, int64_t now,
                               struct failure *why)
{
    if (token->used_at != 0) {
        if (digest_equal(&token->key, key) && now >= token->used_at &&
            now - token->used_at <= TOKEN_REPEAT_S) {
            return STATUS_OK;
        }
        return fail(why, STATUS_UNTRUSTED, "bootstrap/token-used",
                    "token %s was used %lld s ago%s; each workload needs one of its own", token->id,
                    (long long)(now - token->used_at),
                    digest_equal(&token->key, key) ? "" : " with another key");
    }
    if (now >= token->expires_at) {
        return fail(why, STATUS_UNTRUSTED, "bootstrap/token-expired", "token %s expired %lld s ago",
                    token->id, (long long)(now - token->expires_at));
    }
    return STATUS_OK;
}

enum status token_redeem(struct store *store, struct bytes text, const struct digest *key,
                         int64_t now, struct token *out_token, struct failure *why)
{
    CLEARED(buffer) record = {.max = RECORD_MAX};
    CLEARED(buffer) changed = {0};
    uint8_t secret[TOKEN_SECRET_LEN];
    struct token presented = {0};
    struct token token;
    struct token_key at;
    struct digest hash;
    enum status status;

    if (!token_scan(text, secret)) {
        return fail(why, STATUS_UNTRUSTED, "bootstrap/token-form",
                    "what was shown (%zu bytes) is not a join token", text.len);
    }
    hash = digest_of(bytes_make(secret, sizeof secret));
    memory_wipe(secret, sizeof secret);
    token_name(&presented, &hash);
    status = store_get(store, token_key_of(&at, presented.id), &record, NULL, why);
    if (status == STATUS_OK) {
        TRY(token_read(buffer_bytes(&record), &token, why));
    }
    if (status == STATUS_NOT_FOUND ||
        (status == STATUS_OK && !digest_equal(&token.hash, &presented.hash))) {
        return fail(why, STATUS_UNTRUSTED, "bootstrap/token-unknown",
                    "token %s is not known here: never made, withdrawn, or used long ago",
                    presented.id);
    }
    TRY(status);
    TRY(token_judge(&token, key, now, why));
    if (token.used_at == 0) {
        token.used_at = now;
        token.key = *key;
        token_encode(&token, &changed);
        TRY(store_put(store, token_key_of(&at, token.id), buffer_bytes(&changed), why));
    }
    *out_token = token;
    return STATUS_OK;
}

enum status token_revoke(struct registry *registry, struct bytes id, struct failure *why)
{
    struct token_key key;
    uint8_t digits[TOKEN_ID_BYTES];
    char clean[TOKEN_ID_SIZE];
    enum status status = STATUS_NOT_FOUND;

    if (bytes_from_hex(id, digits, sizeof digits)) {
        bytes_to_hex(bytes_make(digits, sizeof digits), clean);
        status = store_remove(registry->store, token_key_of(&key, clean), why);
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
    if (pick->entry.len > 0) {
        wanted = bytes_equal_text(pick->entry, token.entry);
    } else {
        int64_t over_at = token.used_at != 0 ? token.used_at : token.expires_at;

        wanted = over_at < pick->now - TOKEN_KEEP_S;
    }
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
        struct token_key key;

        status = store_remove(store, token_key_of(&key, pick->ids[i]), why);
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
