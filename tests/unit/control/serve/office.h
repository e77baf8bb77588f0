/* SPDX-License-Identifier: Apache-2.0 */
/* An authority and a registry in a folder of their own: all that issuing needs. */
#ifndef SIGNET_TESTS_UNIT_CONTROL_SERVE_OFFICE_H
#define SIGNET_TESTS_UNIT_CONTROL_SERVE_OFFICE_H

#include "core/control/ca/authority.h"
#include "core/control/registry/token.h"
#include "core/control/serve/issue.h"
#include "core/trust/identity/csr.h"
#include "tests/unit/control/registry/place.h"

/* What must never be seen: grep for it in whatever leaves (I21). */
#define OFFICE_PASSPHRASE "canary-passphrase-3f1c"

struct office {
    struct place place;
    struct authority *authority;
    struct issuer issuer;
};

/* office_open opens the authority of the folder (again), at time `now`. */
static inline void office_open(struct office *office, int64_t leaf_s, int64_t now)
{
    CLEARED(secret) passphrase = {0};
    char folder[96];
    struct authority_plan plan = {.folder = folder,
                                  .passphrase = &passphrase,
                                  .trust_domain = bytes_of("cluster.local"),
                                  .lives = authority_lives_of(leaf_s, leaf_s < 120),
                                  .constrain_names = true,
                                  .seal_cost = 10};
    struct failure why = {0};

    (void)snprintf(folder, sizeof folder, "%s/ca", office->place.folder);
    secret_set(&passphrase, bytes_of(OFFICE_PASSPHRASE));
    cr_assert_eq(authority_open(&plan, now, &office->authority, &why), STATUS_OK, "%s: %s",
                 why.reason, why.detail);
    office->issuer = (struct issuer){&office->place.registry, office->authority};
}

static inline void office_make(struct office *office, int64_t leaf_s, int64_t now)
{
    place_make(&office->place);
    office_open(office, leaf_s, now);
}

static inline void office_clear(struct office *office)
{
    static const char *const names[] = {"ca/root.pem",           "ca/intermediate.pem",
                                        "ca/intermediate-2.pem", "ca/intermediate-3.pem",
                                        "ca/intermediate-4.pem", "ca"};

    authority_drop(&office->authority);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[112];

        (void)snprintf(path, sizeof path, "%s/%s", office->place.folder, names[i]);
        (void)remove(path);
    }
    place_clear(&office->place);
}

/* office_csr makes a request for a new key; the key may be kept. */
static inline void office_csr(struct buffer *out_der, struct key **out_key)
{
    struct key *key = NULL;

    buffer_init(out_der, CSR_MAX);
    cr_assert_eq(key_make(&key, NULL), STATUS_OK);
    cr_assert_eq(csr_make(key, out_der, NULL), STATUS_OK);
    if (out_key != NULL) {
        *out_key = key;
    } else {
        key_drop(&key);
    }
}

/* office_token makes a join token of 100 s for an entry. */
static inline void office_token(struct office *office, const char *entry, int64_t now,
                                struct secret *out_text)
{
    struct token_order order = {.entry = bytes_of(entry), .life_s = 100, .now = now};
    struct failure why = {0};

    cr_assert_eq(token_create(&office->place.registry, &order, out_text, NULL, &why), STATUS_OK,
                 "%s", why.detail);
}

#endif
