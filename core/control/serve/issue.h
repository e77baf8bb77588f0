/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule of issuing, in order: a request that proves possession, an attested caller, a certificate
 * with the identity of his entry.
 *
 * Elsewhere: who asks over the network (certificates.h), the profile (ca/sign.h). The control plane's
 * thread only.
 */
#ifndef SIGNET_CORE_CONTROL_SERVE_ISSUE_H
#define SIGNET_CORE_CONTROL_SERVE_ISSUE_H

#include "core/control/ca/authority.h"
#include "core/control/registry/attest.h"

/* A renewal is due between these parts of a certificate's life, in percent. */
#define ISSUE_RENEW_FROM 33
#define ISSUE_RENEW_TO 50

/* With what we issue; all borrowed, and outliving the issuer. */
struct issuer {
    struct registry *registry;
    struct authority *authority;
};

struct issue_request {
    const struct attestor *attestor;
    struct attest_proof proof; /* `key` is not looked at: it comes from the CSR */
    struct bytes csr_der;
};

/* What was issued, and to whom. */
struct issued {
    struct attested attested;
    struct authority_issued certificate;
    int64_t renew_at; /* Unix s */
};

/*
 * issue turns a CSR into a certificate. A request that fails before the attestation has used nothing
 * up; one that fails after it, for whatever reason, may be repeated with the same key (token_use.h).
 *
 * Errors of csr_parse, of the attestor, of authority_issue, and "store/…".
 */
enum status issue(struct issuer *issuer, const struct issue_request *request,
                  struct issued *out_issued, struct failure *why) MUST_USE;

/* issued_clear frees it; a zeroed struct may be cleared. */
void issued_clear(struct issued *issued);

/*
 * issue_renew_at is the moment for a renewal: `drawn`, uniform in all of its range, chooses it uniformly
 * between ISSUE_RENEW_FROM and ISSUE_RENEW_TO percent of the life from `issued_at` on. Pure.
 */
int64_t issue_renew_at(int64_t issued_at, int64_t not_after, uint32_t drawn);

#endif
