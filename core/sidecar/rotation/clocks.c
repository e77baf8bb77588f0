/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/clocks.h"

#include <stdio.h>

#include "core/runtime/base/clock.h"

/* A clock that is off by less is nobody's business. */
enum { CLOCKS_APART_MS = 5000 };

static bool clocks_is_apart(int64_t by_ms)
{
    return by_ms >= CLOCKS_APART_MS || by_ms <= -CLOCKS_APART_MS;
}

bool clocks_differ(int64_t ours_ms, int64_t server_ms)
{
    return clocks_is_apart(ours_ms - server_ms);
}

void clocks_hear(struct clocks *clocks, struct schedule_now now, int64_t server_ms)
{
    bool agree = !clocks_differ(now.unix_ms, server_ms);

    if (agree || clocks->server_ms == 0) {
        *clocks = (struct clocks){.ours = now, .server_ms = server_ms, .agreed = agree};
    }
}

/* How far a clock was set between two moments: what it went on less what really passed. */
static int64_t clocks_set_by_ms(int64_t before_ms, int64_t now_ms, int64_t passed_ms)
{
    int64_t by = now_ms - before_ms - passed_ms;

    return clocks_is_apart(by) ? by : 0;
}

static long long clocks_seconds(int64_t ms)
{
    return (long long)(((ms < 0 ? -ms : ms) + 500) / 1000);
}

static const char *clocks_way(int64_t ms)
{
    return ms > 0 ? "ahead" : "back";
}

/* The server did not say its time: a word about ours. */
static void clocks_say_ours(const struct clocks *clocks, int64_t ours_set_ms,
                            char out_text[CLOCKS_TEXT_MAX])
{
    struct clock_text since = clock_utc(clocks->ours.unix_ms / 1000);

    if (ours_set_ms != 0) {
        (void)snprintf(out_text, CLOCKS_TEXT_MAX, "our clock was set %lld s %s since %s",
                       clocks_seconds(ours_set_ms), clocks_way(ours_set_ms), since.text);
    } else if (clocks->agreed) {
        (void)snprintf(out_text, CLOCKS_TEXT_MAX,
                       "our clock agreed with the control plane's at %s and was not set since: it "
                       "is the control plane's that is or was wrong",
                       since.text);
    }
}

void clocks_say(const struct clocks *clocks, struct schedule_now now, int64_t server_ms,
                char out_text[CLOCKS_TEXT_MAX])
{
    int64_t passed = (int64_t)(now.boot_ms - clocks->ours.boot_ms);
    bool known = clocks->server_ms != 0;
    int64_t ours = known ? clocks_set_by_ms(clocks->ours.unix_ms, now.unix_ms, passed) : 0;
    int64_t theirs = known ? clocks_set_by_ms(clocks->server_ms, server_ms, passed) : 0;
    struct clock_text since = clock_utc(clocks->ours.unix_ms / 1000);
    char who[112];

    out_text[0] = '\0';
    if (server_ms == 0) {
        if (known) {
            clocks_say_ours(clocks, ours, out_text);
        }
        return;
    }
    if (!clocks_differ(now.unix_ms, server_ms)) {
        return;
    }
    if (theirs != 0 && ours == 0) {
        (void)snprintf(who, sizeof who, "the control plane's was set %lld s %s since %s",
                       clocks_seconds(theirs), clocks_way(theirs), since.text);
    } else if (ours != 0 && theirs == 0) {
        (void)snprintf(who, sizeof who, "ours was set %lld s %s since %s", clocks_seconds(ours),
                       clocks_way(ours), since.text);
    } else {
        (void)snprintf(who, sizeof who, "%s, by %lld s",
                       ours != 0 ? "both were set, and differ" : "one of the two is wrong",
                       clocks_seconds(now.unix_ms - server_ms));
    }
    (void)snprintf(out_text, CLOCKS_TEXT_MAX, "our clock says %s, the control plane's %s: %s",
                   clock_utc(now.unix_ms / 1000).text, clock_utc(server_ms / 1000).text, who);
}
