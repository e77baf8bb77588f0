/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/public_key.h"

#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <string.h>

#include "core/trust/identity/der.h"

enum { PUBLIC_KEY_RSA_MIN = 2048, PUBLIC_KEY_RSA_MAX = 4096 };

/* What stands in an AlgorithmIdentifier, whole: the parameters are part of it. */
struct signature_form {
    enum signature_algorithm algorithm;
    uint8_t len;
    uint8_t der[15];
};

static const struct signature_form signature_forms[] = {
    {SIGNATURE_ECDSA_SHA256, 12, {0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}},
    {SIGNATURE_ECDSA_SHA384, 12, {0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3}},
    {SIGNATURE_RSA_SHA256, 15, {0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 11, 5, 0}},
    {SIGNATURE_RSA_SHA384, 15, {0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 12, 5, 0}},
    {SIGNATURE_RSA_SHA512, 15, {0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 13, 5, 0}},
};

enum { SIGNATURE_FORMS = sizeof signature_forms / sizeof signature_forms[0] };

enum signature_algorithm signature_algorithm_parse(struct bytes der)
{
    for (size_t i = 0; i < SIGNATURE_FORMS; i++) {
        const struct signature_form *form = &signature_forms[i];

        if (bytes_equal(der, bytes_make(form->der, form->len))) {
            return form->algorithm;
        }
    }
    return SIGNATURE_NONE;
}

bool signature_algorithm_add(CBB *to, enum signature_algorithm algorithm)
{
    for (size_t i = 0; i < SIGNATURE_FORMS; i++) {
        if (signature_forms[i].algorithm == algorithm) {
            return CBB_add_bytes(to, signature_forms[i].der, signature_forms[i].len) == 1;
        }
    }
    return false;
}

static enum status public_key_judge(const EVP_PKEY *key, struct failure *why)
{
    if (EVP_PKEY_id(key) == EVP_PKEY_EC) {
        int curve = EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)));

        if (curve == NID_X9_62_prime256v1 || curve == NID_secp384r1) {
            return STATUS_OK;
        }
        return fail(why, STATUS_PROTOCOL, "public-key/kind", "a curve other than P-256 and P-384");
    }
    if (EVP_PKEY_id(key) == EVP_PKEY_RSA) {
        unsigned bits = RSA_bits(EVP_PKEY_get0_RSA(key));

        if (bits >= PUBLIC_KEY_RSA_MIN && bits <= PUBLIC_KEY_RSA_MAX) {
            return STATUS_OK; /* the library has refused bad exponents */
        }
        return fail(why, STATUS_PROTOCOL, "public-key/weak",
                    "RSA of %u bits; %d to %d are accepted", bits, PUBLIC_KEY_RSA_MIN,
                    PUBLIC_KEY_RSA_MAX);
    }
    return fail(why, STATUS_PROTOCOL, "public-key/kind", "neither EC nor RSA");
}

/* The library reads some forms that it would not write; what reaches a certificate has one form. */
static enum status public_key_check_form(const EVP_PKEY *key, struct bytes spki_der,
                                         struct failure *why)
{
    uint8_t again[PUBLIC_KEY_SPKI_MAX];
    size_t len = 0;
    CBB cbb;

    if (!CBB_init_fixed(&cbb, again, sizeof again) || !EVP_marshal_public_key(&cbb, key) ||
        !CBB_finish(&cbb, NULL, &len) || !bytes_equal(bytes_make(again, len), spki_der)) {
        CBB_cleanup(&cbb);
        ERR_clear_error();
        return fail(why, STATUS_PROTOCOL, "public-key/form",
                    "the key is not in its canonical encoding");
    }
    return STATUS_OK;
}

enum status public_key_parse(struct bytes spki_der, EVP_PKEY **out_key, struct failure *why)
{
    CBS cbs = der_cbs(spki_der);
    EVP_PKEY *key = EVP_parse_public_key(&cbs);
    enum status status;

    if (key == NULL) {
        ERR_clear_error();
        return fail(why, STATUS_PROTOCOL, "public-key/der",
                    "the public key is malformed, or of a kind that we do not know");
    }
    status = public_key_judge(key, why);
    if (status == STATUS_OK) {
        status = public_key_check_form(key, spki_der, why);
    }
    if (status != STATUS_OK) {
        EVP_PKEY_free(key);
        return status;
    }
    *out_key = key;
    return STATUS_OK;
}

enum status public_key_check(struct bytes spki_der, struct failure *why)
{
    EVP_PKEY *key;

    TRY(public_key_parse(spki_der, &key, why));
    EVP_PKEY_free(key);
    return STATUS_OK;
}

static bool public_key_verify_ec(EVP_PKEY *key, enum signature_algorithm algorithm,
                                 struct bytes message, struct bytes signature)
{
    uint8_t digest[SHA384_DIGEST_LENGTH];
    size_t digest_len = SHA256_DIGEST_LENGTH;
    EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);

    if (ec == NULL) {
        return false;
    }
    if (algorithm == SIGNATURE_ECDSA_SHA384) {
        digest_len = SHA384_DIGEST_LENGTH;
        (void)SHA384(message.at, message.len, digest);
    } else {
        (void)SHA256(message.at, message.len, digest);
    }
    return ECDSA_verify(0, digest, digest_len, signature.at, signature.len, ec) == 1;
}

static bool public_key_verify_rsa(EVP_PKEY *key, enum signature_algorithm algorithm,
                                  struct bytes message, struct bytes signature)
{
    uint8_t digest[SHA512_DIGEST_LENGTH];
    RSA *rsa = EVP_PKEY_get0_RSA(key);
    size_t digest_len;
    int hash;

    if (rsa == NULL) {
        return false;
    }
    if (algorithm == SIGNATURE_RSA_SHA256) {
        hash = NID_sha256;
        digest_len = SHA256_DIGEST_LENGTH;
        (void)SHA256(message.at, message.len, digest);
    } else if (algorithm == SIGNATURE_RSA_SHA384) {
        hash = NID_sha384;
        digest_len = SHA384_DIGEST_LENGTH;
        (void)SHA384(message.at, message.len, digest);
    } else {
        hash = NID_sha512;
        digest_len = SHA512_DIGEST_LENGTH;
        (void)SHA512(message.at, message.len, digest);
    }
    return RSA_verify(hash, digest, digest_len, signature.at, signature.len, rsa) == 1;
}

bool public_key_verify(EVP_PKEY *key, enum signature_algorithm algorithm, struct bytes message,
                       struct bytes signature)
{
    bool good = false;

    switch (algorithm) {
    case SIGNATURE_NONE:
        return false;
    case SIGNATURE_ECDSA_SHA256:
    case SIGNATURE_ECDSA_SHA384:
        good = public_key_verify_ec(key, algorithm, message, signature);
        break;
    case SIGNATURE_RSA_SHA256:
    case SIGNATURE_RSA_SHA384:
    case SIGNATURE_RSA_SHA512:
        good = public_key_verify_rsa(key, algorithm, message, signature);
        break;
    }
    if (!good) {
        ERR_clear_error();
    }
    return good;
}

bool public_key_id(struct bytes spki_der, uint8_t out_id[PUBLIC_KEY_ID_LEN])
{
    CBS cbs = der_cbs(spki_der);
    CBS spki;
    CBS bits;
    uint8_t unused_bits;
    uint8_t digest[SHA256_DIGEST_LENGTH];

    if (!CBS_get_asn1(&cbs, &spki, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&spki, NULL, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&spki, &bits, CBS_ASN1_BITSTRING) || !CBS_get_u8(&bits, &unused_bits)) {
        return false;
    }
    (void)SHA256(CBS_data(&bits), CBS_len(&bits), digest);
    memcpy(out_id, digest, PUBLIC_KEY_ID_LEN);
    return true;
}
