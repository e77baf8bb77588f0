/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is written down of a connection: its lines in the access log, its counts in the metrics.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_RECORD_H
#define SIGNET_CORE_SIDECAR_PROXY_RECORD_H

#include "core/sidecar/proxy/connection.h"

/* record_open writes the opening line and counts it: the relay is about to begin. */
void record_open(struct connection *connection);

/*
 * record_end writes the last line: "close" when it was open, else "refused". `why` has reason NULL for
 * an ordinary end.
 */
void record_end(struct connection *connection, enum status status, const struct failure *why);

/* record_handshake and record_dial count how one of them ended; reason NULL: well. */
void record_handshake(struct connection *connection, enum status status, const char *reason);
void record_dial(struct connection *connection, enum status status, const char *reason);

/*
 * record_transport_word is what its network side speaks: "mtls", "plaintext", or "tls-one-way" to a
 * server that did not ask who we are.
 */
const char *record_transport_word(const struct connection *connection);

/* record_direction is the metrics' label of its direction. */
enum metrics_label record_direction(const struct connection *connection);

#endif
