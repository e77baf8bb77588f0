/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trust bundle: the root certificates of each trust domain. Immutable, counted, any thread.
 *
 * Each domain's roots speak for that domain alone; there is no union (I20). A domain with no roots
 * is known and trusts nothing. The roots are taken apart and their keys prepared once, when the
 * bundle is made, because verify_peer() is on the handshake's path; and it remembers which
 * intermediates they were found to have signed (vouched.h).
 *
 * Elsewhere: the judgement (verify.h), the JSON form (bundle_document.h, when federation comes).
 * Source: SPIFFE Trust Domain and Bundle standard.
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_BUNDLE_H
#define SIGNET_CORE_TRUST_IDENTITY_BUNDLE_H

#include "core/runtime/base/buffer.h"
#include "core/trust/identity/certificate.h"
#include "core/trust/identity/spiffe_id.h"
#include "core/trust/identity/vouched.h"

#define BUNDLE_MAX (1 << 20)   /* bytes of one domain's roots, in PEM or DER */
#define BUNDLE_ROOTS_MAX 64    /* roots of one domain */
#define BUNDLE_DOMAINS_MAX 256 /* domains */
#define BUNDLE_SHA256_LEN 32

struct bundle;
struct bundle_domain; /* one domain's roots within a bundle */

/* What a bundle is made of: one domain and its roots, certificates in DER one after the other. */
struct bundle_part {
    struct bytes trust_domain; /* "example.org" */
    struct bytes roots_der;    /* may be empty: trust nothing */
};

/*
 * bundle_make makes a bundle of several domains. `parts` is borrowed for the call. The same root
 * given twice counts once. On STATUS_OK the caller must bundle_drop(*out_bundle).
 *
 * STATUS_PROTOCOL  "bundle/trust-domain", "bundle/twice" (a domain given twice), "bundle/der",
 *                  "bundle/root" (not a CA, or may not sign certificates), "public-key/…"
 * STATUS_LIMIT     "bundle/too-long", "bundle/too-many"
 */
enum status bundle_make(const struct bundle_part *parts, size_t num_parts, uint64_t sequence,
                        struct bundle **out_bundle, struct failure *why) MUST_USE;

/* bundle_parse_der makes a bundle of one domain from roots in DER, one after the other. */
enum status bundle_parse_der(struct bytes trust_domain, struct bytes roots_der, uint64_t sequence,
                             struct bundle **out_bundle, struct failure *why) MUST_USE;

/*
 * bundle_parse_pem makes a bundle of one domain from CERTIFICATE blocks. Text around the blocks is
 * passed over. Further errors: STATUS_PROTOCOL "bundle/pem", "bundle/empty" (no certificate in it).
 */
enum status bundle_parse_pem(struct bytes trust_domain, struct bytes pem, uint64_t sequence,
                             struct bundle **out_bundle, struct failure *why) MUST_USE;

/* bundle_ref adds a reference; bundle_drop gives one back and sets *bundle to NULL. Any thread. */
struct bundle *bundle_ref(struct bundle *bundle);
void bundle_drop(struct bundle **bundle);

/* bundle_sequence orders bundles: a holder never goes back to a lower one (I9). */
uint64_t bundle_sequence(const struct bundle *bundle);

/* bundle_same_roots tells whether both hold the same domains with the same roots, in any order. */
bool bundle_same_roots(const struct bundle *a, const struct bundle *b);

/*
 * bundle_num_domains counts the domains; bundle_domain is one of them; bundle_find looks one up, or
 * NULL.
 */
size_t bundle_num_domains(const struct bundle *bundle);
const struct bundle_domain *bundle_domain(const struct bundle *bundle, size_t index);
const struct bundle_domain *bundle_find(const struct bundle *bundle, struct bytes trust_domain);

/* bundle_domain_name is "example.org"; borrowed, as all below, for the bundle's life. */
struct bytes bundle_domain_name(const struct bundle_domain *domain);

/* bundle_num_roots counts a domain's roots; index below is less than that. */
size_t bundle_num_roots(const struct bundle_domain *domain);

/* bundle_root is a root taken apart; bundle_root_key its key, prepared. */
const struct certificate *bundle_root(const struct bundle_domain *domain, size_t index);
struct evp_pkey_st *bundle_root_key(const struct bundle_domain *domain, size_t index);

/*
 * bundle_root_sha256 is SHA-256 over a root's DER, BUNDLE_SHA256_LEN bytes: what --bundle-sha256
 * pins.
 */
const uint8_t *bundle_root_sha256(const struct bundle_domain *domain, size_t index);

/* bundle_vouched is the domain's memory of intermediates that its roots have signed. */
struct vouched *bundle_vouched(const struct bundle_domain *domain);

/* bundle_pem appends one domain's roots in PEM. STATUS_LIMIT "buffer/full". */
enum status bundle_pem(const struct bundle_domain *domain, struct buffer *out_pem) MUST_USE;

/*
 * bundle_der appends one domain's roots in DER, as bundle_parse_der takes them. STATUS_LIMIT
 * "buffer/full".
 */
enum status bundle_der(const struct bundle_domain *domain, struct buffer *out_der) MUST_USE;

#endif
