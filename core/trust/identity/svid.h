/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An X.509-SVID: one workload's certificate chain and, when it is our own, its private key.
 *
 * A svid never changes after it is made, so threads share it by reference count, without a lock.
 * Renewal makes a new svid; the old one lives until the last TLS context made from it is gone.
 *
 * Elsewhere: whom to trust (verify.h), when to renew (sidecar/rotation), serving it (trust/tls).
 * Source: SPIFFE X509-SVID specification, sections 2 to 5.
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_SVID_H
#define SIGNET_CORE_TRUST_IDENTITY_SVID_H

#include "core/runtime/base/buffer.h"
#include "core/trust/identity/certificate.h"
#include "core/trust/identity/key.h"
#include "core/trust/identity/spiffe_id.h"

#define SVID_CHAIN_MAX 65536 /* bytes of a chain in DER */
#define SVID_CERTS_MAX 8     /* certificates of a chain */

struct svid;

/*
 * svid_parse makes a svid of a DER chain and checks that it obeys the standard: a leaf with exactly
 * one URI SAN that is a SPIFFE ID with a path, no CA flag, a critical keyUsage with
 * digitalSignature and without keyCertSign and cRLSign; then only certificates of authorities that
 * may sign. It trusts nobody and looks at no clock: that is verify_peer().
 *
 *   chain_der  certificates one after the other, leaf first; borrowed for the call
 *   key        the leaf's private key, of which the svid takes a reference; NULL for a peer's svid
 *   out_svid   on STATUS_OK, a reference the caller must svid_drop(); else left as it was
 *
 * STATUS_PROTOCOL  "svid/empty", "svid/der", "svid/uri-san-count", "svid/leaf-id" (no path, or not
 *                  a SPIFFE ID), "svid/leaf-is-ca", "svid/key-usage", "svid/chain" (a later
 *                  certificate that may not sign), "svid/key-mismatch"
 * STATUS_LIMIT     "svid/too-long" (bytes or certificates)
 * Source: X509-SVID 4.1 and 5.2.
 */
enum status svid_parse(struct bytes chain_der, struct key *key, struct svid **out_svid,
                       struct failure *why) MUST_USE;

/*
 * svid_parse_pem is svid_parse for the text of files: CERTIFICATE blocks, leaf first, and a key as
 * key_parse reads it (empty: none). Further errors: "svid/pem", and those of key_parse.
 */
enum status svid_parse_pem(struct bytes chain_pem, struct bytes key_pem, struct svid **out_svid,
                           struct failure *why) MUST_USE;

/* svid_ref adds a reference; svid_drop gives one back and sets *svid to NULL. Any thread. */
struct svid *svid_ref(struct svid *svid);
void svid_drop(struct svid **svid);

/* svid_id is the leaf's SPIFFE ID; borrowed, like every answer below, for the life of `svid`. */
const struct spiffe_id *svid_id(const struct svid *svid);

/*
 * svid_expires_at is the least notAfter of the chain, svid_starts_at the leaf's notBefore: Unix s.
 */
int64_t svid_expires_at(const struct svid *svid);
int64_t svid_starts_at(const struct svid *svid);

/* svid_serial_hex is the leaf's serial number in lower-case hex. */
const char *svid_serial_hex(const struct svid *svid);

/*
 * svid_issuer_hex is the identifier of the key that signed the leaf, in hex; "" when it names none.
 */
const char *svid_issuer_hex(const struct svid *svid);

/*
 * svid_num_certs counts the chain; svid_cert_der is one of it (0: the leaf); svid_leaf_der the
 * first.
 */
size_t svid_num_certs(const struct svid *svid);
struct bytes svid_cert_der(const struct svid *svid, size_t index);
struct bytes svid_leaf_der(const struct svid *svid);

/* svid_certificate is one of the chain, taken apart. index < svid_num_certs(). */
const struct certificate *svid_certificate(const struct svid *svid, size_t index);

/* svid_chain_der is the whole chain, as svid_parse takes it; svid_chain_pem the same in PEM. */
struct bytes svid_chain_der(const struct svid *svid);
struct bytes svid_chain_pem(const struct svid *svid);

/* svid_key is the private key, or NULL for a peer's svid. key_ref() it to keep it. */
struct key *svid_key(const struct svid *svid);

#endif
