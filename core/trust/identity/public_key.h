/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public keys and signatures: which ones we accept at all, from anybody, in one place.
 *
 * Keys: P-256, P-384, RSA of 2048 to 4096 bits with an odd exponent from 3 to 2^33. Signatures:
 * ECDSA with SHA-256 or SHA-384, RSA PKCS#1 1.5 with SHA-256, SHA-384 or SHA-512. Pure; any thread.
 *
 * Source: RFC 5280 4.1.2.7, RFC 5480, RFC 5758, RFC 4055, SEC 1 3.2.2 (the point is on the curve).
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_PUBLIC_KEY_H
#define SIGNET_CORE_TRUST_IDENTITY_PUBLIC_KEY_H

#include "core/runtime/base/bytes.h"

#define SIGNATURE_MAX 1024     /* bytes of a signature: RSA of 8192 bits fits */
#define PUBLIC_KEY_ID_LEN 20   /* bytes of a key identifier */
#define PUBLIC_KEY_SPKI_MAX 1024

struct evp_pkey_st;
struct cbb_st;

enum signature_algorithm {
    SIGNATURE_NONE = 0, /* one that we do not accept */
    SIGNATURE_ECDSA_SHA256,
    SIGNATURE_ECDSA_SHA384,
    SIGNATURE_RSA_SHA256,
    SIGNATURE_RSA_SHA384,
    SIGNATURE_RSA_SHA512,
};

/*
 * public_key_parse reads a SubjectPublicKeyInfo and gives the library's key, which the caller must
 * EVP_PKEY_free(). The encoding must be the canonical one (uncompressed point, named curve, no
 * trailing bytes).
 *
 * STATUS_PROTOCOL "public-key/der" (also a point not on the curve, or at infinity),
 * "public-key/kind", "public-key/weak" (RSA below 2048 bits, or a bad exponent), "public-key/form".
 */
enum status public_key_parse(struct bytes spki_der, struct evp_pkey_st **out_key,
                             struct failure *why) MUST_USE;

/* public_key_check is public_key_parse without the key. */
enum status public_key_check(struct bytes spki_der, struct failure *why) MUST_USE;

/* public_key_verify tells whether `signature` over `message` is this key's. Any thread. */
bool public_key_verify(struct evp_pkey_st *key, enum signature_algorithm algorithm,
                       struct bytes message, struct bytes signature);

/*
 * public_key_id is the key identifier for SubjectKeyIdentifier: the first 160 bits of SHA-256 over
 * the key's bits. False when `spki_der` is no SubjectPublicKeyInfo. Source: RFC 7093 section 2,
 * method 1.
 */
bool public_key_id(struct bytes spki_der, uint8_t out_id[PUBLIC_KEY_ID_LEN]);

/*
 * signature_algorithm_parse reads an AlgorithmIdentifier's DER; SIGNATURE_NONE when not accepted.
 */
enum signature_algorithm signature_algorithm_parse(struct bytes der);

/* signature_algorithm_add writes the AlgorithmIdentifier. False when the builder refuses. */
bool signature_algorithm_add(struct cbb_st *to, enum signature_algorithm algorithm);

#endif
