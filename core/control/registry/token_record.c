/* SPDX-License-Identifier: Apache-2.0 */
/* How a token is written into the store, and read again. Pure. */
#include <string.h>

#include "core/control/registry/record.h"
#include "core/control/registry/token.h"

enum token_tag {
    TOKEN_TAG_HASH = 1,
    TOKEN_TAG_ENTRY,
    TOKEN_TAG_CREATED,
    TOKEN_TAG_EXPIRES,
    TOKEN_TAG_USED,
    TOKEN_TAG_KEY,
    TOKEN_TAG_USES,
    TOKEN_TAG_NUM_USED,
    TOKEN_TAG_FROM,
};

/* A block as a record has it: its 16 bytes, then how many bits of them count. */
#define TOKEN_BLOCK_LEN 17

static void token_encode_from(const struct token *token, struct buffer *out_record)
{
    uint8_t blocks[TOKEN_FROM_MAX * TOKEN_BLOCK_LEN];

    for (size_t i = 0; i < token->num_from; i++) {
        memcpy(blocks + i * TOKEN_BLOCK_LEN, token->from[i].ip.at, TOKEN_BLOCK_LEN - 1);
        blocks[i * TOKEN_BLOCK_LEN + TOKEN_BLOCK_LEN - 1] = token->from[i].bits;
    }
    record_add(out_record, TOKEN_TAG_FROM, bytes_make(blocks, token->num_from * TOKEN_BLOCK_LEN));
}

/* An older version that reads it takes a token of which anything was used for used up. */
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
    record_add_number(out_record, TOKEN_TAG_USES, token->uses);
    record_add_number(out_record, TOKEN_TAG_NUM_USED, token->num_used);
    if (token->num_from > 0) {
        token_encode_from(token, out_record);
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

static enum status token_decode_count(const struct record_field *field, int64_t least,
                                      uint32_t *out_count, struct failure *why)
{
    int64_t number = 0;

    TRY(record_number(field, &number, why));
    if (number < least || number > TOKEN_USES_MAX) {
        return fail(why, STATUS_PROTOCOL, "token/record", "field %d is out of range", field->tag);
    }
    *out_count = (uint32_t)number;
    return STATUS_OK;
}

static enum status token_decode_from(const struct record_field *field, struct token *token,
                                     struct failure *why)
{
    size_t count = field->content.len / TOKEN_BLOCK_LEN;

    if (count == 0 || count > TOKEN_FROM_MAX || field->content.len % TOKEN_BLOCK_LEN != 0) {
        return fail(why, STATUS_PROTOCOL, "token/record", "field %d has %zu bytes", field->tag,
                    field->content.len);
    }
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = field->content.at + i * TOKEN_BLOCK_LEN;

        memcpy(token->from[i].ip.at, at, TOKEN_BLOCK_LEN - 1);
        token->from[i].bits = at[TOKEN_BLOCK_LEN - 1];
        if (token->from[i].bits > 128) {
            return fail(why, STATUS_PROTOCOL, "token/record", "a block of %d bits",
                        token->from[i].bits);
        }
    }
    token->num_from = count;
    return STATUS_OK;
}

static enum status token_decode_field(const struct record_field *field, struct token *token,
                                      struct failure *why)
{
    switch (field->tag) {
    case TOKEN_TAG_HASH:
        TRY(token_decode_digest(field, &token->hash, why));
        bytes_to_hex(bytes_make(token->hash.at, TOKEN_ID_SIZE / 2), token->id);
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
    case TOKEN_TAG_USES:
        return token_decode_count(field, 1, &token->uses, why);
    case TOKEN_TAG_NUM_USED:
        return token_decode_count(field, 0, &token->num_used, why);
    case TOKEN_TAG_FROM:
        return token_decode_from(field, token, why);
    default:
        return STATUS_OK; /* of a newer program */
    }
}

/* Before there were uses to count, a token was good once. */
static void token_fill_in(struct token *token, bool has_count)
{
    if (token->uses == 0) {
        token->uses = 1;
    }
    if (!has_count) {
        token->num_used = token->used_at != 0 ? 1 : 0;
    }
}

enum status token_decode(struct bytes record, struct token *out_token, struct failure *why)
{
    struct token token = {0};
    struct record_field field = {0};
    struct bytes rest;
    bool has_key = false;
    bool has_count = false;
    enum status status;

    TRY(record_open(record, &rest, why));
    while ((status = record_next(&rest, &field, why)) == STATUS_OK) {
        TRY(token_decode_field(&field, &token, why));
        has_key = has_key || field.tag == TOKEN_TAG_KEY;
        has_count = has_count || field.tag == TOKEN_TAG_NUM_USED;
    }
    if (status != STATUS_CLOSED) {
        return status;
    }
    token_fill_in(&token, has_count);
    if (token.id[0] == '\0' || token.entry[0] == '\0' || has_key != (token.used_at != 0) ||
        (token.num_used > 0) != has_key || token.num_used > token.uses) {
        return fail(why, STATUS_PROTOCOL, "token/record", "a token lacks a part");
    }
    *out_token = token;
    return STATUS_OK;
}
