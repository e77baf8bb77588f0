/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/tls/tls_pipe.h"

#include <openssl/bio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static int tls_pipe_read(BIO *bio, char *out, int len)
{
    struct tls_pipe *pipe = BIO_get_data(bio);
    struct tls_pipe_call *call = pipe->call;
    uint8_t *scratch = worker_scratch(pipe->worker, TLS_PIPE_SCRATCH_IN);
    size_t have;

    if (call->in_used == call->in_len && call->in_room > 0) {
        size_t got = 0;

        call->in_said = stream_read(pipe->lower, scratch, call->in_room, &got, &call->io);
        call->in_room = 0;
        call->in_used = 0;
        call->in_len = call->in_said == STATUS_OK ? got : 0;
    }
    have = call->in_len - call->in_used;
    if (have == 0) {
        pipe->missing = (uint32_t)len;
        BIO_clear_retry_flags(bio);
        if (call->in_said == STATUS_CLOSED) {
            return 0;
        }
        if (call->in_said == STATUS_OK || call->in_said == STATUS_WAIT) {
            BIO_set_retry_read(bio);
        }
        return -1;
    }
    have = have < (size_t)len ? have : (size_t)len;
    memcpy(out, scratch + call->in_used, have);
    call->in_used += have;
    return (int)have;
}

static int tls_pipe_write(BIO *bio, const char *from, int len)
{
    struct tls_pipe *pipe = BIO_get_data(bio);
    uint8_t *scratch = worker_scratch(pipe->worker, TLS_PIPE_SCRATCH_OUT);
    size_t room = WORKER_SCRATCH_SIZE - pipe->call->out_len;
    size_t take = (size_t)len < room ? (size_t)len : room;

    BIO_clear_retry_flags(bio);
    if (take == 0) { /* cannot be: tls_stream bounds what is sealed at once */
        BIO_set_retry_write(bio);
        return -1;
    }
    memcpy(scratch + pipe->call->out_len, from, take);
    pipe->call->out_len += take;
    return (int)take;
}

static long tls_pipe_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *tls_pipe_method;
static pthread_once_t tls_pipe_once = PTHREAD_ONCE_INIT;

static void tls_pipe_prepare(void)
{
    tls_pipe_method = BIO_meth_new(0, "stream");
    if (tls_pipe_method == NULL || BIO_meth_set_read(tls_pipe_method, tls_pipe_read) != 1 ||
        BIO_meth_set_write(tls_pipe_method, tls_pipe_write) != 1 ||
        BIO_meth_set_ctrl(tls_pipe_method, tls_pipe_control) != 1) {
        abort();
    }
}

void tls_pipe_begin(struct tls_pipe *pipe, struct tls_pipe_call *call, size_t room)
{
    call->in_used = 0;
    call->in_len = 0;
    call->in_room = room;
    call->in_said = STATUS_WAIT;
    call->out_len = 0;
    call->io.reason = NULL;
    call->verdict = NULL;
    pipe->call = call;
}

struct bio_st *tls_pipe_bio(struct tls_pipe *pipe)
{
    BIO *made;

    (void)pthread_once(&tls_pipe_once, tls_pipe_prepare);
    made = BIO_new(tls_pipe_method);
    if (made != NULL) {
        BIO_set_data(made, pipe);
        BIO_set_init(made, 1);
    }
    return made;
}
