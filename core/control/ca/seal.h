/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing a CA key for the disk: a passphrase becomes a key by scrypt, and AES-256-GCM seals with
 * it.
 *
 * A sealed thing is, byte by byte (integers big-endian):
 *
 *     0  8   "SIGNETK1"
 *     8  1   log2 of scrypt's N (r = 8, p = 1)
 *     9  32  scrypt's salt
 *    41  12  nonce, random
 *    53  …   ciphertext, then a tag of 16 bytes; everything before it is authenticated too
 *
 * scrypt is slow on purpose, so a struct seal keeps the derived key; things sealed with the same
 * salt open without deriving again. One thread at a time. Source: RFC 7914 (scrypt), NIST SP
 * 800-38D (GCM), invariant I3.
 */
#ifndef SIGNET_CORE_CONTROL_CA_SEAL_H
#define SIGNET_CORE_CONTROL_CA_SEAL_H

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/secret.h"

#define SEAL_KEY_LEN 32
#define SEAL_SALT_LEN 32
#define SEAL_COST_DEFAULT 16 /* log2 N: 64 MiB and about a fifth of a second */
#define SEAL_COST_MIN 10
#define SEAL_COST_MAX 18
#define SEAL_OVERHEAD 69 /* bytes that sealing adds */

struct seal {
    uint8_t key[SEAL_KEY_LEN];
    uint8_t salt[SEAL_SALT_LEN];
    uint8_t cost; /* log2 N; 0: no key yet */
};

/*
 * seal_make derives a key for a new random salt. STATUS_CONFIG "seal/cost"; STATUS_IO
 * "seal/library".
 */
enum status seal_make(struct bytes passphrase, uint8_t cost, struct seal *out_seal,
                      struct failure *why) MUST_USE;

/*
 * seal_of derives the key of a thing that was sealed before. STATUS_PROTOCOL "seal/form" when it is
 * no sealed thing or its cost is out of bounds; STATUS_IO "seal/library".
 */
enum status seal_of(struct bytes passphrase, struct bytes sealed, struct seal *out_seal,
                    struct failure *why) MUST_USE;

/* seal_fits tells whether `sealed` has this seal's salt and cost, so that seal_open can open it. */
bool seal_fits(const struct seal *seal, struct bytes sealed);

/* seal_close appends `plain`, sealed. STATUS_IO "seal/library"; STATUS_LIMIT "buffer/full". */
enum status seal_close(const struct seal *seal, struct bytes plain, struct buffer *out_sealed,
                       struct failure *why) MUST_USE;

/*
 * seal_open gives what was sealed. STATUS_PROTOCOL "seal/form"; STATUS_CONFIG "seal/passphrase"
 * when the passphrase is another one, or the bytes were changed.
 */
enum status seal_open(const struct seal *seal, struct bytes sealed, struct secret *out_plain,
                      struct failure *why) MUST_USE;

/* seal_clear wipes the key. A zeroed struct may be cleared. */
void seal_clear(struct seal *seal);

#endif
