/* SPDX-License-Identifier: Apache-2.0 */
#include "core/redirect/nft.h"

/* plan.h says why only a connection's first packet is captured: SYN set, ACK, RST and FIN not. */
#define NFT_FIRST_PACKET "tcp flags & (fin | syn | rst | ack) == syn "

static const char nft_removal_text[] = "table inet signet {}\n"
                                       "delete table inet signet\n";

const char *nft_removal(void)
{
    return nft_removal_text;
}

static enum status nft_add_destination(const struct plan_rule *rule, struct buffer *out)
{
    if (rule->by_block) {
        char block[IP_BLOCK_TEXT_MAX];

        ip_block_print(&rule->block, block);
        TRY(buffer_add_format(out, "%s daddr %s ", rule->family == PLAN_IPV6 ? "ip6" : "ip",
                              block));
    }
    if (rule->ports.first == 0) {
        return STATUS_OK;
    }
    if (rule->ports.first == rule->ports.last) {
        return buffer_add_format(out, "tcp dport %u ", rule->ports.first);
    }
    return buffer_add_format(out, "tcp dport %u-%u ", rule->ports.first, rule->ports.last);
}

static enum status nft_add_rule(const struct plan_rule *rule, struct buffer *out)
{
    TRY(buffer_add_text(out, "\t\t"));
    if (rule->by_uid) {
        TRY(buffer_add_format(out, "meta skuid %u ", rule->uid));
    }
    if (rule->interface[0] != '\0') {
        TRY(buffer_add_format(out, "%s \"%s\" ",
                              rule->chain == PLAN_OUTPUT ? "oifname" : "iifname",
                              rule->interface));
    }
    TRY(nft_add_destination(rule, out));
    if (rule->redirect_to == 0) {
        return buffer_add_format(out, "return comment \"%s\"\n", rule->note);
    }
    return buffer_add_format(out, NFT_FIRST_PACKET "redirect to :%u comment \"%s\"\n",
                             rule->redirect_to, rule->note);
}

static enum status nft_add_chain(const struct plan *plan, enum plan_chain chain, struct buffer *out)
{
    const char *name = chain == PLAN_OUTPUT ? "output" : "prerouting";

    TRY(buffer_add_format(out,
                          "\tchain %s {\n\t\ttype nat hook %s priority -100; policy accept;\n",
                          name, name));
    for (size_t i = 0; i < plan->num_rules; i++) {
        if (plan->rules[i].chain == chain) {
            TRY(nft_add_rule(&plan->rules[i], out));
        }
    }
    return buffer_add_text(out, "\t}\n");
}

enum status nft_ruleset(const struct plan *plan, struct buffer *out)
{
    TRY(buffer_add_text(out, nft_removal_text));
    TRY(buffer_add_text(out, "table inet signet {\n"));
    TRY(nft_add_chain(plan, PLAN_OUTPUT, out));
    TRY(buffer_add_text(out, "\n"));
    TRY(nft_add_chain(plan, PLAN_PREROUTING, out));
    return buffer_add_text(out, "}\n");
}
