/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trust bundles and keys in PEM, as read from files: a bundle that is read is written and read
 * again.
 */
#include <stdlib.h>

#include "core/trust/identity/bundle.h"
#include "core/trust/identity/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    OWNED(bundle) *bundle = NULL;
    OWNED(bundle) *again = NULL;
    OWNED(key) *key = NULL;
    CLEARED(buffer) pem;

    buffer_init(&pem, 2 * BUNDLE_MAX);
    (void)!key_parse(bytes_make(at, len), &key, NULL);
    if (bundle_parse_pem(bytes_of("td"), bytes_make(at, len), 1, &bundle, NULL) != STATUS_OK) {
        return 0;
    }
    if (bundle_pem(bundle_domain(bundle, 0), &pem) != STATUS_OK ||
        bundle_parse_pem(bytes_of("td"), buffer_bytes(&pem), 1, &again, NULL) != STATUS_OK ||
        !bundle_same_roots(bundle, again)) {
        abort();
    }
    return 0;
}
