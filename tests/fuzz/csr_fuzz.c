/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate requests: nothing but a whole, signed request comes through. */
#include <stdlib.h>

#include "core/trust/identity/csr.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    OWNED(csr) *csr = NULL;

    if (csr_parse(bytes_make(at, len), &csr, NULL) == STATUS_OK &&
        public_key_check(csr_public_key(csr), NULL) != STATUS_OK) {
        abort();
    }
    return 0;
}
