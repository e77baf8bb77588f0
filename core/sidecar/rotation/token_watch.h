/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has the token file another content than the token that was tried last? Asked while the agent waits out a
 * back-off for which a fresh token would be the cure.
 *
 * It reads the content, once a second and only then: names, inodes and times say less (a rename, a write in
 * place and the kubelet's swap of ..data differ in all of them), events of the file system are not there on
 * every one. A content counts once two looks have found the same: who writes in pieces is left in peace.
 * Only a keyed hash of the token is kept.
 */
#ifndef SIGNET_CORE_SIDECAR_ROTATION_TOKEN_WATCH_H
#define SIGNET_CORE_SIDECAR_ROTATION_TOKEN_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sidecar/rotation/bootstrap.h"

/* How long a new content must stay the same before it is tried. */
#define TOKEN_WATCH_SETTLE_MS 250

/* Zeroed: nothing was tried. */
struct token_watch {
    uint64_t tried;    /* hash of the token that was tried last; 0: none */
    uint64_t seen;     /* hash of another one that was found; 0: none */
    uint64_t seen_ms;  /* boot clock, when it was first found */
};

enum token_watch_verdict {
    TOKEN_WATCH_SAME,     /* as it was tried, or it cannot be read */
    TOKEN_WATCH_SETTLING, /* another: look again in TOKEN_WATCH_SETTLE_MS */
    TOKEN_WATCH_CHANGED,  /* another, and it stays: said once */
};

/* token_watch_tried notes what an attempt has read. */
void token_watch_tried(struct token_watch *watch, const struct secret *token);

/* token_watch_look reads the token file. `boot_ms` is now. */
enum token_watch_verdict token_watch_look(struct token_watch *watch,
                                          const struct bootstrap *bootstrap, uint64_t boot_ms);

#endif
