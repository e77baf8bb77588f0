/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serial numbers: what a certificate says about when it was issued, in the store's time.
 *
 *     0x41 | the store's revision, 8 bytes, big endian | 11 random bytes
 *
 * The first byte keeps the number positive and of one length, 20 bytes, the most that RFC 5280 4.1.2.2
 * allows; 88 random bits keep it from being guessed. The revision tells whether a leaf was issued before
 * or after a change of the registry, whatever any clock says: only our own signer writes it, and whoever
 * reads it has verified the leaf first. It shows to peers when the control plane was started, about, and how
 * many changes its store has seen since; no more.
 *
 * Leaves of versions before this layout have 16 bytes and tell no revision. Pure; any thread.
 */
#ifndef SIGNET_CORE_CONTROL_CA_SERIAL_H
#define SIGNET_CORE_CONTROL_CA_SERIAL_H

#include "core/runtime/base/bytes.h"

#define SERIAL_LEN 20
#define SERIAL_RANDOM_LEN 11

/*
 * serial_make puts a serial number together. `revision` is 0 for what no entry is behind (an authority,
 * the control plane's own leaf); `random` is drawn anew for each certificate.
 */
void serial_make(int64_t revision, const uint8_t random[SERIAL_RANDOM_LEN],
                 uint8_t out_serial[SERIAL_LEN]);

/*
 * serial_revision reads the revision out of a verified certificate's serial number in hex. 0 when it has
 * another form: it was issued by an older version, or not by us.
 */
int64_t serial_revision(struct bytes serial_hex);

#endif
