/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/caller.h"

/* Takes `mark` off the beginning; false when it is not there. */
static bool caller_skip(struct bytes *text, const char *mark)
{
    struct bytes wanted = bytes_of(mark);

    if (!bytes_starts(*text, wanted)) {
        return false;
    }
    *text = bytes_skip(*text, wanted.len);
    return true;
}

static size_t caller_find(struct bytes text, const char *mark)
{
    struct bytes wanted = bytes_of(mark);

    for (size_t i = 0; i < text.len; i++) {
        if (bytes_starts(bytes_skip(text, i), wanted)) {
            return i;
        }
    }
    return text.len;
}

bool caller_ip(struct bytes text, struct ip *out_ip)
{
    const char *end = ":";

    if (caller_skip(&text, "ipv6:")) {
        end = caller_skip(&text, "%5B") ? "%5D" : caller_skip(&text, "[") ? "]" : "";
    } else if (!caller_skip(&text, "ipv4:")) {
        return false;
    }
    return end[0] != '\0' && ip_parse(bytes_make(text.at, caller_find(text, end)), out_ip);
}
