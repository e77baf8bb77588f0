/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this process alive, and may traffic be sent to it? Named conditions behind /livez and /readyz.
 *
 * A condition is yes, no, or not yet proved. Ready means that none is "no"; the page lists each
 * condition with its text, ready or not. /livez says that the loop answers: a restart does not heal
 * a missing certificate, so no condition may fail it.
 *
 * The loop's thread only.
 */
#ifndef SIGNET_CORE_RUNTIME_WEB_HEALTH_H
#define SIGNET_CORE_RUNTIME_WEB_HEALTH_H

#include "core/runtime/web/server.h"

#define HEALTH_CONDITIONS_MAX 16
#define HEALTH_TEXT_MAX 160

enum health_value {
    HEALTH_NO,
    HEALTH_YES,
    HEALTH_UNPROVED, /* not yet proved: counts as ready */
};

struct health_condition {
    const char *name; /* literal: "certificate" */
    enum health_value value;
    char text[HEALTH_TEXT_MAX]; /* why, for people */
};

/* A value: zeroed it has no conditions and is ready. Must not move once its routes are in use. */
struct health {
    struct health_condition conditions[HEALTH_CONDITIONS_MAX];
    unsigned num_conditions;
};

/*
 * health_set sets the condition `name` (a literal), which the first call adds; more than
 * HEALTH_CONDITIONS_MAX is our own mistake (assert). `format` is the text for people, one line.
 */
void health_set(struct health *health, const char *name, enum health_value value,
                const char *format, ...) PRINTF_LIKE(4, 5);

/* health_is_ready tells whether no condition says no. */
bool health_is_ready(const struct health *health);

/* health_get is the value of a condition; HEALTH_UNPROVED when it was never set. */
enum health_value health_get(const struct health *health, const char *name);

/*
 * health_print appends "ready\n" or "not ready\n" and a line "[yes] certificate: text" per
 * condition.
 */
enum status health_print(const struct health *health, struct buffer *out) MUST_USE;

/* health_value_word is "yes", "no" or "unproved". */
const char *health_value_word(enum health_value value);

/* health_livez_route and health_readyz_route are the routes; `health` outlives the server. */
struct web_route health_livez_route(struct health *health);
struct web_route health_readyz_route(struct health *health);

#endif
