/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signer: something that holds an authority's private key and signs bytes with it. The key itself
 * never comes out, so that one kind may keep it in a file (signer_disk.c) and another in a token.
 *
 * One thread at a time. Elsewhere: what is signed (sign.h), who decides (authority.h).
 */
#ifndef SIGNET_CORE_CONTROL_CA_SIGNER_H
#define SIGNET_CORE_CONTROL_CA_SIGNER_H

#include "core/runtime/base/buffer.h"
#include "core/trust/identity/public_key.h"

struct signer;

/* What a kind of signer can do. */
struct signer_kind {
    enum status (*sign)(struct signer *signer, struct bytes message, struct buffer *out_signature,
                        struct failure *why);
    void (*drop)(struct signer *signer); /* frees it, wiping what is secret */
};

/* The head of every signer; a kind embeds it as its first member. */
struct signer {
    const struct signer_kind *kind;
    enum signature_algorithm algorithm; /* what sign() makes */
    struct bytes spki;                  /* the public half, DER; lives as long as the signer */
};

/*
 * signer_sign appends the signature of `message`. STATUS_IO of the kind; STATUS_LIMIT
 * "buffer/full".
 */
enum status signer_sign(struct signer *signer, struct bytes message, struct buffer *out_signature,
                        struct failure *why) MUST_USE;

/*
 * signer_public_spki is the public half as SubjectPublicKeyInfo DER; it lives as long as `signer`.
 */
struct bytes signer_public_spki(const struct signer *signer);

/* signer_algorithm names the signatures that it makes. */
enum signature_algorithm signer_algorithm(const struct signer *signer);

/* signer_drop gives it up and sets *signer to NULL. */
void signer_drop(struct signer **signer);

#endif
