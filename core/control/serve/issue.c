/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/issue.h"

#include "core/trust/identity/csr.h"

int64_t issue_renew_at(int64_t issued_at, int64_t not_after, uint32_t drawn)
{
    int64_t life_s = not_after - issued_at;
    int64_t from_s = (life_s * ISSUE_RENEW_FROM + 99) / 100;
    int64_t to_s = life_s * ISSUE_RENEW_TO / 100;

    if (life_s <= 0 || to_s <= from_s) {
        return issued_at + (life_s > 0 ? to_s : 0);
    }
    return issued_at + from_s + (int64_t)(((uint64_t)drawn * (uint64_t)(to_s - from_s + 1)) >> 32);
}

/*
 * The whole rule, in order; no step is skipped for any caller. (The issuance log, a later issue, becomes
 * the last step before anything leaves us.)
 */
enum status issue(struct issuer *issuer, const struct issue_request *request,
                  struct issued *out_issued, struct failure *why)
{
    OWNED(csr) *csr = NULL;
    CLEARED(issued) made = {0};
    struct attest_proof proof = request->proof;
    struct authority_request order = {0};
    uint32_t drawn;

    TRY(csr_parse(request->csr_der, &csr, why)); /* checks the proof of possession too */
    proof.key = digest_of(csr_public_key(csr));
    TRY(request->attestor->attest(issuer->registry, &proof, &made.attested, why));
    order.id = &made.attested.entry.spiffe_id; /* who it is: never from the CSR */
    order.spki_der = csr_public_key(csr);
    order.life_s = made.attested.entry.max_life_s;
    order.revision = made.attested.revision;
    TRY(authority_issue(issuer->authority, &order, proof.now, &made.certificate, why));
    TRY(attest_issued(issuer->registry, &proof, &made.attested, made.certificate.serial_hex,
                      made.certificate.not_after, why));
    digest_draw(&drawn, sizeof drawn);
    made.renew_at = issue_renew_at(made.certificate.issued_at, made.certificate.not_after, drawn);
    *out_issued = made;
    made = (struct issued){0};
    return STATUS_OK;
}

void issued_clear(struct issued *issued)
{
    authority_issued_clear(&issued->certificate);
}
