/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/ca/signer_disk.h"

#include <stdlib.h>

#include "core/runtime/base/memory.h"
#include "core/trust/identity/key.h"

struct signer_disk {
    struct signer head; /* first: a struct signer * is a struct signer_disk * */
    struct key *key;    /* a reference */
};

static enum status signer_disk_sign(struct signer *signer, struct bytes message,
                                    struct buffer *out_signature, struct failure *why)
{
    struct signer_disk *disk = (struct signer_disk *)(void *)signer;

    return key_sign(disk->key, message, out_signature, why);
}

static void signer_disk_drop(struct signer *signer)
{
    struct signer_disk *disk = (struct signer_disk *)(void *)signer;

    key_drop(&disk->key);
    free(disk);
}

static const struct signer_kind signer_disk_kind = {
    .sign = signer_disk_sign,
    .drop = signer_disk_drop,
};

static struct signer *signer_disk_of(struct key *key)
{
    struct signer_disk *disk = memory_make(sizeof *disk);

    disk->key = key_ref(key);
    disk->head.kind = &signer_disk_kind;
    disk->head.algorithm = key_signature(key);
    disk->head.spki = key_public_spki(key);
    return &disk->head;
}

enum status signer_disk_make(const struct seal *seal, struct signer **out_signer,
                             struct buffer *out_sealed, struct failure *why)
{
    OWNED(key) *key = NULL;
    CLEARED(secret) der = {0};

    TRY(key_make(&key, why));
    TRY(key_to_der(key, &der, why));
    TRY(seal_close(seal, secret_bytes(&der), out_sealed, why));
    *out_signer = signer_disk_of(key);
    return STATUS_OK;
}

enum status signer_disk_open(const struct seal *seal, struct bytes sealed,
                             struct signer **out_signer, struct failure *why)
{
    OWNED(key) *key = NULL;
    CLEARED(secret) der = {0};

    TRY(seal_open(seal, sealed, &der, why));
    TRY(key_parse(secret_bytes(&der), &key, why));
    *out_signer = signer_disk_of(key);
    return STATUS_OK;
}
