/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/token_watch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/suite.h"

SUITE(token_watch);

struct watched {
    char path[40];
    struct bootstrap bootstrap;
    struct token_watch watch;
    uint64_t now_ms;
};

static void put(const struct watched *watched, const char *text)
{
    FILE *file = fopen(watched->path, "w");

    cr_assert_not_null(file);
    cr_assert(fputs(text, file) >= 0);
    cr_assert_eq(fclose(file), 0);
}

/* A file that was read for an attempt. */
static void begin(struct watched *watched, const char *text)
{
    CLEARED(secret) token = {0};
    int file;

    *watched = (struct watched){.path = "/tmp/signet-watch-XXXXXX", .now_ms = 1000000};
    file = mkstemp(watched->path);
    cr_assert(file >= 0);
    (void)close(file);
    put(watched, text);
    cr_assert_eq(bootstrap_init(&watched->bootstrap, "/roots.pem", NULL, watched->path, NULL),
                 STATUS_OK);
    cr_assert_eq(bootstrap_read_token(&watched->bootstrap, &token, NULL), STATUS_OK);
    token_watch_tried(&watched->watch, &token);
}

static void end(struct watched *watched)
{
    (void)unlink(watched->path);
    bootstrap_clear(&watched->bootstrap);
}

static enum token_watch_verdict look_after(struct watched *watched, uint64_t ms)
{
    watched->now_ms += ms;
    return token_watch_look(&watched->watch, &watched->bootstrap, watched->now_ms);
}

Test(token_watch, another_token_counts_when_two_looks_have_found_it)
{
    struct watched watched;

    begin(&watched, "one");
    cr_assert_eq(look_after(&watched, 1000), TOKEN_WATCH_SAME);
    put(&watched, "two\n");
    cr_assert_eq(look_after(&watched, 1000), TOKEN_WATCH_SETTLING);
    cr_assert_eq(look_after(&watched, TOKEN_WATCH_SETTLE_MS - 1), TOKEN_WATCH_SETTLING);
    cr_assert_eq(look_after(&watched, 1), TOKEN_WATCH_CHANGED);
    cr_assert_eq(look_after(&watched, 1000), TOKEN_WATCH_SAME, "said once");
    end(&watched);
}

Test(token_watch, a_token_that_is_written_in_pieces_is_left_until_it_is_whole)
{
    static const char *const pieces[] = {"t", "to", "token", "token-of-the", "token-of-the-hour"};
    struct watched watched;

    begin(&watched, "one");
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        put(&watched, pieces[i]);
        cr_assert_eq(look_after(&watched, TOKEN_WATCH_SETTLE_MS), TOKEN_WATCH_SETTLING, "%s",
                     pieces[i]);
    }
    cr_assert_eq(look_after(&watched, TOKEN_WATCH_SETTLE_MS), TOKEN_WATCH_CHANGED);
    end(&watched);
}

Test(token_watch, the_same_token_in_another_dress_is_no_other_token)
{
    struct watched watched;
    char beside[48];

    begin(&watched, "one");
    put(&watched, "one\n");
    cr_assert_eq(look_after(&watched, 1000), TOKEN_WATCH_SAME, "a line feed");
    (void)snprintf(beside, sizeof beside, "%s.new", watched.path);
    cr_assert_eq(rename(watched.path, beside), 0);
    cr_assert_eq(look_after(&watched, 1000), TOKEN_WATCH_SAME, "it is not there");
    put(&watched, "one");
    cr_assert_eq(look_after(&watched, 1000), TOKEN_WATCH_SAME, "another inode");
    (void)unlink(beside);
    end(&watched);
}

Test(token_watch, what_cannot_be_read_is_not_tried)
{
    struct watched watched;

    begin(&watched, "one");
    put(&watched, "");
    cr_assert_eq(look_after(&watched, 1000), TOKEN_WATCH_SAME, "empty");
    (void)unlink(watched.path);
    cr_assert_eq(look_after(&watched, 1000), TOKEN_WATCH_SAME, "gone");
    cr_assert_eq(mkfifo(watched.path, 0600), 0);
    cr_assert_eq(look_after(&watched, 1000), TOKEN_WATCH_SAME, "a pipe gives its token once");
    end(&watched);
}
