/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom to trust before the first reply, and the token that proves us. Both are read anew at every attempt:
 * whoever launched us may put fresh ones there. There is no way to trust nobody in particular.
 */
#ifndef SIGNET_CORE_SIDECAR_ROTATION_BOOTSTRAP_H
#define SIGNET_CORE_SIDECAR_ROTATION_BOOTSTRAP_H

#include "core/runtime/base/secret.h"
#include "core/runtime/rpc/credentials.h"

/* What the operator gave: a mounted file of roots, or the SHA-256 of the root's DER. */
struct bootstrap {
    char *bundle_file; /* owned; NULL with a pin */
    char *token_file;  /* owned; NULL: none */
    uint8_t pin[RPC_PIN_SIZE];
    bool pinned;
};

/*
 * bootstrap_init takes exactly one of `bundle_file` and `pin_hex` (64 hex digits, colons allowed between pairs).
 * STATUS_CONFIG "agent/first-bundle".
 */
enum status bootstrap_init(struct bootstrap *bootstrap, const char *bundle_file,
                           const char *pin_hex, const char *token_file,
                           struct failure *why) MUST_USE;
void bootstrap_clear(struct bootstrap *bootstrap);

/*
 * bootstrap_read_bundle reads the mounted roots of `trust_domain`. *out_bundle is a reference to drop.
 * STATUS_NOT_FOUND "agent/no-bundle-file", or what bundle.h and buffer.h refuse.
 */
enum status bootstrap_read_bundle(const struct bootstrap *bootstrap, const char *trust_domain,
                                  struct bundle **out_bundle, struct failure *why) MUST_USE;

/*
 * bootstrap_read_token reads the token file; secret_clear it. STATUS_CONFIG "agent/no-token" when none
 * is configured, and what secret_read_file refuses (a projected token's mode is the kubelet's business).
 */
enum status bootstrap_read_token(const struct bootstrap *bootstrap, struct secret *out_token,
                                 struct failure *why) MUST_USE;

#endif
