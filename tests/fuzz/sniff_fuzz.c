/* SPDX-License-Identifier: Apache-2.0 */
/* First bytes of a connection: what is said of a part is never turned round by more of the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "core/sidecar/capture/sniff.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct sniff whole;
    struct sniff part;

    sniff_bytes(bytes_make(at, len), &whole);
    if (memchr(whole.sni, '\0', sizeof whole.sni) == NULL ||
        whole.protocols_len > sizeof whole.protocols ||
        (whole.kind == SNIFF_MORE && len >= SNIFF_MAX)) {
        abort();
    }
    sniff_bytes(bytes_make(at, len / 2), &part);
    if (part.kind != SNIFF_MORE && len < SNIFF_MAX && part.kind != whole.kind &&
        whole.kind == SNIFF_MORE) {
        abort();
    }
    return 0;
}
