/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/proved.h"

#include <openssl/sha2.h>
#include <string.h>

enum { PROVED_SLOTS = 64 };

/* A slot of zeros is an empty one: no digest that anybody can make is all zeros. */
static _Thread_local uint8_t proved_slots[PROVED_SLOTS][PROVED_DIGEST_LEN];

void proved_digest(const struct certificate *cert, struct bytes issuer_spki,
                   uint8_t out_digest[PROVED_DIGEST_LEN])
{
    SHA256_CTX hash;
    uint64_t spki_len = issuer_spki.len; /* so that no bytes can move from one part to the other */

    (void)SHA256_Init(&hash);
    (void)SHA256_Update(&hash, &spki_len, sizeof spki_len);
    (void)SHA256_Update(&hash, issuer_spki.at, issuer_spki.len);
    (void)SHA256_Update(&hash, cert->der.at, cert->der.len); /* holds algorithm and signature */
    (void)SHA256_Final(out_digest, &hash);
}

static uint8_t *proved_slot(const uint8_t digest[PROVED_DIGEST_LEN])
{
    return proved_slots[digest[0] % PROVED_SLOTS];
}

bool proved_find(const uint8_t digest[PROVED_DIGEST_LEN])
{
    return memcmp(proved_slot(digest), digest, PROVED_DIGEST_LEN) == 0;
}

void proved_add(const uint8_t digest[PROVED_DIGEST_LEN])
{
    memcpy(proved_slot(digest), digest, PROVED_DIGEST_LEN);
}
