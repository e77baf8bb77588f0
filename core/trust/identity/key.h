/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private key: make, sign with, wipe. Never changes after it is made; counted, any thread.
 *
 * New keys are P-256. Keys from files may also be P-384, or RSA of 2048 to 4096 bits. The memory is
 * wiped when the last reference goes; that the process does not dump its core is the program's job.
 *
 * Elsewhere: the other half (public_key.h), CA keys at rest (control/ca/signer.h).
 * Source: RFC 5208 and 5958 (PKCS#8), RFC 5915, invariant I3.
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_KEY_H
#define SIGNET_CORE_TRUST_IDENTITY_KEY_H

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/secret.h"
#include "core/trust/identity/public_key.h"

#define KEY_FILE_MAX 16384 /* bytes of a key in PEM or DER */

struct key;

/* key_make draws a new P-256 key. STATUS_IO "key/make" when the library refuses. */
enum status key_make(struct key **out_key, struct failure *why) MUST_USE;

/*
 * key_parse reads a private key: PKCS#8 DER, or PEM ("PRIVATE KEY", "EC PRIVATE KEY",
 * "RSA PRIVATE KEY"; blocks of other kinds before it, such as EC PARAMETERS, are passed over).
 *
 * STATUS_LIMIT     "key/too-long"
 * STATUS_PROTOCOL  "key/pem", "key/der", "key/encrypted", "key/kind" (a curve, size or algorithm
 *                  that we do not use)
 */
enum status key_parse(struct bytes text, struct key **out_key, struct failure *why) MUST_USE;

/* key_ref adds a reference; key_drop gives one back and sets *key to NULL. Any thread. */
struct key *key_ref(struct key *key);
void key_drop(struct key **key);

/* key_public_spki is the public half as SubjectPublicKeyInfo DER; it lives as long as `key`. */
struct bytes key_public_spki(const struct key *key);

/*
 * key_signature is the algorithm that key_sign uses: SHA-256 for P-256 and RSA, SHA-384 for P-384.
 */
enum signature_algorithm key_signature(const struct key *key);

/*
 * key_sign appends the signature of `message` to `out_signature` (at most SIGNATURE_MAX bytes).
 * STATUS_IO "key/sign"; STATUS_LIMIT "buffer/full".
 */
enum status key_sign(const struct key *key, struct bytes message, struct buffer *out_signature,
                     struct failure *why) MUST_USE;

/*
 * key_to_pem gives "PRIVATE KEY" PEM, key_to_der PKCS#8 DER; both into wiped memory. STATUS_IO
 * "key/encode".
 */
enum status key_to_pem(const struct key *key, struct secret *out_pem, struct failure *why) MUST_USE;
enum status key_to_der(const struct key *key, struct secret *out_der, struct failure *why) MUST_USE;

/* key_evp borrows the library's own form, for a TLS context; it lives as long as `key`. */
struct evp_pkey_st *key_evp(const struct key *key);

#endif
