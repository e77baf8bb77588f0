/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uses of a join token: each binds one public key, and begins an instance of its own.
 *
 * The key that a use is bound to may ask again, free of charge, until its instance has renewed or the
 * token ends: whatever went wrong after the redemption (a lost reply, a full disk, a crash of ours), a
 * token that is spent is a certificate that can be got. Another key is another use, also of the same
 * process. Whoever has the key of a use could have had the certificate anyway, so that the repetition
 * gives a thief of the token nothing.
 *
 * Keys: "use/TOKEN_ID/SHA-256 of the public key in hex". A use is remembered as long as its token is.
 * All functions run within store_change(). Invariants I6 and I7.
 */
#ifndef SIGNET_CORE_CONTROL_REGISTRY_TOKEN_USE_H
#define SIGNET_CORE_CONTROL_REGISTRY_TOKEN_USE_H

#include "core/control/registry/token.h"

#define TOKEN_INSTANCE_SIZE 24 /* "TOKEN_ID", "TOKEN_ID-2", … and a NUL */

/* A token as it was shown, and by whom. */
struct token_shown {
    struct bytes text;     /* borrowed; as it came */
    struct digest key;     /* of the new public key: SHA-256 of its SPKI */
    struct digest process; /* of what the caller's process calls itself; zero: nothing */
    struct ip address;     /* where the caller is; zero: not known */
    int64_t now;           /* Unix s */
};

/* What a redemption came to. */
struct token_use {
    struct token token;                 /* as it is stored now */
    char instance[TOKEN_INSTANCE_SIZE]; /* the name of the instance that the use began */
    bool repeated;                      /* the key had this use already: nothing was spent */
    bool second_key; /* the same process has spent a use with another key before (I7) */
};

/* What is stored of one use; its public key is in the store's key. */
struct token_use_record {
    int64_t number;        /* 1, 2, … in the order of use */
    int64_t used_at;       /* Unix s */
    struct digest process; /* as in struct token_shown */
    int64_t ended;         /* 1: its instance has renewed; else 0 */
};

/*
 * token_redeem uses a token once for `shown->key`, or finds the use that this key has. What it changes
 * holds when the transaction commits, and only then.
 *
 * STATUS_UNTRUSTED
 *   "bootstrap/token-form"     not a token
 *   "bootstrap/token-unknown"  never made, withdrawn, or ended long ago
 *   "bootstrap/token-address"  the caller is not where the token may be used from
 *   "bootstrap/key-renewed"    the instance of this key has renewed: its next start needs a new key
 *   "bootstrap/token-used"     no use is left
 *   "bootstrap/token-expired"  its time is over
 * and "store/…".
 */
enum status token_redeem(struct store *store, const struct token_shown *shown,
                         struct token_use *out_use, struct failure *why) MUST_USE;

/*
 * token_use_end says that the instance which began with this use has renewed: `key` may not ask with
 * the token again. A use that is not known any more is fine.
 */
enum status token_use_end(struct store *store, const char *token_id, const struct digest *key,
                          struct failure *why) MUST_USE;

/* token_use_forget_all forgets the uses of a token that goes. */
enum status token_use_forget_all(struct store *store, const char *token_id,
                                 struct failure *why) MUST_USE;

/*
 * token_use_encode writes the record of a use; token_use_decode reads it. Pure.
 * STATUS_PROTOCOL "record/…", "token/record".
 */
void token_use_encode(const struct token_use_record *use, struct buffer *out_record);
enum status token_use_decode(struct bytes record, struct token_use_record *out_use,
                             struct failure *why) MUST_USE;

#endif
