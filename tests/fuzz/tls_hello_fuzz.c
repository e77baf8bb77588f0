/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of an unknown peer to a TLS session of ours, in pieces whose sizes the bytes choose: it ends, or
 * waits, and never believes anyone. The identity is made once.
 */
#include <stdlib.h>
#include <string.h>

#include "core/trust/tls/tls_stream.h"
#include "tests/support/memory_stream.h"
#include "tests/support/test_ca.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

struct tls_hello {
    struct worker worker;
    struct tls_slot slot;
};

static struct tls_hello *tls_hello_open(void)
{
    static struct tls_hello hello;
    struct posture posture = posture_default();

    if (hello.slot.current == NULL) {
        OWNED(test_ca) *root = test_ca_root("example.org");
        OWNED(identity_set) *set =
            test_ca_identity_set(root, "spiffe://example.org/ns/shop/sa/pay", 1);

        worker_init_main(&hello.worker);
        if (tls_context_make(set, &posture, &hello.slot.current, NULL) != STATUS_OK) {
            abort();
        }
    }
    return &hello;
}

static void tls_hello_told(void *user, unsigned events)
{
    (void)user;
    (void)events;
}

/* Feeds all of it; gives the handshake's last answer. */
static enum status tls_hello_feed(struct tls_hello *hello, struct stream *tls, struct stream *far,
                                  struct bytes rest, struct failure *why)
{
    enum status status = STATUS_WAIT;
    size_t piece = rest.len > 0 ? 1 + rest.at[rest.len - 1] : 1;

    while (rest.len > 0 && status == STATUS_WAIT) {
        size_t sent = 0;

        if (stream_write(far, bytes_make(rest.at, rest.len < piece ? rest.len : piece), &sent,
                         NULL) == STATUS_OK) {
            rest = bytes_skip(rest, sent);
        }
        stream_interest(far, STREAM_WRITABLE);
        (void)uv_run(&hello->worker.loop, UV_RUN_NOWAIT);
        status = tls_stream_handshake(tls, why);
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct tls_hello *hello = tls_hello_open();
    struct memory_stream_plan plan = {.room = 65536, .chunk = 65536};
    struct failure why = {0};
    struct stream *ends[2];
    struct stream *tls;
    enum status status;

    if (len == 0) {
        return 0;
    }
    memory_stream_pair(&hello->worker, &plan, ends);
    tls = tls_stream_start(&hello->worker, &hello->slot,
                           (at[0] & 0x40) != 0 ? TLS_CLIENT : TLS_SERVER, ends[0], NULL);
    stream_own(tls, tls_hello_told, NULL);
    stream_own(ends[1], tls_hello_told, NULL);
    status = tls_stream_handshake(tls, &why);
    if (status == STATUS_WAIT) {
        status = tls_hello_feed(hello, tls, ends[1], bytes_make(at, len), &why);
    }
    if (status == STATUS_OK || tls_stream_peer(tls) != NULL ||
        (status != STATUS_WAIT && why.reason == NULL)) {
        abort();
    }
    stream_close(&tls, false);
    stream_close(&ends[1], false);
    (void)uv_run(&hello->worker.loop, UV_RUN_NOWAIT);
    return 0;
}
