/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signer whose key lies in a file, sealed with a passphrase, and in this process's memory.
 *
 * Elsewhere: the sealing (seal.h); which file, and how it is replaced (authority_files.h).
 */
#ifndef SIGNET_CORE_CONTROL_CA_SIGNER_DISK_H
#define SIGNET_CORE_CONTROL_CA_SIGNER_DISK_H

#include "core/control/ca/seal.h"
#include "core/control/ca/signer.h"

/*
 * signer_disk_make draws a new key and gives the signer and the key sealed, to be written to a
 * file. STATUS_IO "key/make", "key/encode", "seal/library"; STATUS_LIMIT "buffer/full".
 */
enum status signer_disk_make(const struct seal *seal, struct signer **out_signer,
                             struct buffer *out_sealed, struct failure *why) MUST_USE;

/*
 * signer_disk_open is the signer of a sealed key. Errors of seal_open, and of key_parse for what
 * was inside.
 */
enum status signer_disk_open(const struct seal *seal, struct bytes sealed,
                             struct signer **out_signer, struct failure *why) MUST_USE;

#endif
