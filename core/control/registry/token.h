/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Join tokens: what a workload shows to get its first certificate. 256 random bits as text, "sgt_" and
 * 43 characters of base64url; bound to one entry, expiring, made for a number of uses (one unless
 * said), and perhaps good from some addresses only.
 *
 * Only the SHA-256 of a token is stored, under the first 8 bytes of it in hex: that is the token's id,
 * which logs and operators may see. It is kept until a day after its end, so that a late try is told
 * what happened, then swept.
 *
 * Elsewhere: using one (token_use.h). One thread at a time, that of the store's handle. Invariants I6
 * and I21.
 */
#ifndef SIGNET_CORE_CONTROL_REGISTRY_TOKEN_H
#define SIGNET_CORE_CONTROL_REGISTRY_TOKEN_H

#include "core/control/registry/digest.h"
#include "core/control/registry/entry.h"
#include "core/runtime/base/ip.h"
#include "core/runtime/base/secret.h"

#define TOKEN_TEXT_LEN 47 /* "sgt_" and 43 characters */
#define TOKEN_MAX 16384   /* bytes of a token of any kind that we read from a peer */
#define TOKEN_ID_SIZE 17  /* 16 hex digits and a NUL */
#define TOKEN_LIFE_MIN_S 1
#define TOKEN_LIFE_MAX_S (366 * 24 * 3600)
#define TOKEN_USES_MAX 10000
#define TOKEN_FROM_MAX 16        /* blocks of addresses */
#define TOKEN_KEEP_S (24 * 3600) /* after its end, for its reason word */
#define TOKENS_MAX 100000

/* What is stored of a token. */
struct token {
    char id[TOKEN_ID_SIZE];
    struct digest hash;
    char entry[ENTRY_NAME_MAX + 1];
    int64_t created_at; /* Unix s */
    int64_t expires_at; /* Unix s */
    int64_t used_at;    /* Unix s: its latest use; 0: not yet */
    struct digest key;  /* of the public key of its latest use; zero while not used */
    uint32_t uses;      /* how many it was made for, 1 to TOKEN_USES_MAX */
    uint32_t num_used;  /* of them; each has a record of its own: token_use.h */
    struct ip_block from[TOKEN_FROM_MAX]; /* where it may be used from */
    size_t num_from;                      /* 0: from everywhere */
};

/* What token_create() is asked for. */
struct token_order {
    struct bytes entry;          /* its name; borrowed for the call */
    int64_t life_s;              /* from `now` on */
    int64_t now;                 /* Unix s */
    uint32_t uses;               /* 0: one */
    const struct ip_block *from; /* borrowed for the call */
    size_t num_from;             /* 0: from everywhere */
};

/*
 * token_create makes a token for an entry.
 *
 *   out_text   the token itself: nobody can get it a second time
 *   out_token  what was stored of it; may be NULL
 *
 * STATUS_NOT_FOUND "entry/unknown"; STATUS_CONFIG "token/life", "token/uses", "token/from" (more than
 * TOKEN_FROM_MAX blocks); STATUS_LIMIT "token/too-many"; "store/…"
 */
enum status token_create(struct registry *registry, const struct token_order *order,
                         struct secret *out_text, struct token *out_token,
                         struct failure *why) MUST_USE;

/*
 * token_identify tells the id and the hash of a token as it was shown; false when it is none at all.
 * It may not be known here.
 */
bool token_identify(struct bytes text, char out_id[TOKEN_ID_SIZE], struct digest *out_hash);

/* token_uses_left is how many uses are left, whatever its end. */
uint32_t token_uses_left(const struct token *token);

/* token_is_open tells whether a workload can still begin with it at `now`: a use left, and time. */
bool token_is_open(const struct token *token, int64_t now);

/* token_get reads one by its id. STATUS_NOT_FOUND "token/unknown"; STATUS_IO "store/…". */
enum status token_get(struct store *store, const char *id, struct token *out_token,
                      struct failure *why) MUST_USE;

/* token_put writes one that was changed; for use within store_change(). "store/…". */
enum status token_put(struct store *store, const struct token *token,
                      struct failure *why) MUST_USE;

/*
 * token_revoke takes a token out by its id: no workload begins with it any more, and no key repeats.
 * STATUS_NOT_FOUND "token/unknown".
 */
enum status token_revoke(struct registry *registry, struct bytes id, struct failure *why) MUST_USE;

/* token_revoke_all takes out every token of an entry; for use within store_change(). */
enum status token_revoke_all(struct store *store, struct bytes entry, struct failure *why) MUST_USE;

/* token_sweep forgets tokens that ended more than TOKEN_KEEP_S before `now`, used or not. */
enum status token_sweep(struct registry *registry, int64_t now, struct failure *why) MUST_USE;

/* What token_list() does with each token, borrowed for the call; it may not use the store. */
typedef enum status (*token_visit_fn)(void *user, const struct token *token, struct failure *why);

/* token_list visits all tokens in the order of their ids; ends as store_list() does. */
enum status token_list(struct registry *registry, token_visit_fn visit, void *user,
                       struct failure *why) MUST_USE;

/*
 * token_encode writes a token's record; token_decode reads it, also one of a version whose tokens were
 * good once. STATUS_PROTOCOL "record/…", "token/record".
 */
void token_encode(const struct token *token, struct buffer *out_record);
enum status token_decode(struct bytes record, struct token *out_token,
                         struct failure *why) MUST_USE;

#endif
