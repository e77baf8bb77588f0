/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/token_use.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control/registry/record.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"

enum token_use_tag {
    TOKEN_USE_TAG_NUMBER = 1,
    TOKEN_USE_TAG_AT,
    TOKEN_USE_TAG_PROCESS,
    TOKEN_USE_TAG_ENDED,
};

struct token_use_key {
    char text[8 + TOKEN_ID_SIZE + 2 * DIGEST_LEN];
};

/* With `key` NULL it is the prefix of all of the token's uses. */
static struct bytes token_use_key_of(struct token_use_key *out, const char *id,
                                     const struct digest *key)
{
    char hex[2 * DIGEST_LEN + 1] = "";

    if (key != NULL) {
        bytes_to_hex(digest_bytes(key), hex);
    }
    (void)snprintf(out->text, sizeof out->text, "use/%s/%s", id, hex);
    return bytes_of(out->text);
}

void token_use_encode(const struct token_use_record *use, struct buffer *out_record)
{
    record_begin(out_record);
    record_add_number(out_record, TOKEN_USE_TAG_NUMBER, use->number);
    record_add_number(out_record, TOKEN_USE_TAG_AT, use->used_at);
    record_add(out_record, TOKEN_USE_TAG_PROCESS, digest_bytes(&use->process));
    record_add_number(out_record, TOKEN_USE_TAG_ENDED, use->ended);
}

static enum status token_use_write(struct store *store, struct bytes key,
                                   const struct token_use_record *use, struct failure *why)
{
    CLEARED(buffer) record = {0};

    token_use_encode(use, &record);
    return store_put(store, key, buffer_bytes(&record), why);
}

static enum status token_use_read_field(const struct record_field *field,
                                        struct token_use_record *use, struct failure *why)
{
    switch (field->tag) {
    case TOKEN_USE_TAG_NUMBER:
        return record_number(field, &use->number, why);
    case TOKEN_USE_TAG_AT:
        return record_number(field, &use->used_at, why);
    case TOKEN_USE_TAG_PROCESS:
        if (field->content.len != DIGEST_LEN) {
            return fail(why, STATUS_PROTOCOL, "token/record", "a process is no digest");
        }
        memcpy(use->process.at, field->content.at, DIGEST_LEN);
        return STATUS_OK;
    case TOKEN_USE_TAG_ENDED:
        return record_number(field, &use->ended, why);
    default:
        return STATUS_OK; /* of a newer program */
    }
}

enum status token_use_decode(struct bytes record, struct token_use_record *out_use,
                             struct failure *why)
{
    struct token_use_record use = {0};
    struct record_field field = {0};
    struct bytes rest;
    enum status status;

    TRY(record_open(record, &rest, why));
    while ((status = record_next(&rest, &field, why)) == STATUS_OK) {
        TRY(token_use_read_field(&field, &use, why));
    }
    if (status != STATUS_CLOSED) {
        return status;
    }
    if (use.number < 1 || use.number > TOKEN_USES_MAX || use.ended < 0 || use.ended > 1) {
        return fail(why, STATUS_PROTOCOL, "token/record", "use %lld is out of range",
                    (long long)use.number);
    }
    *out_use = use;
    return STATUS_OK;
}

static enum status token_use_read(struct bytes record, struct token_use_record *out_use,
                                  struct failure *why)
{
    struct failure inner = {0};

    if (token_use_decode(record, out_use, &inner) != STATUS_OK) {
        return fail(why, STATUS_IO, "store/damaged", "a token's use does not read: %s: %s",
                    inner.reason, inner.detail);
    }
    return STATUS_OK;
}

/* The first use has the token's own name, as it had when there was but one. */
static void token_use_name(const struct token *token, int64_t number,
                           char out[TOKEN_INSTANCE_SIZE])
{
    if (number == 1) {
        (void)snprintf(out, TOKEN_INSTANCE_SIZE, "%s", token->id);
    } else {
        (void)snprintf(out, TOKEN_INSTANCE_SIZE, "%s-%d", token->id, (int)number);
    }
}

/* The token that was shown, if we know it. */
static enum status token_use_find(struct store *store, const struct token_shown *shown,
                                  struct token *out_token, struct failure *why)
{
    char id[TOKEN_ID_SIZE];
    struct digest hash;
    struct token token;
    enum status status;

    if (!token_identify(shown->text, id, &hash)) {
        return fail(why, STATUS_UNTRUSTED, "bootstrap/token-form",
                    "what was shown (%zu bytes) is not a join token", shown->text.len);
    }
    status = token_get(store, id, &token, why);
    if (status == STATUS_NOT_FOUND ||
        (status == STATUS_OK && !digest_equal(&token.hash, &hash))) {
        return fail(why, STATUS_UNTRUSTED, "bootstrap/token-unknown",
                    "token %s is not known here: never made, withdrawn (with its entry, perhaps), "
                    "or ended long ago; `signet token create` makes another",
                    id);
    }
    TRY(status);
    *out_token = token;
    return STATUS_OK;
}

static enum status token_use_check_address(const struct token *token, const struct ip *address,
                                           struct failure *why)
{
    char text[IP_TEXT_MAX];

    if (token->num_from == 0) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < token->num_from; i++) {
        if (ip_block_has(&token->from[i], address)) {
            return STATUS_OK;
        }
    }
    ip_print(address, text);
    return fail(why, STATUS_UNTRUSTED, "bootstrap/token-address",
                "token %s may not be used from %s; no use of it was spent (its --from: see `signet "
                "token list`)",
                token->id, text);
}

static enum status token_use_check_time(const struct token *token, int64_t now, struct failure *why)
{
    if (now >= token->expires_at) {
        return fail(why, STATUS_UNTRUSTED, "bootstrap/token-expired",
                    "token %s ended at %s, the control plane's clock says %s; make another with "
                    "`signet token create --entry %s --out FILE`",
                    token->id, clock_utc(token->expires_at).text, clock_utc(now).text,
                    token->entry);
    }
    return STATUS_OK;
}

static enum status token_use_check_left(const struct token *token, struct failure *why)
{
    if (token_uses_left(token) > 0) {
        return STATUS_OK;
    }
    if (token->uses == 1) {
        return fail(why, STATUS_UNTRUSTED, "bootstrap/token-used",
                    "this token was used by an earlier start of this workload; make another with "
                    "`signet token create --entry %s --out FILE`",
                    token->entry);
    }
    return fail(why, STATUS_UNTRUSTED, "bootstrap/token-used",
                "all %u uses of this token were spent by earlier starts of this workload; make "
                "another with `signet token create --entry %s --uses N --out FILE`",
                token->uses, token->entry);
}

/* The use that this key has: may it go on? */
static enum status token_use_repeat(const struct token_use_record *use, struct token_use *out,
                                    int64_t now, struct failure *why)
{
    if (use->ended != 0) {
        return fail(why, STATUS_UNTRUSTED, "bootstrap/key-renewed",
                    "the workload that began with this key has renewed its certificate since: a "
                    "new start needs a new key");
    }
    TRY(token_use_check_time(&out->token, now, why));
    token_use_name(&out->token, use->number, out->instance);
    out->repeated = true;
    return STATUS_OK;
}

struct token_use_search {
    const struct digest *process;
    bool found;
};

static enum status token_use_look(void *user, struct bytes key, struct bytes value,
                                  struct failure *why)
{
    struct token_use_search *search = user;
    struct token_use_record use;

    (void)key;
    TRY(token_use_read(value, &use, why));
    search->found = search->found || digest_equal(&use.process, search->process);
    return STATUS_OK;
}

/* I7: has this process spent a use before, with another key? */
static enum status token_use_check_process(struct store *store, const struct token_shown *shown,
                                           struct token_use *out, struct failure *why)
{
    static const struct digest nobody;
    struct token_use_search search = {.process = &shown->process};
    struct token_use_key prefix;

    if (digest_equal(&shown->process, &nobody)) {
        return STATUS_OK;
    }
    TRY(store_list(store, token_use_key_of(&prefix, out->token.id, NULL), token_use_look, &search,
                   why));
    out->second_key = search.found;
    return STATUS_OK;
}

/* A use for a key that has none. */
static enum status token_use_spend(struct store *store, const struct token_shown *shown,
                                   struct token_use *out, struct failure *why)
{
    struct token_use_record use = {.used_at = shown->now, .process = shown->process};
    struct token *token = &out->token;
    struct token_use_key key;

    TRY(token_use_check_left(token, why));
    TRY(token_use_check_time(token, shown->now, why));
    TRY(token_use_check_process(store, shown, out, why));
    token->num_used++;
    token->used_at = shown->now;
    token->key = shown->key;
    use.number = token->num_used;
    TRY(token_put(store, token, why));
    token_use_name(token, use.number, out->instance);
    return token_use_write(store, token_use_key_of(&key, token->id, &shown->key), &use, why);
}

enum status token_redeem(struct store *store, const struct token_shown *shown,
                         struct token_use *out_use, struct failure *why)
{
    CLEARED(buffer) record = {.max = RECORD_MAX};
    struct token_use_record use;
    struct token_use made = {0};
    struct token_use_key key;
    enum status status;

    TRY(token_use_find(store, shown, &made.token, why));
    TRY(token_use_check_address(&made.token, &shown->address, why));
    status = store_get(store, token_use_key_of(&key, made.token.id, &shown->key), &record, NULL,
                       why);
    if (status == STATUS_NOT_FOUND) {
        TRY(token_use_spend(store, shown, &made, why));
    } else {
        TRY(status);
        TRY(token_use_read(buffer_bytes(&record), &use, why));
        TRY(token_use_repeat(&use, &made, shown->now, why));
    }
    *out_use = made;
    return STATUS_OK;
}

enum status token_use_end(struct store *store, const char *token_id, const struct digest *key,
                          struct failure *why)
{
    CLEARED(buffer) record = {.max = RECORD_MAX};
    struct token_use_record use;
    struct token_use_key at;
    enum status status =
        store_get(store, token_use_key_of(&at, token_id, key), &record, NULL, why);

    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    TRY(status);
    TRY(token_use_read(buffer_bytes(&record), &use, why));
    use.ended = 1;
    return token_use_write(store, token_use_key_of(&at, token_id, key), &use, why);
}

/* The keys of a token's uses; a list must not change the store while it walks. */
struct token_use_pick {
    struct token_use_key *keys; /* owned */
    size_t num_keys;
};

static enum status token_use_pick_one(void *user, struct bytes key, struct bytes value,
                                      struct failure *why)
{
    struct token_use_pick *pick = user;
    struct token_use_key *at;

    (void)value;
    (void)why;
    pick->keys = memory_grow(pick->keys, (pick->num_keys + 1) * sizeof *pick->keys);
    at = &pick->keys[pick->num_keys++];
    (void)snprintf(at->text, sizeof at->text, "%.*s", (int)key.len, (const char *)key.at);
    return STATUS_OK;
}

enum status token_use_forget_all(struct store *store, const char *token_id, struct failure *why)
{
    struct token_use_pick pick = {0};
    struct token_use_key prefix;
    enum status status = store_list(store, token_use_key_of(&prefix, token_id, NULL),
                                    token_use_pick_one, &pick, why);

    for (size_t i = 0; status == STATUS_OK && i < pick.num_keys; i++) {
        status = store_remove(store, bytes_of(pick.keys[i].text), why);
    }
    free(pick.keys);
    return status;
}
