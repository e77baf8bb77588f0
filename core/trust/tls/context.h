/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS side of an identity set: one SSL_CTX to accept with and one to dial with, built once and
 * never touched again. Shared and counted: each connection holds a reference for its life, so a swap
 * never disturbs one that has begun.
 */
#ifndef SIGNET_CORE_TRUST_TLS_CONTEXT_H
#define SIGNET_CORE_TRUST_TLS_CONTEXT_H

#include "core/trust/identity/identity_set.h"
#include "core/trust/tls/posture.h"

struct ssl_ctx_st;
struct tls_context;

/*
 * tls_context_make builds both contexts from `set`, of which it takes a reference.
 * STATUS_IO "tls/context" when the library refuses the chain, the key or the posture.
 */
enum status tls_context_make(struct identity_set *set, const struct posture *posture,
                             struct tls_context **out_context, struct failure *why) MUST_USE;

/* tls_context_ref adds a reference; tls_context_drop gives one back, sets NULL. Any thread. */
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_drop(struct tls_context **context);

/* tls_context_identities borrows the identity set it was made from. */
struct identity_set *tls_context_identities(const struct tls_context *context);

/* tls_context_records_per_key is the posture's: how many records one key may seal. */
uint32_t tls_context_records_per_key(const struct tls_context *context);

/* tls_context_server and tls_context_client borrow the library's contexts, for tls_stream alone. */
struct ssl_ctx_st *tls_context_server(const struct tls_context *context);
struct ssl_ctx_st *tls_context_client(const struct tls_context *context);

#endif
