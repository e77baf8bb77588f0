/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk for SQLite whose power can be cut, and that can be full.
 *
 * It stands before SQLite's own VFS and becomes the default one. The files are real ones; beside each of
 * them it keeps what a disk would hold if the power went now: the content at the last sync, and of the
 * writes since then a part that is drawn, each whole, torn at a sector, or dropped. At the chosen operation
 * it puts those files into a folder and ends the process, as a power cut does.
 *
 * Not held against SQLite: a file's name, once there, stays; a removed file may come back.
 * Source: sqlite.org/vfs.html, sqlite.org/atomiccommit.html ("Hardware Assumptions").
 */
#ifndef SIGNET_TESTS_UNIT_CONTROL_STORE_POWER_H
#define SIGNET_TESTS_UNIT_CONTROL_STORE_POWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct power_plan {
    long cut_at;        /* the operation (write, sync, truncate, delete) before which it goes; 0: never */
    const char *folder; /* where the files go that are left */
    uint32_t seed;      /* of what is drawn */
    bool lies;          /* a sync does nothing: to see that the tests would notice */
    const volatile size_t *room; /* bytes that the files may hold together; NULL: power_set_room() */
};

/* power_install makes this disk SQLite's default. Once in a process. */
void power_install(const struct power_plan *plan);

/* power_operations is how many operations there were. */
long power_operations(void);

/* power_unsynced is the number of bytes that were written and not synced, in all files. */
size_t power_unsynced(void);

/* power_set_room: from now on the files may hold so many bytes together; SIZE_MAX: any number. */
void power_set_room(size_t room);

/* power_used is how many bytes they hold. */
size_t power_used(void);

#endif
