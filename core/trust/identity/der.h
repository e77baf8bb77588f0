/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between our slices and the library's DER reader and builder. Included by .c files only,
 * so that no other header needs BoringSSL's.
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_DER_H
#define SIGNET_CORE_TRUST_IDENTITY_DER_H

#include <openssl/bytestring.h>

#include "core/runtime/base/bytes.h"

/* der_cbs starts reading a slice. */
static inline CBS der_cbs(struct bytes all)
{
    CBS cbs;

    CBS_init(&cbs, all.at, all.len);
    return cbs;
}

/* der_bytes is what a reader has left, as a slice of the same memory. */
static inline struct bytes der_bytes(const CBS *cbs)
{
    return bytes_make(CBS_data(cbs), CBS_len(cbs));
}

/* der_add appends a slice to a builder; false when the builder refuses. */
static inline bool der_add(CBB *to, struct bytes all)
{
    return CBB_add_bytes(to, all.at, all.len) == 1;
}

#endif
