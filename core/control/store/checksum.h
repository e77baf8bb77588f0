/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tells whether a store still holds what was written: a checksum of each record, and a tally of
 * all of them. Pure.
 *
 * Against damage, not against a forger: who can write the file can also make its checksums.
 * Source: FNV-1a, 64 bits (Fowler, Noll, Vo), its end mixed as in MurmurHash3: every change of one byte
 * changes it, and sums of such checksums do not cancel.
 */
#ifndef SIGNET_CORE_CONTROL_STORE_CHECKSUM_H
#define SIGNET_CORE_CONTROL_STORE_CHECKSUM_H

#include "core/runtime/base/bytes.h"

/* One record as it lies in the file. */
struct checksum_record {
    struct bytes key;
    struct bytes value;
    int64_t revision;
};

/*
 * What the file says of all records together. A record that is lost, doubled or older than it should
 * be is in order by itself, but then count or total do not fit.
 */
struct checksum_tally {
    int64_t last;    /* revision of the last transaction */
    int64_t commits; /* how often the file was written: also by store_probe(), which has no revision */
    int64_t count;   /* of records */
    uint64_t total;  /* sum of their checksums, modulo 2^64 */
};

/* checksum_of_record is over key, value and revision, each within bounds of its own. */
uint64_t checksum_of_record(const struct checksum_record *record);

/* checksum_of_tally guards the tally itself. */
uint64_t checksum_of_tally(const struct checksum_tally *tally);

#endif
