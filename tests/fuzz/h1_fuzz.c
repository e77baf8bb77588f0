/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as HTTP/1.1, in both roles. Fed whole and byte by byte, the parser must come to the
 * same end: otherwise what one reader sees depends on how the network cut it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/runtime/http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

/* What a run saw; two runs over the same bytes must agree. */
struct h1_run {
    enum status status;
    uint64_t hash; /* over heads and bodies */
    size_t messages;
};

static void h1_run_hash(struct h1_run *run, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        run->hash = (run->hash ^ bytes.at[i]) * 1099511628211u;
    }
}

static enum status h1_run_head(void *user, const struct http_message *message, struct failure *why)
{
    struct h1_run *run = user;

    (void)why;
    if (message->num_headers > HTTP_HEADERS_MAX || message->target_len > HTTP_TARGET_MAX) {
        abort();
    }
    h1_run_hash(run, http_message_method(message));
    h1_run_hash(run, http_message_path(message));
    h1_run_hash(run, http_message_query(message));
    for (size_t i = 0; i < message->num_headers; i++) {
        struct bytes name;
        struct bytes value;

        http_message_header(message, i, &name, &value);
        h1_run_hash(run, name);
        h1_run_hash(run, value);
    }
    return STATUS_OK;
}

static enum status h1_run_body(void *user, struct bytes piece, struct failure *why)
{
    (void)why;
    h1_run_hash(user, piece);
    return STATUS_OK;
}

static enum status h1_run_complete(void *user, struct failure *why)
{
    struct h1_run *run = user;

    (void)why;
    run->messages++;
    return STATUS_OK;
}

static const struct h1_events h1_run_events = {h1_run_head, h1_run_body, h1_run_complete};

static struct h1_run h1_run_over(enum h1_role role, struct bytes text, size_t step)
{
    struct h1_run run = {.status = STATUS_OK, .hash = 14695981039346656037u};
    struct h1_parser parser;
    struct failure why = {0};

    h1_init(&parser, role, &h1_run_events, &run);
    while (text.len > 0 && run.status == STATUS_OK) {
        size_t used = 0;

        run.status =
            h1_feed(&parser, bytes_make(text.at, text.len < step ? text.len : step), &used, &why);
        if (run.status == STATUS_OK && used == 0) {
            break; /* an upgrade */
        }
        text = bytes_skip(text, used);
    }
    if (run.status == STATUS_OK) {
        run.status = h1_finish(&parser, &why);
    }
    if (run.status != STATUS_OK && why.reason == NULL) {
        abort();
    }
    h1_clear(&parser);
    return run;
}

static void h1_compare(enum h1_role role, struct bytes text)
{
    struct h1_run whole = h1_run_over(role, text, text.len);
    struct h1_run single = h1_run_over(role, text, 1);

    if (whole.status != single.status || whole.messages != single.messages ||
        (whole.status == STATUS_OK && whole.hash != single.hash)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    h1_compare(H1_SERVER, bytes_make(at, len));
    h1_compare(H1_CLIENT, bytes_make(at, len));
    return 0;
}
