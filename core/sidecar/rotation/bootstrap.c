/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/bootstrap.h"

#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/sidecar/rotation/agent.h"

/* "AB:CD:…" or "abcd…" into bytes. */
static bool bootstrap_read_pin(const char *text, uint8_t out_pin[RPC_PIN_SIZE])
{
    char digits[2 * RPC_PIN_SIZE + 1];
    size_t len = 0;

    for (const char *at = text; *at != '\0'; at++) {
        if (*at == ':' && len > 0 && len % 2 == 0 && at[-1] != ':' && at[1] != '\0') {
            continue;
        }
        if (len == 2 * RPC_PIN_SIZE) {
            return false;
        }
        digits[len++] = *at >= 'A' && *at <= 'F' ? (char)(*at - 'A' + 'a') : *at;
    }
    return bytes_from_hex(bytes_make(digits, len), out_pin, RPC_PIN_SIZE);
}

enum status bootstrap_init(struct bootstrap *bootstrap, const char *bundle_file,
                           const char *pin_hex, const char *token_file, struct failure *why)
{
    struct bootstrap made = {0};

    if ((bundle_file == NULL) == (pin_hex == NULL)) {
        return fail(
            why, STATUS_CONFIG, "agent/first-bundle",
            "give either the file of the first roots or the SHA-256 of the root: without one, "
            "the control plane cannot be told from an impostor");
    }
    if (pin_hex != NULL && !bootstrap_read_pin(pin_hex, made.pin)) {
        return fail(why, STATUS_CONFIG, "agent/first-bundle",
                    "the root's SHA-256 must be 64 hex digits");
    }
    made.pinned = pin_hex != NULL;
    made.bundle_file = memory_text(bundle_file);
    made.token_file = memory_text(token_file);
    *bootstrap = made;
    return STATUS_OK;
}

void bootstrap_clear(struct bootstrap *bootstrap)
{
    free(bootstrap->bundle_file);
    free(bootstrap->token_file);
    *bootstrap = (struct bootstrap){0};
}

enum status bootstrap_read_bundle(const struct bootstrap *bootstrap, const char *trust_domain,
                                  struct bundle **out_bundle, struct failure *why)
{
    CLEARED(buffer) pem = {0};
    struct failure cause = {0};
    enum status status;

    buffer_init(&pem, BUNDLE_MAX);
    status = buffer_read_file(&pem, bootstrap->bundle_file, why);
    if (status == STATUS_NOT_FOUND) {
        return fail(why, status, "agent/no-bundle-file", "%.160s is not there (yet)",
                    bootstrap->bundle_file);
    }
    TRY(status);
    /* Sequence 0: whatever the control plane says next is newer. */
    status = bundle_parse_pem(bytes_of(trust_domain), buffer_bytes(&pem), 0, out_bundle, &cause);
    if (status != STATUS_OK) {
        return fail(why, status, cause.reason, "%.100s: %.120s", bootstrap->bundle_file,
                    cause.detail);
    }
    return STATUS_OK;
}

enum status bootstrap_read_token(const struct bootstrap *bootstrap, struct secret *out_token,
                                 struct failure *why)
{
    if (bootstrap->token_file == NULL) {
        return fail(why, STATUS_CONFIG, "agent/no-token",
                    "no token file is configured, and there is no live leaf");
    }
    return secret_read_file(bootstrap->token_file, AGENT_TOKEN_MAX, false, out_token, why);
}
