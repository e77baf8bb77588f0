/* SPDX-License-Identifier: Apache-2.0 */
#include "core/redirect/iptables.h"

#include <string.h>

/* Each as iptables-save prints it, without the end of line. */
#define IPTABLES_CHAIN_OUTPUT "SIGNET_OUTPUT"
#define IPTABLES_CHAIN_PREROUTING "SIGNET_PREROUTING"
#define IPTABLES_JUMP_OUTPUT "OUTPUT -p tcp -j " IPTABLES_CHAIN_OUTPUT
#define IPTABLES_JUMP_PREROUTING "PREROUTING -p tcp -j " IPTABLES_CHAIN_PREROUTING

static const char *iptables_chain(enum plan_chain chain)
{
    return chain == PLAN_OUTPUT ? IPTABLES_CHAIN_OUTPUT : IPTABLES_CHAIN_PREROUTING;
}

struct iptables_state iptables_state_read(struct bytes saved)
{
    struct iptables_state state = {0};

    while (saved.len > 0) {
        struct bytes line = bytes_trim(bytes_split(&saved, '\n'));

        if (bytes_starts(line, bytes_of(":" IPTABLES_CHAIN_OUTPUT " "))) {
            state.has_output = true;
        } else if (bytes_starts(line, bytes_of(":" IPTABLES_CHAIN_PREROUTING " "))) {
            state.has_prerouting = true;
        } else if (bytes_equal_text(line, "-A " IPTABLES_JUMP_OUTPUT)) {
            state.output_jumps++;
        } else if (bytes_equal_text(line, "-A " IPTABLES_JUMP_PREROUTING)) {
            state.prerouting_jumps++;
        }
    }
    return state;
}

bool iptables_state_is_empty(const struct iptables_state *state)
{
    return !state->has_output && !state->has_prerouting && state->output_jumps == 0 &&
           state->prerouting_jumps == 0;
}

static enum status iptables_add_rule(const struct plan_rule *rule, struct buffer *out)
{
    TRY(buffer_add_format(out, "-A %s", iptables_chain(rule->chain)));
    if (rule->by_uid) {
        TRY(buffer_add_format(out, " -m owner --uid-owner %u", rule->uid));
    }
    if (rule->interface[0] != '\0') {
        TRY(buffer_add_format(out, " %s %s", rule->chain == PLAN_OUTPUT ? "-o" : "-i",
                              rule->interface));
    }
    if (rule->by_block) {
        char block[IP_BLOCK_TEXT_MAX];

        ip_block_print(&rule->block, block);
        TRY(buffer_add_format(out, " -d %s", block));
    }
    if (rule->ports.first != 0 && rule->ports.first == rule->ports.last) {
        TRY(buffer_add_format(out, " -p tcp --dport %u", rule->ports.first));
    } else if (rule->ports.first != 0) {
        TRY(buffer_add_format(out, " -p tcp --dport %u:%u", rule->ports.first, rule->ports.last));
    } else if (rule->redirect_to != 0) {
        TRY(buffer_add_text(out, " -p tcp"));
    }
    /* plan.h says why: capture begins with a connection's first packet or not at all. */
    if (rule->redirect_to == 0) {
        return buffer_add_text(out, " -j RETURN\n");
    }
    return buffer_add_format(out, " --syn -j REDIRECT --to-ports %u\n", rule->redirect_to);
}

static enum status iptables_add_jump(const char *jump, size_t wanted, size_t there,
                                     struct buffer *out)
{
    for (; there > wanted; there--) {
        TRY(buffer_add_format(out, "-D %s\n", jump));
    }
    for (; there < wanted; there++) {
        TRY(buffer_add_format(out, "-A %s\n", jump));
    }
    return STATUS_OK;
}

enum status iptables_ruleset(const struct plan *plan, enum plan_family family,
                             const struct iptables_state *state, struct buffer *out)
{
    /* With --noflush a ":" line makes the chain when it is not there, and empties it when it is. */
    TRY(buffer_add_text(out, "*nat\n"
                             ":" IPTABLES_CHAIN_OUTPUT " - [0:0]\n"
                             ":" IPTABLES_CHAIN_PREROUTING " - [0:0]\n"));
    for (size_t i = 0; i < plan->num_rules; i++) {
        const struct plan_rule *rule = &plan->rules[i];

        if (rule->family == PLAN_ANY_FAMILY || rule->family == family) {
            TRY(iptables_add_rule(rule, out));
        }
    }
    TRY(iptables_add_jump(IPTABLES_JUMP_OUTPUT, 1, state->output_jumps, out));
    TRY(iptables_add_jump(IPTABLES_JUMP_PREROUTING, 1, state->prerouting_jumps, out));
    return buffer_add_text(out, "COMMIT\n");
}

enum status iptables_removal(const struct iptables_state *state, struct buffer *out)
{
    TRY(buffer_add_text(out, "*nat\n"));
    TRY(iptables_add_jump(IPTABLES_JUMP_OUTPUT, 0, state->output_jumps, out));
    TRY(iptables_add_jump(IPTABLES_JUMP_PREROUTING, 0, state->prerouting_jumps, out));
    if (state->has_output) {
        TRY(buffer_add_text(out, "-F " IPTABLES_CHAIN_OUTPUT "\n-X " IPTABLES_CHAIN_OUTPUT "\n"));
    }
    if (state->has_prerouting) {
        TRY(buffer_add_text(out, "-F " IPTABLES_CHAIN_PREROUTING
                                 "\n-X " IPTABLES_CHAIN_PREROUTING "\n"));
    }
    return buffer_add_text(out, "COMMIT\n");
}

static bool iptables_is_rule_of_ours(struct bytes line)
{
    return bytes_starts(line, bytes_of("-A " IPTABLES_CHAIN_OUTPUT " ")) ||
           bytes_starts(line, bytes_of("-A " IPTABLES_CHAIN_PREROUTING " "));
}

enum status iptables_restoral(struct bytes saved, const struct iptables_state *now,
                              struct buffer *out)
{
    struct iptables_state before = iptables_state_read(saved);

    if (iptables_state_is_empty(&before)) {
        return iptables_removal(now, out);
    }
    TRY(buffer_add_text(out, "*nat\n"
                             ":" IPTABLES_CHAIN_OUTPUT " - [0:0]\n"
                             ":" IPTABLES_CHAIN_PREROUTING " - [0:0]\n"));
    while (saved.len > 0) {
        struct bytes line = bytes_trim(bytes_split(&saved, '\n'));

        if (iptables_is_rule_of_ours(line)) {
            TRY(buffer_add(out, line));
            TRY(buffer_add_text(out, "\n"));
        }
    }
    TRY(iptables_add_jump(IPTABLES_JUMP_OUTPUT, before.output_jumps, now->output_jumps, out));
    TRY(iptables_add_jump(IPTABLES_JUMP_PREROUTING, before.prerouting_jumps,
                          now->prerouting_jumps, out));
    return buffer_add_text(out, "COMMIT\n");
}
