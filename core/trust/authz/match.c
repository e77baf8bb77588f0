/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text matching without regular expressions and without recursion. See match.h.
 */
#include "core/trust/authz/match.h"

#include <string.h>

static struct match match_at_ends(struct bytes written)
{
    struct match match = {.kind = MATCH_EXACT, .text = written, .written = written};

    if (written.at[0] == '*') {
        match.kind = MATCH_SUFFIX;
        match.text = bytes_skip(written, 1);
    } else if (written.at[written.len - 1] == '*') {
        match.kind = MATCH_PREFIX;
        match.text = bytes_make(written.at, written.len - 1);
    }
    return match;
}

struct match match_make(struct bytes written, enum match_star star)
{
    struct match match = {.kind = MATCH_EXACT, .text = written, .written = written};

    if (written.len == 0 || memchr(written.at, '*', written.len) == NULL) {
        return match;
    }
    if (written.len == 1) {
        match.kind = MATCH_PRESENT;
        return match;
    }
    if (star == MATCH_STAR_AT_ENDS) {
        return match_at_ends(written);
    }
    match.kind = star == MATCH_STAR_ANYWHERE ? MATCH_GLOB : MATCH_SEGMENT;
    return match;
}

/*
 * match_glob goes back to the last `*` only: what an earlier one could still take, the last one can
 * too. That holds with `stops` as well, because then both sides are compared segment by segment.
 */
static bool match_glob(struct bytes pattern, struct bytes value, bool stops)
{
    size_t p = 0;
    size_t v = 0;
    size_t after_star = SIZE_MAX; /* in the pattern; SIZE_MAX: no star yet */
    size_t taken_to = 0;          /* in the value: what the last star has taken ends here */

    while (v < value.len) {
        if (p < pattern.len && pattern.at[p] == '*') {
            after_star = ++p;
            taken_to = v;
        } else if (p < pattern.len && pattern.at[p] == value.at[v]) {
            p++;
            v++;
        } else if (after_star != SIZE_MAX && !(stops && value.at[taken_to] == '/')) {
            p = after_star;
            v = ++taken_to;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.at[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

bool match_has(const struct match *match, struct bytes value)
{
    if (value.len == 0) {
        return false;
    }
    switch (match->kind) {
    case MATCH_EXACT:
        return bytes_equal(value, match->text);
    case MATCH_PREFIX:
        return bytes_starts(value, match->text);
    case MATCH_SUFFIX:
        return bytes_ends(value, match->text);
    case MATCH_PRESENT:
        return true;
    case MATCH_GLOB:
        return match_glob(match->text, value, false);
    case MATCH_SEGMENT:
        return match_glob(match->text, value, true);
    }
    return false;
}
