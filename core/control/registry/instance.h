/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances: the workloads that hold an entry's identity now. An instance begins with a use of a join
 * token, which names it, and is followed from certificate to certificate by their serial numbers; it
 * ends when its last certificate does. An entry's max_instances counts them.
 *
 * Its last two serial numbers count: a reply may be lost, and then the older leaf asks again. A leaf
 * that is older than that is a copy, or the store was restored: it is taken for a new instance, and
 * that is told.
 *
 * A clock that is ahead for a moment ends nobody for good: records of ended instances stay until
 * instance_sweep(), which comes when the clock has proved itself, and what was issued in the future does
 * not count.
 *
 * Keys: "instance/ENTRY/NAME". All functions but instance_sweep() run within store_change().
 */
#ifndef SIGNET_CORE_CONTROL_REGISTRY_INSTANCE_H
#define SIGNET_CORE_CONTROL_REGISTRY_INSTANCE_H

#include "core/control/registry/digest.h"
#include "core/control/registry/entry.h"

#define INSTANCE_NAME_MAX 48
#define INSTANCE_SERIAL_MAX 42 /* hex digits of a serial number */
#define INSTANCE_SIGNING_S 60  /* from attestation to the certificate, at most */
#define INSTANCE_SKEW_S 300    /* a certificate issued so far ahead of now still counts */
#define INSTANCE_IDLE_MAX 256  /* records of an entry that do not count, besides its max_instances */

struct instance {
    char name[INSTANCE_NAME_MAX + 1];
    char serial[INSTANCE_SERIAL_MAX + 1];   /* of the newest certificate; "" before the first */
    char previous[INSTANCE_SERIAL_MAX + 1]; /* of the one before */
    int64_t since;                          /* Unix s */
    int64_t issued_at;                      /* Unix s: the newest certificate; 0: not recorded */
    int64_t expires_at;                     /* Unix s: its end */
    bool bound;        /* it began with a use of a token, and has not renewed since */
    struct digest key; /* that the use is bound to; only while `bound` */
};

/* How an instance begins; borrowed for the call. */
struct instance_birth {
    const char *name;
    const struct digest *key; /* that its use of a token is bound to; NULL: no token */
    int64_t now;              /* Unix s */
    const char *limit_reason; /* of the refusal when the entry's limit is reached */
};

/*
 * instance_begin makes room for an instance of this name, or finds it again. Past INSTANCE_IDLE_MAX the
 * one that ended first is forgotten for it. STATUS_DENIED `birth->limit_reason`.
 */
enum status instance_begin(struct store *store, const struct entry *entry,
                           const struct instance_birth *birth, struct failure *why) MUST_USE;

/*
 * instance_of_serial finds the instance that a live leaf belongs to. STATUS_NOT_FOUND
 * "instance/unknown".
 */
enum status instance_of_serial(struct store *store, const struct entry *entry, struct bytes serial,
                               struct instance *out_instance, struct failure *why) MUST_USE;

/* A new certificate of an instance. */
struct instance_certificate {
    struct bytes used;  /* serial number of the leaf that was shown for it; empty with a token */
    const char *serial; /* of the new one */
    int64_t issued_at;  /* Unix s */
    int64_t expires_at; /* Unix s */
};

/*
 * instance_issued records a new certificate of an instance. With its first renewal the use of a token
 * that it began with is over: token_use_end().
 * STATUS_NOT_FOUND "instance/unknown" (its entry was removed meanwhile)
 */
enum status instance_issued(struct store *store, const char *entry_name, const char *name,
                            const struct instance_certificate *certificate,
                            struct failure *why) MUST_USE;

/* instance_count counts an entry's living instances. */
enum status instance_count(struct store *store, const char *entry_name, int64_t now,
                           size_t *out_count, struct failure *why) MUST_USE;

/*
 * instance_sweep forgets those that have ended at `now`, of all entries, in a transaction of its own. Only
 * for a clock that has proved itself. STATUS_IO "store/…".
 */
enum status instance_sweep(struct registry *registry, int64_t now, struct failure *why) MUST_USE;

/* instance_forget_all forgets all of an entry. */
enum status instance_forget_all(struct store *store, const char *entry_name,
                                struct failure *why) MUST_USE;

#endif
