/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The result of every function that can fail: a class the caller can act on, and a reason for people.
 *
 * A function that can fail returns enum status and takes a struct failure * as its last parameter
 * (NULL is allowed). Outputs are untouched unless the answer is STATUS_OK. A reason is a stable word,
 * always a literal: logs, metrics and tests compare it; the detail is one line for people.
 */
#ifndef SIGNET_CORE_RUNTIME_BASE_STATUS_H
#define SIGNET_CORE_RUNTIME_BASE_STATUS_H

#include <stdarg.h>
#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_index)                                                     \
    __attribute__((format(printf, format_index, first_index)))

enum status {
    STATUS_OK = 0,
    STATUS_WAIT,      /* not done yet: an event will resume it */
    STATUS_CLOSED,    /* the peer ended it in order */
    STATUS_IO,        /* the system refused: see failure.os_error */
    STATUS_PROTOCOL,  /* the bytes break the named specification */
    STATUS_UNTRUSTED, /* no trust bundle vouches for the certificate */
    STATUS_DENIED,    /* policy says no */
    STATUS_NOT_FOUND, /* there is no such thing */
    STATUS_LIMIT,     /* a bound of ours was reached */
    STATUS_CONFIG,    /* the operator's input is wrong */
};

#define FAILURE_DETAIL_MAX 512 /* a refusal of another program is quoted whole */

struct failure {
    const char *reason;              /* stable word, a literal: "svid/uri-san-count" */
    char detail[FAILURE_DETAIL_MAX]; /* one line for people; quotes peer input only escaped */
    int os_error;                    /* errno, or 0 */
};

/* status_word is the name of a status in lower case ("untrusted"); never NULL. Any thread. */
const char *status_word(enum status status);

/*
 * fail fills `why` (when it is not NULL) and gives `status` back, so that a refusal is one line:
 *     return fail(why, STATUS_PROTOCOL, "csr/der", "the request is not DER");
 * `format` is printf's; the detail is cut at FAILURE_DETAIL_MAX - 1 bytes and control bytes in it
 * become '?', so that it stays one printable line. Any thread.
 */
enum status fail(struct failure *why, enum status status, const char *reason, const char *format,
                 ...) PRINTF_LIKE(4, 5);

/* fail_os is fail() with STATUS_IO and an errno, whose text is appended to the detail. */
enum status fail_os(struct failure *why, int os_error, const char *reason, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* TRY passes any answer but STATUS_OK up to our caller. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum status try_status_ = (call);                                                          \
        if (try_status_ != STATUS_OK) {                                                            \
            return try_status_;                                                                    \
        }                                                                                          \
    } while (0)

/* TAKE moves a pointer out of its variable, which becomes NULL. */
#define TAKE(pointer)                                                                              \
    ({                                                                                             \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

/* OWNED(svid) *s = NULL; gives `s` back with svid_drop(&s) however the function ends. */
#define OWNED(type) __attribute__((cleanup(type##_drop))) struct type

/* CLEARED(buffer) b = {0}; calls buffer_clear(&b) however the function ends. */
#define CLEARED(type) __attribute__((cleanup(type##_clear))) struct type

#endif
