/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as people write them: what is read prints to what reads the same. */
#include <stdlib.h>

#include "core/runtime/net/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct address first;
    struct address second;
    struct failure why = {0};
    char text[ADDRESS_TEXT_MAX];

    if (address_parse(bytes_make(at, len), &first, &why) != STATUS_OK) {
        if (why.reason == NULL) {
            abort();
        }
        return 0;
    }
    if (address_parse(bytes_of(address_print(&first, text)), &second, NULL) != STATUS_OK ||
        !address_equal(&first, &second)) {
        abort();
    }
    return 0;
}
