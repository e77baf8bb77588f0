/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator may write for signet-init, one item per line of the input: `p` ports, `b`
 * blocks, `i` interfaces, `u` user. Whatever is accepted must come out as exactly one line of
 * ruleset per rule: no value can add a rule, end a chain or open a comment. The whole input is
 * also read as the output of iptables-save and as the kernel's table of sockets.
 */
#include <stdlib.h>
#include <string.h>

#include "core/redirect/iptables.h"
#include "core/redirect/nft.h"
#include "core/redirect/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void fuzz_expect(bool holds)
{
    if (!holds) {
        abort();
    }
}

static size_t fuzz_lines(const struct buffer *text)
{
    size_t lines = 0;

    for (size_t i = 0; i < text->len; i++) {
        fuzz_expect(text->at[i] == '\n' || text->at[i] == '\t' ||
                    (text->at[i] >= 0x20 && text->at[i] < 0x7f));
        lines += text->at[i] == '\n';
    }
    return lines;
}

static void fuzz_option(struct plan_options *options, struct bytes line)
{
    struct bytes value = bytes_skip(line, 1);
    enum status status = STATUS_OK;

    switch (line.len == 0 ? 0 : line.at[0]) {
    case 'p':
        status = plan_ports_add(&options->exclude_outbound, value, NULL);
        break;
    case 'b':
        status = plan_options_add_blocks(options, value, NULL);
        break;
    case 'i':
        status = plan_options_add_interfaces(options, value, NULL);
        break;
    case 'u':
        status = plan_options_add_uid(options, value, NULL);
        break;
    default:
        break;
    }
    fuzz_expect(status == STATUS_OK || status == STATUS_CONFIG || status == STATUS_LIMIT);
}

static void fuzz_texts(const struct plan *plan, struct bytes input)
{
    struct iptables_state state = iptables_state_read(input);
    struct iptables_state nothing = {0};
    CLEARED(buffer) nft = {.max = IPTABLES_TEXT_MAX};
    CLEARED(buffer) v4 = {.max = IPTABLES_TEXT_MAX};
    CLEARED(buffer) v6 = {.max = IPTABLES_TEXT_MAX};
    CLEARED(buffer) other = {.max = (size_t)64 * 1024 * 1024};
    size_t num_v4 = 0;
    size_t num_v6 = 0;

    for (size_t i = 0; i < plan->num_rules; i++) {
        num_v4 += plan->rules[i].family != PLAN_IPV6;
        num_v6 += plan->rules[i].family != PLAN_IPV4;
    }
    fuzz_expect(nft_ruleset(plan, &nft) == STATUS_OK);
    fuzz_expect(fuzz_lines(&nft) == plan->num_rules + 11);
    fuzz_expect(iptables_ruleset(plan, PLAN_IPV4, &nothing, &v4) == STATUS_OK);
    fuzz_expect(fuzz_lines(&v4) == num_v4 + 6);
    fuzz_expect(iptables_ruleset(plan, PLAN_IPV6, &nothing, &v6) == STATUS_OK);
    fuzz_expect(fuzz_lines(&v6) == num_v6 + 6);
    fuzz_expect(iptables_removal(&state, &other) == STATUS_OK);
    fuzz_expect(iptables_restoral(input, &state, &other) == STATUS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct plan plan;
    struct plan_options options;
    struct bytes input = bytes_make(at, len);
    struct bytes rest = input;
    struct ip from = ip_of_v4((const uint8_t[]){10, 0, 0, 2});

    plan_options_init(&options);
    while (rest.len > 0) {
        fuzz_option(&options, bytes_split(&rest, '\n'));
    }
    if (plan_make(&options, &plan, NULL) == STATUS_OK) {
        fuzz_texts(&plan, input);
    } else {
        fuzz_expect(options.num_uids == 0);
    }
    (void)probe_table_has(input, 15001, &from, 38632);
    return 0;
}
