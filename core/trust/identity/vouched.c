/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/vouched.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"

struct vouched_entry { /* never changes once it is in its slot */
    size_t root;
    EVP_PKEY *key; /* a reference */
    size_t der_len;
    uint8_t der[];
};

struct vouched {
    _Atomic(struct vouched_entry *) slots[VOUCHED_MAX]; /* filled from the front, then left alone */
};

struct vouched *vouched_make(void)
{
    return memory_make(sizeof(struct vouched));
}

static void vouched_free_entry(struct vouched_entry *entry)
{
    EVP_PKEY_free(entry->key);
    free(entry);
}

void vouched_drop(struct vouched **vouched)
{
    struct vouched *gone = TAKE(*vouched);

    for (size_t i = 0; gone != NULL && i < VOUCHED_MAX; i++) {
        struct vouched_entry *entry = atomic_load_explicit(&gone->slots[i], memory_order_relaxed);

        if (entry != NULL) {
            vouched_free_entry(entry);
        }
    }
    free(gone);
}

static bool vouched_is(const struct vouched_entry *entry, size_t root, struct bytes der)
{
    return entry->root == root && bytes_equal(bytes_make(entry->der, entry->der_len), der);
}

EVP_PKEY *vouched_find(const struct vouched *vouched, size_t root, struct bytes der)
{
    for (size_t i = 0; i < VOUCHED_MAX; i++) {
        struct vouched_entry *entry =
            atomic_load_explicit(&vouched->slots[i], memory_order_acquire);

        if (entry == NULL) {
            return NULL;
        }
        if (vouched_is(entry, root, der)) {
            return entry->key;
        }
    }
    return NULL;
}

void vouched_add(struct vouched *vouched, size_t root, struct bytes der, EVP_PKEY *key)
{
    struct vouched_entry *entry = memory_make(sizeof *entry + der.len);

    EVP_PKEY_up_ref(key);
    entry->root = root;
    entry->key = key;
    entry->der_len = der.len;
    memcpy(entry->der, der.at, der.len);
    for (size_t i = 0; i < VOUCHED_MAX; i++) {
        struct vouched_entry *there = NULL;

        if (atomic_compare_exchange_strong_explicit(&vouched->slots[i], &there, entry,
                                                    memory_order_acq_rel, memory_order_acquire)) {
            return;
        }
        if (vouched_is(there, root, der)) { /* another thread was quicker */
            break;
        }
    }
    vouched_free_entry(entry);
}
