/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one answer to "who is this peer?": from the certificates that he showed to a SPIFFE ID, or a
 * refusal with its reason. Pure: no clock of its own, no socket, no log; any thread.
 *
 * It is on every handshake's path: certificates are taken apart without an object of the library,
 * the roots' keys are ready in the bundle, and a signature of a root on an intermediate is checked
 * once per bundle (vouched.h). Leaf, intermediate and root so cost one signature and 7 µs more
 * (measured: 81.4 µs on a machine where P-256 verifies in 74.3; 159 µs without the memory).
 *
 * Elsewhere: may he? (trust/authz); the bundle (bundle.h); taking a certificate apart
 * (certificate.h). Source: X509-SVID 5, RFC 5280 6.1, invariant I10.
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_VERIFY_H
#define SIGNET_CORE_TRUST_IDENTITY_VERIFY_H

#include "core/trust/identity/bundle.h"
#include "core/trust/identity/spiffe_id.h"

#define VERIFY_CERTS_MAX 8        /* certificates a peer may show */
#define VERIFY_SIGNATURES_MAX 12  /* signatures checked for one peer, whatever he shows */

enum verify_use {
    VERIFY_CLIENT, /* the peer is a client: clientAuth */
    VERIFY_SERVER, /* the peer is a server: serverAuth */
};

struct verified_peer {
    struct spiffe_id id;
    int64_t starts_at;  /* the leaf's notBefore, Unix s */
    int64_t expires_at; /* least notAfter of the chain, its root included, Unix s */
    char serial_hex[CERTIFICATE_SERIAL_HEX]; /* the leaf's serial number */
    char issuer_hex[CERTIFICATE_KEY_ID_HEX]; /* identifier of the key that signed the leaf; or "" */
    uint8_t root_sha256[BUNDLE_SHA256_LEN];  /* which root it chains to */
    uint8_t key_sha256[BUNDLE_SHA256_LEN];   /* of the leaf's public key: SHA-256 of its SPKI */
};

/*
 * verify_peer judges a chain. The order is law: the chain's length; the leaf's shape (one URI SAN
 * that is a SPIFFE ID with a path, not a CA, keyUsage, extKeyUsage for `use`); the bundle of that
 * ID's own trust domain; dates; then the path to one of its roots, each certificate with its
 * signature, CA flag, path length, key usage, name constraints and, on an intermediate that has
 * one, the ID of the trust domain. A certificate is out of date from the second of its notAfter on.
 *
 *   chain      certificates in DER, leaf first; the rest in any order, one shown twice counts once;
 *              borrowed for the call
 *   now_s      Unix time, s
 *   out_peer   filled on STATUS_OK only
 *
 * STATUS_LIMIT      "verify/chain-too-long", "verify/too-complex"
 * STATUS_PROTOCOL   "verify/no-certificate", "verify/der", "verify/uri-san-count",
 *                   "verify/leaf-id", "verify/ca-leaf", "verify/key-usage", "verify/eku",
 *                   "verify/san-critical", "verify/unknown-critical", "verify/algorithm",
 *                   "verify/key"
 * STATUS_UNTRUSTED  "verify/no-bundle", "verify/expired", "verify/not-yet-valid",
 *                   "verify/untrusted-root" (no path to a root of the domain), "verify/signature",
 *                   "verify/not-a-ca", "verify/authority-id", "verify/path-length",
 *                   "verify/name-constraint"
 */
enum status verify_peer(const struct bundle *bundle, const struct bytes *chain, size_t num_certs,
                        enum verify_use use, int64_t now_s, struct verified_peer *out_peer,
                        struct failure *why) MUST_USE;

#endif
