/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SPIFFE ID: who a workload is, as text. A value; pure; any thread.
 *
 * Nothing is normalised: what is not in canonical form is refused, and two IDs are equal when their
 * bytes are.
 *
 * Elsewhere: which certificate carries it (svid.h), who vouches for it (verify.h).
 * Source: SPIFFE-ID standard, section 2.
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_SPIFFE_ID_H
#define SIGNET_CORE_TRUST_IDENTITY_SPIFFE_ID_H

#include "core/runtime/base/bytes.h"

#define SPIFFE_ID_MAX 2048
#define SPIFFE_ID_TRUST_DOMAIN_MAX 255

struct spiffe_id {
    char text[SPIFFE_ID_MAX + 1]; /* "spiffe://…", NUL-terminated; only the first len + 1 count */
    uint16_t len;                 /* bytes of text, without the NUL */
    uint16_t trust_domain_len;    /* bytes of the trust domain, which begins at text + 9 */
};

/*
 * spiffe_id_parse reads an ID. The path may be empty: that is the trust domain itself, which no
 * leaf may carry (svid.h and verify.h see to it).
 *
 * STATUS_PROTOCOL  "spiffe-id/empty", "spiffe-id/scheme", "spiffe-id/trust-domain" (missing, a
 *                  character outside a-z 0-9 . - _, longer than 255), "spiffe-id/path" (a character
 *                  outside a-z A-Z 0-9 . - _, an empty or dot segment, a trailing slash),
 *                  "spiffe-id/query" (a query or a fragment)
 * STATUS_LIMIT     "spiffe-id/too-long" (more than SPIFFE_ID_MAX bytes)
 * Source: SPIFFE-ID 2.1 to 2.4.
 */
enum status spiffe_id_parse(struct bytes text, struct spiffe_id *out_id,
                            struct failure *why) MUST_USE;

/*
 * spiffe_id_of makes spiffe://trust_domain/ns/namespace/sa/service_account, and spiffe_id_of_domain
 * spiffe://trust_domain. A part that is empty or holds a slash is refused. Errors: of
 * spiffe_id_parse.
 */
enum status spiffe_id_of(struct bytes trust_domain, struct bytes namespace,
                         struct bytes service_account, struct spiffe_id *out_id,
                         struct failure *why) MUST_USE;
enum status spiffe_id_of_domain(struct bytes trust_domain, struct spiffe_id *out_id,
                                struct failure *why) MUST_USE;

/* spiffe_id_text is the whole ID; it and the slices below borrow from `id`. */
struct bytes spiffe_id_text(const struct spiffe_id *id);

/* spiffe_id_trust_domain is the part after "spiffe://"; spiffe_id_path what follows, or empty. */
struct bytes spiffe_id_trust_domain(const struct spiffe_id *id);
struct bytes spiffe_id_path(const struct spiffe_id *id);

/*
 * spiffe_id_namespace and spiffe_id_service_account read the convention of Kubernetes,
 * /ns/NAMESPACE/sa/SERVICE_ACCOUNT. Both are empty when the path is anything else.
 */
struct bytes spiffe_id_namespace(const struct spiffe_id *id);
struct bytes spiffe_id_service_account(const struct spiffe_id *id);

/* spiffe_id_equal compares byte by byte. */
bool spiffe_id_equal(const struct spiffe_id *a, const struct spiffe_id *b);

/* spiffe_id_copy copies only the bytes in use (the struct is two KiB). */
void spiffe_id_copy(const struct spiffe_id *from, struct spiffe_id *out_to);

#endif
