/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/control/ca/seal.h"
#include "core/control/ca/signer_disk.h"
#include "core/trust/identity/key.h"
#include "tests/support/suite.h"

SUITE(seal);
SUITE(signer_disk);

static const char plain[] = "the very secret key of the authority";

Test(seal, opens_what_it_closed)
{
    CLEARED(seal) seal = {.cost = 0};
    CLEARED(seal) again = {.cost = 0};
    CLEARED(buffer) sealed;
    CLEARED(secret) opened = {0};

    buffer_init(&sealed, 4096);
    cr_assert_eq(seal_make(bytes_of("passphrase"), SEAL_COST_MIN, &seal, NULL), STATUS_OK);
    cr_assert_eq(seal_close(&seal, bytes_of(plain), &sealed, NULL), STATUS_OK);
    cr_assert_eq(sealed.len, strlen(plain) + SEAL_OVERHEAD);
    cr_assert_null(memmem(sealed.at, sealed.len, plain, 8), "I3: nothing of it can be read");
    cr_assert_eq(seal_of(bytes_of("passphrase"), buffer_bytes(&sealed), &again, NULL), STATUS_OK);
    cr_assert(seal_fits(&again, buffer_bytes(&sealed)));
    cr_assert_eq(seal_open(&again, buffer_bytes(&sealed), &opened, NULL), STATUS_OK);
    cr_assert(bytes_equal_text(secret_bytes(&opened), plain));
}

Test(seal, refuses_another_passphrase)
{
    CLEARED(seal) seal = {.cost = 0};
    CLEARED(seal) other = {.cost = 0};
    CLEARED(buffer) sealed;
    CLEARED(secret) opened = {0};
    struct failure why = {0};

    buffer_init(&sealed, 4096);
    cr_assert_eq(seal_make(bytes_of("passphrase"), SEAL_COST_MIN, &seal, NULL), STATUS_OK);
    cr_assert_eq(seal_close(&seal, bytes_of(plain), &sealed, NULL), STATUS_OK);
    cr_assert_eq(seal_of(bytes_of("Passphrase"), buffer_bytes(&sealed), &other, NULL), STATUS_OK);
    cr_assert_eq(seal_open(&other, buffer_bytes(&sealed), &opened, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "seal/passphrase");
}

Test(seal, refuses_every_flipped_bit_and_every_cut)
{
    CLEARED(seal) seal = {.cost = 0};
    CLEARED(buffer) sealed;
    struct failure why = {0};

    buffer_init(&sealed, 4096);
    cr_assert_eq(seal_make(bytes_of("passphrase"), SEAL_COST_MIN, &seal, NULL), STATUS_OK);
    cr_assert_eq(seal_close(&seal, bytes_of(plain), &sealed, NULL), STATUS_OK);
    for (size_t i = 0; i < 8 * sealed.len; i++) {
        CLEARED(secret) opened = {0};

        sealed.at[i / 8] ^= (uint8_t)(1u << i % 8);
        cr_assert_neq(seal_open(&seal, buffer_bytes(&sealed), &opened, &why), STATUS_OK);
        cr_assert_null(opened.at);
        sealed.at[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t len = 0; len < sealed.len; len++) {
        CLEARED(secret) opened = {0};

        cr_assert_neq(seal_open(&seal, bytes_make(sealed.at, len), &opened, &why), STATUS_OK);
    }
}

Test(seal, refuses_costs_out_of_bounds)
{
    struct seal seal = {.cost = 0};
    CLEARED(buffer) sealed;
    CLEARED(seal) made = {.cost = 0};
    struct failure why = {0};

    cr_assert_eq(seal_make(bytes_of("p"), SEAL_COST_MIN - 1, &seal, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "seal/cost");
    cr_assert_eq(seal_make(bytes_of("p"), SEAL_COST_MAX + 1, &seal, &why), STATUS_CONFIG);

    /* A file that asks for all memory is refused before any work. */
    buffer_init(&sealed, 4096);
    cr_assert_eq(seal_make(bytes_of("p"), SEAL_COST_MIN, &made, NULL), STATUS_OK);
    cr_assert_eq(seal_close(&made, bytes_of(plain), &sealed, NULL), STATUS_OK);
    sealed.at[8] = 40;
    cr_assert_eq(seal_of(bytes_of("p"), buffer_bytes(&sealed), &seal, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "seal/form");
}

Test(seal, never_uses_a_nonce_twice_or_a_salt_twice)
{
    CLEARED(seal) seal = {.cost = 0};
    CLEARED(seal) other = {.cost = 0};
    CLEARED(buffer) one;
    CLEARED(buffer) two;

    buffer_init(&one, 4096);
    buffer_init(&two, 4096);
    cr_assert_eq(seal_make(bytes_of("p"), SEAL_COST_MIN, &seal, NULL), STATUS_OK);
    cr_assert_eq(seal_make(bytes_of("p"), SEAL_COST_MIN, &other, NULL), STATUS_OK);
    cr_assert_arr_neq(seal.salt, other.salt, SEAL_SALT_LEN);
    cr_assert_eq(seal_close(&seal, bytes_of(plain), &one, NULL), STATUS_OK);
    cr_assert_eq(seal_close(&seal, bytes_of(plain), &two, NULL), STATUS_OK);
    cr_assert_arr_neq(one.at + 41, two.at + 41, 12);
}

Test(signer_disk, I3_the_key_comes_back_only_sealed)
{
    CLEARED(seal) seal = {.cost = 0};
    CLEARED(buffer) sealed;
    CLEARED(buffer) signature;
    struct signer *signer = NULL;
    struct signer *again = NULL;
    struct key *key = NULL;

    buffer_init(&sealed, 4096);
    buffer_init(&signature, SIGNATURE_MAX);
    cr_assert_eq(seal_make(bytes_of("p"), SEAL_COST_MIN, &seal, NULL), STATUS_OK);
    cr_assert_eq(signer_disk_make(&seal, &signer, &sealed, NULL), STATUS_OK);
    cr_assert_neq(key_parse(buffer_bytes(&sealed), &key, NULL), STATUS_OK);
    cr_assert_eq(signer_disk_open(&seal, buffer_bytes(&sealed), &again, NULL), STATUS_OK);
    cr_assert(bytes_equal(signer_public_spki(signer), signer_public_spki(again)));
    cr_assert_eq(signer_sign(again, bytes_of("x"), &signature, NULL), STATUS_OK);
    signer_drop(&signer);
    signer_drop(&again);
    signer_drop(&again); /* nothing happens */
}
