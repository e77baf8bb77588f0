/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends of a byte channel in memory, each a stream, that behave like a socket at its worst: bytes
 * come in pieces of any size, a write takes any part of what it is given, and how much is drawn from
 * a seed. Events come from the loop, level-triggered; when nothing can happen, nothing runs.
 *
 * Every rule of stream.h that binds the owner is checked with abort(): the room of a read, that no
 * event is asked for after the close.
 */
#ifndef SIGNET_TESTS_SUPPORT_MEMORY_STREAM_H
#define SIGNET_TESTS_SUPPORT_MEMORY_STREAM_H

#include "core/runtime/loop/worker.h"
#include "core/runtime/net/stream.h"

struct memory_stream_plan {
    size_t room;   /* bytes on their way in one direction, at most */
    size_t chunk;  /* shown to a reader, or taken from a writer, in one turn of the loop, at most */
    uint32_t seed; /* 0: always as much as goes; else a random part of it, at times nothing */
};

/* memory_stream_pair makes both ends; each is closed by its owner. */
void memory_stream_pair(struct worker *worker, const struct memory_stream_plan *plan,
                        struct stream *out_ends[2]);

/* memory_stream_stall: while `yes`, this end's peer is not read, as far as its writes can tell. */
void memory_stream_stall(struct stream *end, bool yes);

/* memory_stream_waiting is how many bytes wait to be read at this end. */
size_t memory_stream_waiting(const struct stream *end);

/* memory_stream_quiet: nothing can happen at either end before somebody calls a function. */
bool memory_stream_quiet(const struct stream *end);

#endif
