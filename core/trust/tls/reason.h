/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the TLS library's errors and the peer's alerts to our reason words, and from a refusal of
 * verify_peer() to the alert that tells the peer. Pure.
 */
#ifndef SIGNET_CORE_TRUST_TLS_REASON_H
#define SIGNET_CORE_TRUST_TLS_REASON_H

#include <stdint.h>

#include "core/runtime/base/status.h"

/*
 * reason_of_library turns a packed error of the library (ERR_peek_error) into a status and a reason,
 * as listed at tls_stream_handshake().
 */
enum status reason_of_library(uint32_t packed, struct failure *why);

/* reason_alert_of_verify is the alert for a refusal of verify_peer() or of the expected identity. */
uint8_t reason_alert_of_verify(const char *reason);

/* reason_status_of_verify is the status that belongs to such a reason. */
enum status reason_status_of_verify(const char *reason);

#endif
