/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/ca/serial.h"

#include <string.h>

#define SERIAL_LAYOUT 0x41
#define SERIAL_REVISION_LEN 8

void serial_make(int64_t revision, const uint8_t random[SERIAL_RANDOM_LEN],
                 uint8_t out_serial[SERIAL_LEN])
{
    uint8_t *at = out_serial;

    *at++ = SERIAL_LAYOUT;
    for (int shift = 56; shift >= 0; shift -= 8) {
        *at++ = (uint8_t)((uint64_t)revision >> shift);
    }
    memcpy(at, random, SERIAL_RANDOM_LEN);
}

int64_t serial_revision(struct bytes serial_hex)
{
    uint8_t serial[SERIAL_LEN];
    uint64_t revision = 0;

    if (!bytes_from_hex(serial_hex, serial, sizeof serial) || serial[0] != SERIAL_LAYOUT) {
        return 0;
    }
    for (size_t i = 1; i <= SERIAL_REVISION_LEN; i++) {
        revision = revision << 8 | serial[i];
    }
    return revision > INT64_MAX ? 0 : (int64_t)revision;
}
