/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/ca/seal.h"

#include <openssl/aead.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "core/runtime/base/memory.h"

static const char seal_magic[] = "SIGNETK1";

enum {
    SEAL_MAGIC_LEN = 8,
    SEAL_COST_AT = 8,
    SEAL_SALT_AT = 9,
    SEAL_NONCE_AT = 41,
    SEAL_NONCE_LEN = 12,
    SEAL_HEAD_LEN = 53, /* also what is authenticated beside the ciphertext */
    SEAL_TAG_LEN = 16,
    SEAL_PLAIN_MAX = 65536,
    SEAL_SCRYPT_R = 8,
    SEAL_SCRYPT_P = 1,
};

_Static_assert(SEAL_HEAD_LEN + SEAL_TAG_LEN == SEAL_OVERHEAD, "the header says how much we add");

static enum status seal_refuse_library(struct failure *why, const char *what)
{
    ERR_clear_error();
    return fail(why, STATUS_IO, "seal/library", "the crypto library refused %s", what);
}

static enum status seal_derive(struct bytes passphrase, struct seal *seal, struct failure *why)
{
    /* scrypt takes 128 * N * r bytes; the library wants to be told that this is meant. */
    const uint64_t n = UINT64_C(1) << seal->cost;
    const size_t memory = (size_t)(128 * n * SEAL_SCRYPT_R) + (1 << 20);

    if (EVP_PBE_scrypt((const char *)passphrase.at, passphrase.len, seal->salt, SEAL_SALT_LEN, n,
                       SEAL_SCRYPT_R, SEAL_SCRYPT_P, memory, seal->key, SEAL_KEY_LEN) != 1) {
        return seal_refuse_library(why, "scrypt");
    }
    return STATUS_OK;
}

enum status seal_make(struct bytes passphrase, uint8_t cost, struct seal *out_seal,
                      struct failure *why)
{
    CLEARED(seal) made = {.cost = cost};

    if (cost < SEAL_COST_MIN || cost > SEAL_COST_MAX) {
        return fail(why, STATUS_CONFIG, "seal/cost",
                    "log2 of scrypt's N is %u; %d to %d is allowed", cost, SEAL_COST_MIN,
                    SEAL_COST_MAX);
    }
    if (RAND_bytes(made.salt, SEAL_SALT_LEN) != 1) {
        return seal_refuse_library(why, "random bytes");
    }
    TRY(seal_derive(passphrase, &made, why));
    *out_seal = made;
    return STATUS_OK;
}

static bool seal_is_form(struct bytes sealed)
{
    return sealed.len >= SEAL_OVERHEAD && sealed.len <= SEAL_OVERHEAD + SEAL_PLAIN_MAX &&
           memcmp(sealed.at, seal_magic, SEAL_MAGIC_LEN) == 0 &&
           sealed.at[SEAL_COST_AT] >= SEAL_COST_MIN && sealed.at[SEAL_COST_AT] <= SEAL_COST_MAX;
}

static enum status seal_refuse_form(struct failure *why)
{
    return fail(why, STATUS_PROTOCOL, "seal/form", "this is not a sealed key, or of unknown cost");
}

enum status seal_of(struct bytes passphrase, struct bytes sealed, struct seal *out_seal,
                    struct failure *why)
{
    CLEARED(seal) made = {.cost = 0};

    if (!seal_is_form(sealed)) {
        return seal_refuse_form(why);
    }
    made.cost = sealed.at[SEAL_COST_AT];
    memcpy(made.salt, sealed.at + SEAL_SALT_AT, SEAL_SALT_LEN);
    TRY(seal_derive(passphrase, &made, why));
    *out_seal = made;
    return STATUS_OK;
}

bool seal_fits(const struct seal *seal, struct bytes sealed)
{
    return seal->cost != 0 && seal_is_form(sealed) && sealed.at[SEAL_COST_AT] == seal->cost &&
           memcmp(sealed.at + SEAL_SALT_AT, seal->salt, SEAL_SALT_LEN) == 0;
}

enum status seal_close(const struct seal *seal, struct bytes plain, struct buffer *out_sealed,
                       struct failure *why)
{
    uint8_t *at =
        plain.len > SEAL_PLAIN_MAX ? NULL : buffer_reserve(out_sealed, plain.len + SEAL_OVERHEAD);
    EVP_AEAD_CTX aead;
    size_t len = 0;
    bool good;

    if (at == NULL) {
        return fail(why, STATUS_LIMIT, "buffer/full", "no room for a sealed key");
    }
    memcpy(at, seal_magic, SEAL_MAGIC_LEN);
    at[SEAL_COST_AT] = seal->cost;
    memcpy(at + SEAL_SALT_AT, seal->salt, SEAL_SALT_LEN);
    if (RAND_bytes(at + SEAL_NONCE_AT, SEAL_NONCE_LEN) != 1 ||
        EVP_AEAD_CTX_init(&aead, EVP_aead_aes_256_gcm(), seal->key, SEAL_KEY_LEN, SEAL_TAG_LEN,
                          NULL) != 1) {
        return seal_refuse_library(why, "AES-GCM");
    }
    good = EVP_AEAD_CTX_seal(&aead, at + SEAL_HEAD_LEN, &len, plain.len + SEAL_TAG_LEN,
                             at + SEAL_NONCE_AT, SEAL_NONCE_LEN, plain.at, plain.len, at,
                             SEAL_HEAD_LEN) == 1;
    EVP_AEAD_CTX_cleanup(&aead);
    if (!good) {
        return seal_refuse_library(why, "to seal");
    }
    buffer_commit(out_sealed, SEAL_HEAD_LEN + len);
    return STATUS_OK;
}

enum status seal_open(const struct seal *seal, struct bytes sealed, struct secret *out_plain,
                      struct failure *why)
{
    CLEARED(secret) plain = {0};
    EVP_AEAD_CTX aead;
    size_t len = 0;
    bool good;

    if (!seal_is_form(sealed)) {
        return seal_refuse_form(why);
    }
    if (EVP_AEAD_CTX_init(&aead, EVP_aead_aes_256_gcm(), seal->key, SEAL_KEY_LEN, SEAL_TAG_LEN,
                          NULL) != 1) {
        return seal_refuse_library(why, "AES-GCM");
    }
    plain.at = memory_make(sealed.len);
    plain.len = sealed.len;
    good = EVP_AEAD_CTX_open(&aead, plain.at, &len, plain.len, sealed.at + SEAL_NONCE_AT,
                             SEAL_NONCE_LEN, sealed.at + SEAL_HEAD_LEN, sealed.len - SEAL_HEAD_LEN,
                             sealed.at, SEAL_HEAD_LEN) == 1;
    EVP_AEAD_CTX_cleanup(&aead);
    if (!good) {
        ERR_clear_error();
        return fail(why, STATUS_CONFIG, "seal/passphrase",
                    "the passphrase is another one, or the sealed key was changed");
    }
    secret_set(out_plain, bytes_make(plain.at, len));
    return STATUS_OK;
}

void seal_clear(struct seal *seal)
{
    memory_wipe(seal, sizeof *seal);
}
