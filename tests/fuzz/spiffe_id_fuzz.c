/* SPDX-License-Identifier: Apache-2.0 */
/* SPIFFE IDs: what is accepted prints as it was read, and its parts lie within it. */
#include <stdlib.h>

#include "core/trust/identity/spiffe_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct spiffe_id id;
    struct spiffe_id again;
    struct failure why = {0};

    if (spiffe_id_parse(bytes_make(at, len), &id, &why) != STATUS_OK) {
        if (why.reason == NULL) {
            abort();
        }
        return 0;
    }
    if (!bytes_equal(spiffe_id_text(&id), bytes_make(at, len)) ||
        spiffe_id_trust_domain(&id).len == 0 ||
        9 + spiffe_id_trust_domain(&id).len + spiffe_id_path(&id).len != len) {
        abort();
    }
    if (spiffe_id_namespace(&id).len > 0 &&
        (spiffe_id_of(spiffe_id_trust_domain(&id), spiffe_id_namespace(&id),
                      spiffe_id_service_account(&id), &again, NULL) != STATUS_OK ||
         !spiffe_id_equal(&id, &again))) {
        abort();
    }
    return 0;
}
