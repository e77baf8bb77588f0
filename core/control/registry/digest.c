/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/digest.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/random.h>

struct digest digest_of(struct bytes all)
{
    struct digest digest;

    (void)SHA256(all.at, all.len, digest.at);
    return digest;
}

struct bytes digest_bytes(const struct digest *digest)
{
    return bytes_make(digest->at, sizeof digest->at);
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return bytes_equal_secret(digest_bytes(a), digest_bytes(b));
}

void digest_draw(void *out, size_t len)
{
    uint8_t *at = out;

    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);

        if (got < 0 && errno != EINTR) {
            abort();
        }
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}
