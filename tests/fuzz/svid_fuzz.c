/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificate chains, in DER and in PEM: parsed, and judged against a bundle made of the chain's
 * own last certificate, so that the path search and the name constraints are reached too.
 */
#include <stdlib.h>

#include "core/trust/identity/svid.h"
#include "core/trust/identity/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void judge(struct bytes all)
{
    struct bytes chain[VERIFY_CERTS_MAX + 2];
    size_t num_certs = 0;
    OWNED(bundle) *bundle = NULL;
    struct certificate leaf;
    struct spiffe_id id;
    struct verified_peer peer;

    while (num_certs < VERIFY_CERTS_MAX + 2 && certificate_next(&all, &chain[num_certs])) {
        num_certs++;
    }
    if (num_certs == 0 || certificate_parse(chain[0], &leaf, NULL) != STATUS_OK ||
        spiffe_id_parse(leaf.uri, &id, NULL) != STATUS_OK ||
        bundle_parse_der(spiffe_id_trust_domain(&id), chain[num_certs - 1], 1, &bundle, NULL) !=
            STATUS_OK) {
        return;
    }
    if (verify_peer(bundle, chain, num_certs, VERIFY_CLIENT, leaf.not_before, &peer, NULL) ==
            STATUS_OK &&
        (!spiffe_id_equal(&peer.id, &id) || peer.expires_at > leaf.not_after)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    OWNED(svid) *svid = NULL;
    OWNED(svid) *from_pem = NULL;

    if (svid_parse(bytes_make(at, len), NULL, &svid, NULL) == STATUS_OK &&
        (svid_parse_pem(svid_chain_pem(svid), bytes_of(""), &from_pem, NULL) != STATUS_OK ||
         !bytes_equal(svid_chain_der(svid), svid_chain_der(from_pem)))) {
        abort();
    }
    judge(bytes_make(at, len));
    return 0;
}
