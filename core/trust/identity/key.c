/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/key.h"

#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/trust/identity/der.h"
#include "core/trust/identity/pem.h"

/* The library wipes what it frees (OPENSSL_free cleanses), so the key itself lives only there. */
struct key {
    atomic_uint refs;
    enum signature_algorithm algorithm;
    EVP_PKEY *evp;   /* owned */
    size_t spki_len; /* bytes */
    uint8_t spki[PUBLIC_KEY_SPKI_MAX];
};

static enum status key_refuse(struct failure *why, enum status status, const char *reason,
                              const char *detail)
{
    ERR_clear_error();
    return fail(why, status, reason, "%s", detail);
}

/* Takes `evp` over, whatever the answer. */
static enum status key_of(EVP_PKEY *evp, struct key **out_key, struct failure *why)
{
    OWNED(key) *key = memory_make(sizeof *key);
    CBB cbb;

    atomic_init(&key->refs, 1);
    key->evp = evp;
    if (!CBB_init_fixed(&cbb, key->spki, sizeof key->spki) || !EVP_marshal_public_key(&cbb, evp) ||
        !CBB_finish(&cbb, NULL, &key->spki_len)) {
        CBB_cleanup(&cbb);
        return key_refuse(why, STATUS_PROTOCOL, "key/kind", "the key has no public half to show");
    }
    if (public_key_check(key_public_spki(key), why) != STATUS_OK) {
        return key_refuse(why, STATUS_PROTOCOL, "key/kind",
                          "P-256, P-384 and RSA of 2048 to 4096 bits are accepted");
    }
    if (EVP_PKEY_id(evp) == EVP_PKEY_RSA) {
        key->algorithm = SIGNATURE_RSA_SHA256;
    } else {
        key->algorithm =
            EVP_PKEY_bits(evp) == 384 ? SIGNATURE_ECDSA_SHA384 : SIGNATURE_ECDSA_SHA256;
    }
    *out_key = TAKE(key);
    return STATUS_OK;
}

enum status key_make(struct key **out_key, struct failure *why)
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *evp = EVP_PKEY_new();

    if (ec == NULL || evp == NULL || !EC_KEY_generate_key(ec) || !EVP_PKEY_set1_EC_KEY(evp, ec)) {
        EC_KEY_free(ec);
        EVP_PKEY_free(evp);
        return key_refuse(why, STATUS_IO, "key/make", "the library made no P-256 key");
    }
    EC_KEY_free(ec);
    return key_of(evp, out_key, why);
}

static enum status key_parse_pkcs8(struct bytes der, struct key **out_key, struct failure *why)
{
    CBS cbs = der_cbs(der);
    EVP_PKEY *evp = EVP_parse_private_key(&cbs);

    if (evp == NULL || CBS_len(&cbs) != 0) {
        EVP_PKEY_free(evp);
        return key_refuse(why, STATUS_PROTOCOL, "key/der", "this is not a private key in PKCS#8");
    }
    return key_of(evp, out_key, why);
}

/* The older forms, which name their algorithm in the PEM label only: RFC 5915 and PKCS#1. */
static enum status key_parse_bare(struct bytes der, bool rsa, struct key **out_key,
                                  struct failure *why)
{
    CBS cbs = der_cbs(der);
    EVP_PKEY *evp = EVP_PKEY_new();
    bool good = false;

    if (rsa) {
        RSA *half = RSA_parse_private_key(&cbs);

        good = half != NULL && EVP_PKEY_set1_RSA(evp, half);
        RSA_free(half);
    } else {
        EC_KEY *half = EC_KEY_parse_private_key(&cbs, NULL);

        good = half != NULL && EVP_PKEY_set1_EC_KEY(evp, half);
        EC_KEY_free(half);
    }
    if (!good || CBS_len(&cbs) != 0) {
        EVP_PKEY_free(evp);
        return key_refuse(why, STATUS_PROTOCOL, "key/der", "the private key is malformed");
    }
    return key_of(evp, out_key, why);
}

static enum status key_parse_pem(struct bytes text, struct key **out_key, struct failure *why)
{
    for (;;) {
        CLEARED(secret) der = {0};
        struct bytes label;

        if (pem_next(&text, &label, &der, why) != STATUS_OK) {
            return key_refuse(why, STATUS_PROTOCOL, "key/pem",
                              "there is no whole private key in it");
        }
        if (bytes_equal_text(label, "PRIVATE KEY")) {
            return key_parse_pkcs8(secret_bytes(&der), out_key, why);
        }
        if (bytes_equal_text(label, "EC PRIVATE KEY")) {
            return key_parse_bare(secret_bytes(&der), false, out_key, why);
        }
        if (bytes_equal_text(label, "RSA PRIVATE KEY")) {
            return key_parse_bare(secret_bytes(&der), true, out_key, why);
        }
        if (bytes_equal_text(label, "ENCRYPTED PRIVATE KEY")) {
            return key_refuse(why, STATUS_PROTOCOL, "key/encrypted",
                              "the private key is encrypted; only plain ones are read");
        }
    }
}

enum status key_parse(struct bytes text, struct key **out_key, struct failure *why)
{
    if (text.len > KEY_FILE_MAX) {
        return fail(why, STATUS_LIMIT, "key/too-long", "%zu bytes; a key has at most %d", text.len,
                    KEY_FILE_MAX);
    }
    if (text.len > 0 && text.at[0] == 0x30) { /* a DER SEQUENCE, which no PEM begins with */
        return key_parse_pkcs8(text, out_key, why);
    }
    return key_parse_pem(text, out_key, why);
}

struct key *key_ref(struct key *key)
{
    atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
    return key;
}

void key_drop(struct key **key)
{
    struct key *gone = TAKE(*key);

    if (gone != NULL && atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) == 1) {
        EVP_PKEY_free(gone->evp);
        free(gone);
    }
}

struct bytes key_public_spki(const struct key *key)
{
    return bytes_make(key->spki, key->spki_len);
}

enum signature_algorithm key_signature(const struct key *key)
{
    return key->algorithm;
}

enum status key_sign(const struct key *key, struct bytes message, struct buffer *out_signature,
                     struct failure *why)
{
    const EVP_MD *hash = key->algorithm == SIGNATURE_ECDSA_SHA384 ? EVP_sha384() : EVP_sha256();
    uint8_t signature[SIGNATURE_MAX];
    size_t len = sizeof signature;
    EVP_MD_CTX digest;
    bool good;

    EVP_MD_CTX_init(&digest);
    good = EVP_DigestSignInit(&digest, NULL, hash, NULL, key->evp) &&
           EVP_DigestSign(&digest, signature, &len, message.at, message.len);
    EVP_MD_CTX_cleanup(&digest);
    if (!good) {
        return key_refuse(why, STATUS_IO, "key/sign", "the library did not sign");
    }
    if (buffer_add(out_signature, bytes_make(signature, len)) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "buffer/full", "no room for a signature of %zu bytes", len);
    }
    return STATUS_OK;
}

enum status key_to_der(const struct key *key, struct secret *out_der, struct failure *why)
{
    uint8_t *der = NULL;
    size_t len = 0;
    CBB cbb;

    if (!CBB_init(&cbb, 256) || !EVP_marshal_private_key(&cbb, key->evp) ||
        !CBB_finish(&cbb, &der, &len)) {
        CBB_cleanup(&cbb);
        return key_refuse(why, STATUS_IO, "key/encode", "the library did not write the key");
    }
    secret_set(out_der, bytes_make(der, len));
    OPENSSL_free(der); /* wipes */
    return STATUS_OK;
}

enum status key_to_pem(const struct key *key, struct secret *out_pem, struct failure *why)
{
    CLEARED(secret) der = {0};
    CLEARED(buffer) pem;
    enum status status;

    buffer_init(&pem, KEY_FILE_MAX);
    TRY(key_to_der(key, &der, why));
    /* Room at once: a buffer that grows would leave a copy behind. */
    if (buffer_reserve(&pem, 2 * der.len + 128) == NULL) {
        return fail(why, STATUS_IO, "key/encode", "the key is too long for PEM");
    }
    status = pem_add(&pem, "PRIVATE KEY", secret_bytes(&der));
    if (status == STATUS_OK) {
        secret_set(out_pem, buffer_bytes(&pem));
    }
    memory_wipe(pem.at, pem.room);
    return status == STATUS_OK ? STATUS_OK : fail(why, STATUS_IO, "key/encode", "no room");
}

EVP_PKEY *key_evp(const struct key *key)
{
    return key->evp;
}
