/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/rpc/event.h"

static const char *const rpc_code_words[] = {
    [RPC_OK] = "OK",
    [RPC_CANCELLED] = "CANCELLED",
    [RPC_UNKNOWN] = "UNKNOWN",
    [RPC_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
    [RPC_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
    [RPC_NOT_FOUND] = "NOT_FOUND",
    [RPC_ALREADY_EXISTS] = "ALREADY_EXISTS",
    [RPC_PERMISSION_DENIED] = "PERMISSION_DENIED",
    [RPC_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
    [RPC_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
    [RPC_ABORTED] = "ABORTED",
    [RPC_OUT_OF_RANGE] = "OUT_OF_RANGE",
    [RPC_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [RPC_INTERNAL] = "INTERNAL",
    [RPC_UNAVAILABLE] = "UNAVAILABLE",
    [RPC_DATA_LOSS] = "DATA_LOSS",
    [RPC_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

const char *rpc_code_word(enum rpc_code code)
{
    if ((unsigned)code >= sizeof rpc_code_words / sizeof rpc_code_words[0]) {
        return "UNKNOWN";
    }
    return rpc_code_words[code];
}

enum rpc_code rpc_code_of_status(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return RPC_OK;
    case STATUS_CLOSED:
        return RPC_CANCELLED;
    case STATUS_PROTOCOL:
        return RPC_INVALID_ARGUMENT;
    case STATUS_UNTRUSTED:
        return RPC_UNAUTHENTICATED;
    case STATUS_DENIED:
        return RPC_PERMISSION_DENIED;
    case STATUS_NOT_FOUND:
        return RPC_NOT_FOUND;
    case STATUS_LIMIT:
        return RPC_RESOURCE_EXHAUSTED;
    case STATUS_CONFIG:
        return RPC_FAILED_PRECONDITION;
    case STATUS_WAIT:
    case STATUS_IO:
        break;
    }
    return RPC_UNAVAILABLE;
}
