/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to a call, at either end and whether it carries one message or many: one shape.
 */
#ifndef SIGNET_CORE_RUNTIME_RPC_EVENT_H
#define SIGNET_CORE_RUNTIME_RPC_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/runtime/base/bytes.h"

/* Every message, in either direction, is at most this long. */
#define RPC_MESSAGE_MAX ((size_t)64 * 1024)

/* What a caller sends along with a call, names and values together. */
#define RPC_METADATA_MAX ((size_t)8 * 1024)

/* Longest reason word that is read from a peer. */
#define RPC_REASON_MAX 64

/* gRPC's status codes; the numbers are the wire's. Source: gRPC "Status codes and their use". */
enum rpc_code {
    RPC_OK = 0,
    RPC_CANCELLED = 1,
    RPC_UNKNOWN = 2,
    RPC_INVALID_ARGUMENT = 3,
    RPC_DEADLINE_EXCEEDED = 4,
    RPC_NOT_FOUND = 5,
    RPC_ALREADY_EXISTS = 6,
    RPC_PERMISSION_DENIED = 7,
    RPC_RESOURCE_EXHAUSTED = 8,
    RPC_FAILED_PRECONDITION = 9,
    RPC_ABORTED = 10,
    RPC_OUT_OF_RANGE = 11,
    RPC_UNIMPLEMENTED = 12,
    RPC_INTERNAL = 13,
    RPC_UNAVAILABLE = 14,
    RPC_DATA_LOSS = 15,
    RPC_UNAUTHENTICATED = 16,
};

enum rpc_event_kind {
    RPC_EVENT_MESSAGE, /* one whole message of the peer */
    RPC_EVENT_SENT,    /* the message given to a send function is with gRPC: the next may follow */
    RPC_EVENT_HALF_CLOSE, /* the peer sends no more messages (servers only) */
    RPC_EVENT_END,        /* the call is over; nothing follows */
};

struct rpc_event {
    enum rpc_event_kind kind;
    struct bytes message; /* MESSAGE: borrowed for the callback */
    enum rpc_code
        code; /* END, at a client: the status; at a server: OK, or CANCELLED when the client left */
    const char *
        reason; /* END: stable word, the peer's ("csr/der") or ours ("rpc/dns"); "" when OK */
    const char *detail; /* END: one printable line, or ""; borrowed */
    int64_t
        server_time_ms; /* END, at a client: the server's clock in Unix ms; 0 when it did not answer */
    bool sent; /* END, at a client: the request left over a connection whose server had proved itself */
};

/* rpc_code_word is the name of a status code as gRPC writes it ("UNAVAILABLE"); never NULL. */
const char *rpc_code_word(enum rpc_code code);

/*
 * rpc_code_of_status is the code that answers a status of ours: PROTOCOL INVALID_ARGUMENT, UNTRUSTED
 * UNAUTHENTICATED, DENIED PERMISSION_DENIED, NOT_FOUND NOT_FOUND, LIMIT RESOURCE_EXHAUSTED, WAIT and IO
 * UNAVAILABLE, CONFIG FAILED_PRECONDITION, CLOSED CANCELLED, OK OK.
 */
enum rpc_code rpc_code_of_status(enum status status);

#endif
