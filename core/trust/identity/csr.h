/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A certificate signing request: how a workload shows a public key and proves to hold its private
 * half.
 *
 * Whatever else a request says (names, extensions, wishes) is not even kept: the identity comes
 * from attestation (I1). Pure; any thread.
 *
 * Source: RFC 2986, invariants I1 and I2.
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_CSR_H
#define SIGNET_CORE_TRUST_IDENTITY_CSR_H

#include "core/runtime/base/buffer.h"
#include "core/trust/identity/key.h"

#define CSR_MAX 4096 /* bytes of a request we read */

struct csr;

/*
 * csr_make appends a request for `key` in DER: empty subject, no attributes, signed.
 * STATUS_IO "csr/make", "key/sign"; STATUS_LIMIT "buffer/full".
 */
enum status csr_make(const struct key *key, struct buffer *out_der, struct failure *why) MUST_USE;

/*
 * csr_parse reads a request, checks its key, then its proof of possession. `der` is borrowed for
 * the call; on STATUS_OK the caller must csr_drop(*out_csr).
 *
 * STATUS_LIMIT     "csr/too-long"
 * STATUS_PROTOCOL  "csr/der" (also trailing bytes), "csr/version", "csr/algorithm",
 *                  "csr/signature", and public_key_parse's "public-key/…"
 */
enum status csr_parse(struct bytes der, struct csr **out_csr, struct failure *why) MUST_USE;

/* csr_public_key is the SubjectPublicKeyInfo in canonical DER; it lives as long as `csr`. */
struct bytes csr_public_key(const struct csr *csr);

/* csr_drop frees it and sets *csr to NULL. */
void csr_drop(struct csr **csr);

#endif
