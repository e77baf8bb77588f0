/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificate profile: a fixed DER template with a few blanks, and nothing else can be said in
 * it.
 *
 * A leaf's blanks are its SPIFFE ID, public key, serial number, dates and issuer. A request never
 * reaches this file, only its public key does (I1): by construction, since no parameter could carry
 * more. The same order with the same issuer gives the same tbsCertificate, byte for byte.
 *
 * Elsewhere: who may have which ID (registry), dates of the chain and renewal (authority.h).
 * Source: RFC 5280 4.1 and 4.2, X509-SVID section 4 and appendix A, invariants I1 and I11.
 */
#ifndef SIGNET_CORE_CONTROL_CA_SIGN_H
#define SIGNET_CORE_CONTROL_CA_SIGN_H

#include "core/control/ca/serial.h"
#include "core/control/ca/signer.h"
#include "core/trust/identity/spiffe_id.h"

#define SIGN_BACKDATE_S 300 /* a peer's clock may be this much behind ours */
#define SIGN_MARGIN_S 1     /* a certificate ends this long before its issuer does */
#define SIGN_CERTIFICATE_MAX 8192

/* Who signs. All is borrowed for the call. */
struct sign_issuer {
    struct signer *signer;
    struct bytes name;                 /* its subject, as DER */
    uint8_t key_id[PUBLIC_KEY_ID_LEN]; /* its subjectKeyIdentifier */
    int64_t not_before;                /* greatest notBefore of its chain, Unix s */
    int64_t not_after;                 /* least notAfter of its chain, Unix s */
};

struct sign_leaf_order {
    const struct spiffe_id *id;      /* attested; must have a path */
    struct bytes spki_der;           /* the workload's public key */
    uint8_t serial[SERIAL_LEN];      /* serial_make()'s; two bits are held: one length for all */
    int64_t issued_at;               /* now, Unix s; notBefore lies SIGN_BACKDATE_S before */
    int64_t not_after;               /* wished for; the chain's end less SIGN_MARGIN_S bounds it */
};

struct sign_authority_order {
    const struct spiffe_id *domain_id; /* spiffe://TRUST_DOMAIN, the URI SAN */
    const char *common_name;           /* "Signet root" */
    struct bytes spki_der;
    uint8_t serial[SERIAL_LEN];
    int64_t issued_at, not_after;      /* as above */
    int path_len;                      /* -1: no limit */
    bool constrain_names;              /* only the trust domain's URIs (critical nameConstraints) */
};

/*
 * sign_leaf appends the DER of a leaf: no Subject, critical SAN with one URI, critical keyUsage
 * digitalSignature, extKeyUsage serverAuth and clientAuth, critical basicConstraints CA:FALSE, both
 * key identifiers. *out_not_after is the notAfter in it.
 *
 * STATUS_CONFIG  "sign/leaf-id" (an ID without a path), "sign/template" (a date out of range)
 * STATUS_DENIED  "sign/issuer-expired", "sign/issuer-not-yet-valid" (I11), "sign/no-life" (nothing
 *                would be left between issued_at and notAfter)
 * STATUS_PROTOCOL "public-key/…" (a key that we would not accept); STATUS_IO of the signer;
 * STATUS_LIMIT "buffer/full"
 */
enum status sign_leaf(const struct sign_issuer *issuer, const struct sign_leaf_order *order,
                      struct buffer *out_der, int64_t *out_not_after, struct failure *why) MUST_USE;

/*
 * sign_authority appends the DER of a CA certificate: Subject with a serialNumber of its own,
 * critical basicConstraints CA:TRUE, critical keyUsage keyCertSign and cRLSign. With `issuer` NULL
 * it is a root, signed by `self`; else `self` is not used. Errors as sign_leaf.
 */
enum status sign_authority(const struct sign_issuer *issuer, struct signer *self,
                           const struct sign_authority_order *order, struct buffer *out_der,
                           struct failure *why) MUST_USE;

#endif
