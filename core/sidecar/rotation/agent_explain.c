/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why an attempt failed, for people. Four cases that call for four different persons are told apart: the control
 * plane cannot be reached; it is reached and is not trusted; it took the request and did not answer; it refuses.
 */
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/sidecar/rotation/agent_parts.h"

enum { AGENT_CLAUSE_MAX = 320 };

/* What the control plane says of our leaf's dates, beside what our own clock says of them. */
static void agent_say_dates(const struct agent *agent, struct buffer *out)
{
    const struct leaf *leaf = &agent->leaf;
    int64_t now_s = clock_unix_s();
    const char *verdict = now_s < leaf->begins_at ? "not yet valid"
                          : now_s >= leaf->ends_at ? "over"
                                                   : "valid";

    (void)!buffer_add_format(out, "; our certificate runs from %s to %s, and by our clock it is %s",
                             clock_utc(leaf->begins_at).text, clock_utc(leaf->ends_at).text,
                             verdict);
}

static bool agent_is_of_dates(const char *reason)
{
    static const char *const reasons[] = {"verify/expired", "verify/not-yet-valid",
                                          "renew/expired-leaf", "rpc/server-expired",
                                          "rpc/server-not-yet-valid"};

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strcmp(reason, reasons[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The clause behind a refusal: dates, clocks, and what to do. `answered`: it is the control plane's own. */
static void agent_say_more(const struct agent *agent, const char *reason, bool answered,
                           struct buffer *out)
{
    bool of_dates = agent_is_of_dates(reason);

    if (of_dates && answered && agent->attempt.method == AGENT_RENEW) {
        agent_say_dates(agent, out);
    }
    if ((of_dates || answered) && agent->clock_words[0] != '\0') {
        (void)!buffer_add_format(out, "; %s", agent->clock_words);
    }
    if (answered && strncmp(reason, "bootstrap/token-", 16) == 0) {
        (void)!buffer_add_format(out, "; a new one in %.100s is tried at once",
                                 agent->bootstrap.token_file);
    }
    if (answered && strcmp(reason, "renew/no-entry") == 0 && agent->bootstrap.token_file != NULL) {
        (void)!buffer_add_format(out, "; a token of its successor in %.100s is tried at once",
                                 agent->bootstrap.token_file);
    }
}

static void agent_say_refused(struct agent *agent, const struct rpc_event *end)
{
    CLEARED(buffer) more = {.max = AGENT_CLAUSE_MAX};
    const char *reason = agent_reason(end->reason);

    agent_say_more(agent, reason, true, &more);
    (void)fail(&agent->why, STATUS_IO, reason, "the control plane says %s: %s%.*s",
               rpc_code_word(end->code), end->detail, (int)more.len,
               more.len == 0 ? "" : (const char *)more.at);
}

static void agent_say_untrusted(struct agent *agent, const struct failure *refusal)
{
    CLEARED(buffer) more = {.max = AGENT_CLAUSE_MAX};

    agent_say_more(agent, refusal->reason, false, &more);
    (void)fail(&agent->why, STATUS_UNTRUSTED, refusal->reason,
               "the control plane at %.100s is not trusted: %s%.*s", agent->control_address,
               refusal->detail, (int)more.len, more.len == 0 ? "" : (const char *)more.at);
}

/* No connection came about. Something that listens there and is no TLS server of ours is another matter than nobody. */
static void agent_say_unreachable(struct agent *agent, const struct rpc_event *end)
{
    const char *reason = agent_reason(end->reason);
    bool somebody = strcmp(reason, "rpc/not-tls") == 0 || strncmp(reason, "rpc/tls", 7) == 0;

    (void)fail(&agent->why, STATUS_IO, reason, "%s %.100s %s: %s",
               somebody ? "what listens at" : "the control plane at", agent->control_address,
               somebody ? "is not the control plane, or ends our handshake" : "cannot be reached",
               end->detail);
}

void agent_explain(struct agent *agent, const struct rpc_event *end)
{
    const struct failure *refusal = rpc_client_credentials_refusal(agent->attempt.credentials);

    if (end->server_time_ms != 0) {
        agent_say_refused(agent, end);
    } else if (refusal != NULL) {
        agent_say_untrusted(agent, refusal);
    } else if (!end->sent) {
        agent_say_unreachable(agent, end);
    } else {
        (void)fail(&agent->why, STATUS_IO, agent_reason(end->reason),
                   "the control plane at %.100s was reached and gave no answer of its own: %s: %s",
                   agent->control_address, rpc_code_word(end->code), end->detail);
    }
}
