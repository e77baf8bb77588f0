/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/store/checksum.h"

#define CHECKSUM_BASIS ((uint64_t)0xcbf29ce484222325)
#define CHECKSUM_PRIME ((uint64_t)0x100000001b3)

static uint64_t checksum_bytes(uint64_t sum, struct bytes more)
{
    for (size_t i = 0; i < more.len; i++) {
        sum = (sum ^ more.at[i]) * CHECKSUM_PRIME;
    }
    return sum;
}

/* Least byte first, on every machine. */
static uint64_t checksum_number(uint64_t sum, uint64_t number)
{
    uint8_t digits[8];

    for (size_t i = 0; i < sizeof digits; i++) {
        digits[i] = (uint8_t)(number >> (8 * i));
    }
    return checksum_bytes(sum, bytes_make(digits, sizeof digits));
}

static uint64_t checksum_end(uint64_t sum)
{
    sum = (sum ^ sum >> 33) * 0xff51afd7ed558ccd;
    sum = (sum ^ sum >> 33) * 0xc4ceb9fe1a85ec53;
    return sum ^ sum >> 33;
}

uint64_t checksum_of_record(const struct checksum_record *record)
{
    uint64_t sum = checksum_number(CHECKSUM_BASIS, record->key.len);

    sum = checksum_bytes(sum, record->key);
    sum = checksum_number(sum, record->value.len);
    sum = checksum_bytes(sum, record->value);
    return checksum_end(checksum_number(sum, (uint64_t)record->revision));
}

uint64_t checksum_of_tally(const struct checksum_tally *tally)
{
    uint64_t sum = checksum_number(CHECKSUM_BASIS, (uint64_t)tally->last);

    sum = checksum_number(sum, (uint64_t)tally->commits);
    sum = checksum_number(sum, (uint64_t)tally->count);
    return checksum_end(checksum_number(sum, tally->total));
}
