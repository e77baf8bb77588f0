/* SPDX-License-Identifier: Apache-2.0 */
/* An answer about sockets of any bytes: read without harm, and nobody's socket is never somebody's. */
#include <stdlib.h>
#include <string.h>

#include "core/sidecar/capture/sockets.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static const uint32_t inodes[] = {1, 7, 0x01010101};
    struct sockets_ours ours = {
        .by_user = (len & 1) != 0, .uid = 1337, .inodes = inodes, .num_inodes = 3};
    struct sockets_view view = {0};
    struct failure why = {0};
    char text[SOCKETS_TEXT_MAX];
    bool last = false;
    enum status status = sockets_read(bytes_make(at, len), &ours, &view, &last, &why);

    sockets_print(&view, text);
    /* The least socket takes 16 bytes of head and more of body: more than fit were never seen. */
    if (view.others > len / 16 || (status != STATUS_OK && why.reason == NULL) ||
        memchr(text, '\0', sizeof text) == NULL) {
        abort();
    }
    return 0;
}
