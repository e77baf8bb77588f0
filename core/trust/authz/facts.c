/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verified SPIFFE ID taken apart for the decision. See facts.h.
 */
#include "core/trust/authz/facts.h"

bool facts_set_peer(struct facts *facts, struct bytes spiffe_id)
{
    const struct bytes scheme = bytes_of("spiffe://");
    struct bytes rest;
    struct bytes parts[5]; /* trust domain, "ns", NS, "sa", SA */
    size_t num_parts = 0;

    if (!bytes_starts(spiffe_id, scheme) || spiffe_id.len == scheme.len) {
        return false;
    }
    rest = bytes_skip(spiffe_id, scheme.len);
    facts->has_peer = true;
    facts->principal = rest;
    while (num_parts < 5 && rest.at != NULL) {
        parts[num_parts++] = bytes_split(&rest, '/');
    }
    facts->trust_domain = parts[0];
    facts->namespace = (struct bytes){0};
    facts->service_account = (struct bytes){0};
    if (num_parts == 5 && rest.at == NULL && bytes_equal_text(parts[1], "ns") &&
        bytes_equal_text(parts[3], "sa")) {
        facts->namespace = parts[2];
        facts->service_account = parts[4];
    }
    return true;
}
