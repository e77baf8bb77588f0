/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/base/status.h"

#include <stdio.h>
#include <string.h>

static const char *const status_words[] = {
    [STATUS_OK] = "ok",
    [STATUS_WAIT] = "wait",
    [STATUS_CLOSED] = "closed",
    [STATUS_IO] = "io",
    [STATUS_PROTOCOL] = "protocol",
    [STATUS_UNTRUSTED] = "untrusted",
    [STATUS_DENIED] = "denied",
    [STATUS_NOT_FOUND] = "not-found",
    [STATUS_LIMIT] = "limit",
    [STATUS_CONFIG] = "config",
};

const char *status_word(enum status status)
{
    size_t index = (size_t)status;

    return index < sizeof status_words / sizeof status_words[0] ? status_words[index] : "unknown";
}

/* Peer input may reach a detail: it must not be able to forge a second log line. */
static void status_keep_one_line(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

enum status fail(struct failure *why, enum status status, const char *reason, const char *format,
                 ...)
{
    if (why != NULL) {
        va_list arguments;

        why->reason = reason;
        why->os_error = 0;
        va_start(arguments, format);
        (void)vsnprintf(why->detail, sizeof why->detail, format, arguments);
        va_end(arguments);
        status_keep_one_line(why->detail);
    }
    return status;
}

enum status fail_os(struct failure *why, int os_error, const char *reason, const char *format, ...)
{
    if (why != NULL) {
        char text[96];
        size_t used;
        va_list arguments;

        why->reason = reason;
        why->os_error = os_error;
        va_start(arguments, format);
        (void)vsnprintf(why->detail, sizeof why->detail, format, arguments);
        va_end(arguments);
        used = strlen(why->detail);
        (void)snprintf(why->detail + used, sizeof why->detail - used, ": %s",
                       strerror_r(os_error, text, sizeof text));
        status_keep_one_line(why->detail);
    }
    return STATUS_IO;
}
