/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the TLS library sees of the network: a BIO over the worker's scratch memory. It reads what one
 * read from the stream below gave, and writes into a scratch area whose content tls_stream then sends.
 * Nothing stays in it between two calls. The worker's thread.
 */
#ifndef SIGNET_CORE_TRUST_TLS_TLS_PIPE_H
#define SIGNET_CORE_TRUST_TLS_TLS_PIPE_H

#include "core/runtime/loop/worker.h"
#include "core/runtime/net/stream.h"

struct bio_st;

/* The areas of worker_scratch() that it uses; the third is the owner's. */
enum { TLS_PIPE_SCRATCH_IN = 0, TLS_PIPE_SCRATCH_OUT = 2 };

/* What is true within one call of tls_stream only; on its stack. */
struct tls_pipe_call {
    size_t in_used;          /* of the bytes that came, what the library took, */
    size_t in_len;           /* and what there is */
    size_t in_room;          /* how much may be read from below in this call; 0: no more */
    size_t out_len;          /* what the library wrote */
    enum status in_said;     /* what reading from below last said */
    struct failure io;       /* why it failed */
    struct failure *verdict; /* of verification, for the handshake's answer; borrowed */
};

struct tls_pipe {
    struct worker *worker;      /* borrowed */
    struct stream *lower;       /* borrowed */
    struct tls_pipe_call *call; /* the present one */
    uint32_t missing;           /* bytes that the library asked for in vain, at last */
};

/* tls_pipe_begin begins a call: empty scratch, one read of `room` bytes at most. */
void tls_pipe_begin(struct tls_pipe *pipe, struct tls_pipe_call *call, size_t room);

/* tls_pipe_bio makes the BIO of a pipe that outlives it; NULL when the library gives none. */
struct bio_st *tls_pipe_bio(struct tls_pipe *pipe);

#endif
