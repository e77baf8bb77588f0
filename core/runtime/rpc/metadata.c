/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/rpc/metadata.h"

#include <string.h>

static struct bytes rpc_metadata_bytes(const grpc_slice *slice)
{
    return bytes_make(GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
}

void rpc_metadata_text(grpc_slice from, char *out, size_t room)
{
    struct bytes text = rpc_metadata_bytes(&from);
    size_t len = text.len < room - 1 ? text.len : room - 1;

    for (size_t i = 0; i < len; i++) {
        out[i] = text.at[i] >= 0x20 && text.at[i] < 0x7f ? (char)text.at[i] : '?';
    }
    out[len] = '\0';
}

/* A reason word is ours: lower case, digits, '-' and '/'. Anything else did not come from us. */
static bool rpc_metadata_is_word(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];

        if (!((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
              byte == '/')) {
            return false;
        }
    }
    return text.len > 0 && text.len <= RPC_REASON_MAX;
}

void rpc_metadata_read(const grpc_metadata_array *trailing, char out_reason[RPC_REASON_MAX + 1],
                       int64_t *out_time_ms)
{
    out_reason[0] = '\0';
    *out_time_ms = 0;
    for (size_t i = 0; i < trailing->count; i++) {
        struct bytes key = rpc_metadata_bytes(&trailing->metadata[i].key);
        struct bytes value = rpc_metadata_bytes(&trailing->metadata[i].value);
        uint64_t number;

        if (bytes_equal_text(key, RPC_METADATA_REASON) && rpc_metadata_is_word(value)) {
            memcpy(out_reason, value.at, value.len);
            out_reason[value.len] = '\0';
        } else if (bytes_equal_text(key, RPC_METADATA_TIME) &&
                   bytes_to_number(value, INT64_MAX, &number)) {
            *out_time_ms = (int64_t)number;
        }
    }
}
