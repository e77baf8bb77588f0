/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 and random bytes, for tokens and the keys they were redeemed with. Any thread.
 * Source: FIPS 180-4; getrandom(2).
 */
#ifndef SIGNET_CORE_CONTROL_REGISTRY_DIGEST_H
#define SIGNET_CORE_CONTROL_REGISTRY_DIGEST_H

#include "core/runtime/base/bytes.h"

#define DIGEST_LEN 32

struct digest {
    uint8_t at[DIGEST_LEN];
};

/* digest_of is SHA-256 over `all`. */
struct digest digest_of(struct bytes all);

/* digest_bytes borrows the 32 bytes; digest_equal compares in constant time. */
struct bytes digest_bytes(const struct digest *digest);
bool digest_equal(const struct digest *a, const struct digest *b);

/* digest_draw fills `out` with `len` bytes of the system's random source; aborts when it has none. */
void digest_draw(void *out, size_t len);

#endif
