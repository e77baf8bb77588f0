/* SPDX-License-Identifier: Apache-2.0 */
/* Two socket addresses of any bytes: judged without harm, and the listener's own never lets through. */
#include <stdlib.h>

#include "core/sidecar/capture/original_dst.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct address own;
    struct address answer;
    char text[ADDRESS_TEXT_MAX];
    uint16_t port;
    /* The system aligns what it gives. */
    union {
        struct sockaddr any;
        struct sockaddr_storage room;
    } raw[2] = {0};

    for (size_t i = 0; i < len && i < 2 * sizeof(struct sockaddr_un); i++) {
        ((uint8_t *)&raw[i / sizeof(struct sockaddr_un)])[i % sizeof(struct sockaddr_un)] = at[i];
    }
    own = address_of_sockaddr(&raw[0].any, sizeof(struct sockaddr_un));
    answer = address_of_sockaddr(&raw[1].any, sizeof(struct sockaddr_un));
    port = address_port(&own);
    (void)address_print(&own, text);
    (void)address_print(&answer, text);
    if (port != 0 && original_dst_judge(&own, &own, port, NULL) == STATUS_OK) {
        abort();
    }
    if (original_dst_judge(&answer, &own, port, NULL) == STATUS_OK && address_port(&answer) == 0) {
        abort();
    }
    return 0;
}
