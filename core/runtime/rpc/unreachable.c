/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/rpc/unreachable.h"

#include <stddef.h>
#include <string.h>

/* The first that is in the text counts: from what happens early in a connection to what happens late. */
static const struct {
    const char *part, *reason;
} rpc_unreachable_rows[] = {
    {"errors resolving", "rpc/dns"},
    {"ookup failed", "rpc/dns"},
    {"No results from DNS", "rpc/dns"},
    {"Connection refused", "rpc/connection-refused"},
    {"No route to host", "rpc/no-route"},
    {"Network is unreachable", "rpc/no-route"},
    {"_ALERT_", "rpc/tls-alert"},
    {"WRONG_VERSION_NUMBER", "rpc/not-tls"},
    {"HTTP_REQUEST", "rpc/not-tls"},
    {"handshake failed", "rpc/tls"},
    {"timed out", "rpc/connect-timeout"},
    {"Handshake read failed", "rpc/connection-lost"},
    {"Connection reset", "rpc/connection-lost"},
    {"Socket closed", "rpc/connection-lost"},
    {"Broken pipe", "rpc/connection-lost"},
};

const char *rpc_unreachable_reason(const char *detail)
{
    for (size_t i = 0; i < sizeof rpc_unreachable_rows / sizeof rpc_unreachable_rows[0]; i++) {
        if (strstr(detail, rpc_unreachable_rows[i].part) != NULL) {
            return rpc_unreachable_rows[i].reason;
        }
    }
    return "rpc/unreachable";
}
