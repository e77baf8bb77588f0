/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Join tokens: what a workload shows to get its first certificate. 256 random bits as text,
 * "sgt_" and 43 characters of base64url; single use, expiring, bound to one entry.
 *
 * Only the SHA-256 of a token is stored, under the first 8 bytes of it in hex: that is the token's
 * id, which logs and operators may see. A used or expired token is kept for a day, so that a second
 * try is told what happened, then swept.
 *
 * One thread at a time, that of the store's handle. Invariants I6 and I21.
 */
#ifndef SIGNET_CORE_CONTROL_REGISTRY_TOKEN_H
#define SIGNET_CORE_CONTROL_REGISTRY_TOKEN_H

#include "core/control/registry/digest.h"
#include "core/control/registry/entry.h"
#include "core/runtime/base/secret.h"

#define TOKEN_TEXT_LEN 47 /* "sgt_" and 43 characters */
#define TOKEN_MAX 16384   /* bytes of a token of any kind that we read from a peer */
#define TOKEN_ID_SIZE 17  /* 16 hex digits and a NUL */
#define TOKEN_LIFE_MIN_S 1
#define TOKEN_LIFE_MAX_S (30 * 24 * 3600)
#define TOKEN_REPEAT_S 60        /* the same key may ask again: its reply may have been lost */
#define TOKEN_KEEP_S (24 * 3600) /* after use or expiry, for its reason word */
#define TOKENS_MAX 100000

/* What is stored of a token. */
struct token {
    char id[TOKEN_ID_SIZE];
    struct digest hash;
    char entry[ENTRY_NAME_MAX + 1];
    int64_t created_at; /* Unix s */
    int64_t expires_at; /* Unix s */
    int64_t used_at;    /* Unix s; 0: not yet */
    struct digest key;  /* of the public key that it was redeemed for; zero while not used */
};

/* What token_create() is asked for. */
struct token_order {
    struct bytes entry; /* its name; borrowed for the call */
    int64_t life_s;     /* from `now` on */
    int64_t now;        /* Unix s */
};

/*
 * token_create makes a token for an entry.
 *
 *   out_text   the token itself: nobody can get it a second time
 *   out_token  what was stored of it; may be NULL
 *
 * STATUS_NOT_FOUND "entry/unknown"; STATUS_CONFIG "token/life"; STATUS_LIMIT "token/too-many";
 * "store/…"
 */
enum status token_create(struct registry *registry, const struct token_order *order,
                         struct secret *out_text, struct token *out_token,
                         struct failure *why) MUST_USE;

/*
 * token_redeem uses up a token for the public key whose digest is `key`. It must run within
 * store_change(): the token is used when that commits, and only then. The same token with the same
 * key is accepted again for TOKEN_REPEAT_S after its first use.
 *
 *   out_token  as stored now; its entry is the one that the bearer may be
 *
 * STATUS_UNTRUSTED "bootstrap/token-form", "bootstrap/token-unknown", "bootstrap/token-expired",
 * "bootstrap/token-used"; "store/…"
 */
enum status token_redeem(struct store *store, struct bytes text, const struct digest *key,
                         int64_t now, struct token *out_token, struct failure *why) MUST_USE;

/* token_revoke takes a token out by its id. STATUS_NOT_FOUND "token/unknown". */
enum status token_revoke(struct registry *registry, struct bytes id, struct failure *why) MUST_USE;

/* token_revoke_all takes out every token of an entry; for use within store_change(). */
enum status token_revoke_all(struct store *store, struct bytes entry, struct failure *why) MUST_USE;

/* token_sweep forgets tokens used or expired more than TOKEN_KEEP_S before `now`. */
enum status token_sweep(struct registry *registry, int64_t now, struct failure *why) MUST_USE;

/* What token_list() does with each token, borrowed for the call; it may not use the store. */
typedef enum status (*token_visit_fn)(void *user, const struct token *token, struct failure *why);

/* token_list visits all tokens in the order of their ids; ends as store_list() does. */
enum status token_list(struct registry *registry, token_visit_fn visit, void *user,
                       struct failure *why) MUST_USE;

/*
 * token_encode writes a token's record; token_decode reads it.
 * STATUS_PROTOCOL "record/…", "token/record".
 */
void token_encode(const struct token *token, struct buffer *out_record);
enum status token_decode(struct bytes record, struct token *out_token,
                         struct failure *why) MUST_USE;

#endif
