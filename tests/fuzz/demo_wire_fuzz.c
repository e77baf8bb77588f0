/* SPDX-License-Identifier: Apache-2.0 */
/* A capture's bytes, headers and all: packets of a peer, judged by the demo. */
#include <stdlib.h>

#include "cmd/signet/demo_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct demo_wire_verdict verdict = {0};

    if (demo_wire_judge(bytes_make(at, len), 8080, bytes_of("canary"), &verdict, NULL) !=
        STATUS_OK) {
        return 0;
    }
    /* Every byte is counted in exactly one way, but for a record's header that is not complete yet. */
    if (verdict.record_bytes + verdict.outside_bytes + verdict.unjudged_bytes >
            verdict.tcp_bytes + 5 * verdict.connections ||
        verdict.tls13_hellos > verdict.server_hellos || verdict.tcp_bytes > len) {
        abort();
    }
    return 0;
}
