/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/attest.h"

#include "core/control/registry/instance.h"

struct attest_record {
    const struct attested *attested;
    struct instance_certificate certificate;
};

static enum status attest_record_issued(struct store *store, void *user, struct failure *why)
{
    const struct attest_record *record = user;

    return instance_issued(store, record->attested->entry.name, record->attested->instance,
                           &record->certificate, why);
}

enum status attest_issued(struct registry *registry, const struct attest_proof *proof,
                          const struct attested *attested, const char *serial, int64_t expires_at,
                          struct failure *why)
{
    struct attest_record record = {
        .attested = attested,
        .certificate = {
            .serial = serial, .issued_at = proof->now, .expires_at = expires_at}};

    if (proof->leaf != NULL) {
        record.certificate.used = bytes_of(proof->leaf->serial_hex);
    }
    return store_change(registry->store, attest_record_issued, &record, why);
}
