/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/token_watch.h"

#include <sys/stat.h>

#include "core/runtime/base/map.h"

/* 0 is taken: it stands for none. */
static uint64_t token_watch_hash(const struct secret *token)
{
    uint64_t hash = map_hash(secret_bytes(token));

    return hash == 0 ? 1 : hash;
}

void token_watch_tried(struct token_watch *watch, const struct secret *token)
{
    watch->tried = token_watch_hash(token);
    watch->seen = 0;
}

/* A pipe gives its token once: to an attempt, and not to us. */
static bool token_watch_may_read(const struct bootstrap *bootstrap)
{
    struct stat about;

    return bootstrap->token_file != NULL && stat(bootstrap->token_file, &about) == 0 &&
           S_ISREG(about.st_mode);
}

enum token_watch_verdict token_watch_look(struct token_watch *watch,
                                          const struct bootstrap *bootstrap, uint64_t boot_ms)
{
    CLEARED(secret) token = {0};
    uint64_t found;

    if (!token_watch_may_read(bootstrap) ||
        bootstrap_read_token(bootstrap, &token, NULL) != STATUS_OK) {
        watch->seen = 0;
        return TOKEN_WATCH_SAME;
    }
    found = token_watch_hash(&token);
    if (found == watch->tried) {
        watch->seen = 0;
        return TOKEN_WATCH_SAME;
    }
    if (found != watch->seen) {
        watch->seen = found;
        watch->seen_ms = boot_ms;
        return TOKEN_WATCH_SETTLING;
    }
    if (boot_ms - watch->seen_ms < TOKEN_WATCH_SETTLE_MS) {
        return TOKEN_WATCH_SETTLING;
    }
    watch->tried = found;
    watch->seen = 0;
    return TOKEN_WATCH_CHANGED;
}
