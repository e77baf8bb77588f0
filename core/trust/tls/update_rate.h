/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often a peer may renew its key (KeyUpdate, RFC 8446 section 4.6.3). Each update costs us some
 * microseconds and the peer nothing, and the library's own limit (32 in a row) is reset by any byte of
 * the application. So: UPDATE_RATE_BURST at once, and one more for each second that passes. Pure.
 */
#ifndef SIGNET_CORE_TRUST_TLS_UPDATE_RATE_H
#define SIGNET_CORE_TRUST_TLS_UPDATE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define UPDATE_RATE_BURST 32u

/* Zeroed, nothing has been counted. */
struct update_rate {
    uint64_t since_ms; /* monotonic; up to here `counted` has been lowered */
    unsigned counted;
};

/* update_rate_allows counts an update of now; false: it is one too many. */
bool update_rate_allows(struct update_rate *rate, uint64_t now_ms);

#endif
