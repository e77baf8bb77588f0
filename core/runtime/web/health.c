/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/web/health.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *health_value_word(enum health_value value)
{
    static const char *const words[] = {
        [HEALTH_NO] = "no",
        [HEALTH_YES] = "yes",
        [HEALTH_UNPROVED] = "unproved",
    };

    return words[value];
}

static struct health_condition *health_find(struct health *health, const char *name)
{
    for (unsigned i = 0; i < health->num_conditions; i++) {
        if (strcmp(health->conditions[i].name, name) == 0) {
            return &health->conditions[i];
        }
    }
    return NULL;
}

void health_set(struct health *health, const char *name, enum health_value value,
                const char *format, ...)
{
    struct health_condition *condition = health_find(health, name);
    va_list arguments;

    if (condition == NULL) {
        assert(health->num_conditions < HEALTH_CONDITIONS_MAX);
        condition = &health->conditions[health->num_conditions++];
        condition->name = name;
    }
    condition->value = value;
    va_start(arguments, format);
    (void)vsnprintf(condition->text, sizeof condition->text, format, arguments);
    va_end(arguments);
    for (char *at = condition->text; *at != '\0'; at++) {
        *at = (unsigned char)*at < 0x20 || *at == 0x7F ? '?' : *at; /* it stays one line */
    }
}

bool health_is_ready(const struct health *health)
{
    for (unsigned i = 0; i < health->num_conditions; i++) {
        if (health->conditions[i].value == HEALTH_NO) {
            return false;
        }
    }
    return true;
}

enum health_value health_get(const struct health *health, const char *name)
{
    for (unsigned i = 0; i < health->num_conditions; i++) {
        if (strcmp(health->conditions[i].name, name) == 0) {
            return health->conditions[i].value;
        }
    }
    return HEALTH_UNPROVED;
}

enum status health_print(const struct health *health, struct buffer *out)
{
    TRY(buffer_add_text(out, health_is_ready(health) ? "ready\n" : "not ready\n"));
    for (unsigned i = 0; i < health->num_conditions; i++) {
        const struct health_condition *condition = &health->conditions[i];

        TRY(buffer_add_format(out, "[%s] %s%s%s\n", health_value_word(condition->value),
                              condition->name, condition->text[0] == '\0' ? "" : ": ",
                              condition->text));
    }
    return STATUS_OK;
}

static void health_answer(const struct health *health, unsigned status, struct web_answer *answer)
{
    answer->status = status;
    answer->content_type = "text/plain; charset=utf-8";
    if (health_print(health, &answer->body) != STATUS_OK) {
        answer->status = 500; /* cannot be: 16 lines fit */
    }
}

static void health_livez(void *user, const struct web_request *request, struct web_answer *answer)
{
    (void)user;
    (void)request;
    answer->content_type = "text/plain; charset=utf-8";
    if (buffer_add_text(&answer->body, "alive\n") != STATUS_OK) {
        answer->status = 500;
    }
}

static void health_readyz(void *user, const struct web_request *request, struct web_answer *answer)
{
    const struct health *health = user;

    (void)request;
    health_answer(health, health_is_ready(health) ? 200 : 503, answer);
}

struct web_route health_livez_route(struct health *health)
{
    return (struct web_route){"GET", "/livez", health_livez, health};
}

struct web_route health_readyz_route(struct health *health)
{
    return (struct web_route){"GET", "/readyz", health_readyz, health};
}
