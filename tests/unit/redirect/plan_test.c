/* SPDX-License-Identifier: Apache-2.0 */
#include "core/redirect/plan.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/suite.h"

SUITE(plan);

enum plan_parser { PARSE_UID, PARSE_PORTS, PARSE_BLOCKS, PARSE_INTERFACES };

struct refusal {
    enum plan_parser parser;
    char text[80];
    char reason[32];
};

static enum status parse(enum plan_parser parser, struct plan_options *options, struct bytes text,
                         struct failure *why)
{
    switch (parser) {
    case PARSE_UID:
        return plan_options_add_uid(options, text, why);
    case PARSE_PORTS:
        return plan_ports_add(&options->exclude_outbound, text, why);
    case PARSE_BLOCKS:
        return plan_options_add_blocks(options, text, why);
    default:
        return plan_options_add_interfaces(options, text, why);
    }
}

ParameterizedTestParameters(plan, refuses)
{
    static struct refusal cases[] = {
        {PARSE_UID, "", "redirect/uid"},
        {PARSE_UID, "root", "redirect/uid"},
        {PARSE_UID, "-1", "redirect/uid"},
        {PARSE_UID, "4294967295", "redirect/uid"}, /* (uid_t)-1 */
        {PARSE_UID, "1337,1338", "redirect/uid"},
        {PARSE_PORTS, "0", "redirect/port"},
        {PARSE_PORTS, "65536", "redirect/port"},
        {PARSE_PORTS, "http", "redirect/port"},
        {PARSE_PORTS, "80,,81", "redirect/port"},
        {PARSE_PORTS, ",80", "redirect/port"},
        {PARSE_PORTS, "80;81", "redirect/port"},
        {PARSE_PORTS, "80 81", "redirect/port"},
        {PARSE_PORTS, "90-80", "redirect/port"},
        {PARSE_PORTS, "0-80", "redirect/port"},
        {PARSE_PORTS, "80-", "redirect/port"},
        {PARSE_PORTS, "-80", "redirect/port"},
        {PARSE_PORTS, "80-90-100", "redirect/port"},
        {PARSE_PORTS, "80:90", "redirect/port"},
        {PARSE_BLOCKS, "10.0.0.0/33", "redirect/cidr"},
        {PARSE_BLOCKS, "10.0.0/8", "redirect/cidr"},
        {PARSE_BLOCKS, "fd00::/129", "redirect/cidr"},
        {PARSE_BLOCKS, "10.0.0.0/8,", ""}, /* a comma at the end is allowed */
        {PARSE_BLOCKS, "10.0.0.0/8,,", "redirect/cidr"},
        {PARSE_BLOCKS, "example.org", "redirect/cidr"},
        {PARSE_BLOCKS, "10.0.0.0/8 accept", "redirect/cidr"},
        {PARSE_BLOCKS, "10.0.0.0/-1", "redirect/cidr"},
        {PARSE_INTERFACES, "-j", "redirect/interface"},
        {PARSE_INTERFACES, "eth+", "redirect/interface"},
        {PARSE_INTERFACES, "eth*", "redirect/interface"},
        {PARSE_INTERFACES, "..", "redirect/interface"},
        {PARSE_INTERFACES, "a\" accept", "redirect/interface"},
        {PARSE_INTERFACES, "a\nb", "redirect/interface"},
        {PARSE_INTERFACES, "abcdefghijklmnop", "redirect/interface"}, /* 16 */
    };
    return cr_make_param_array(struct refusal, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct refusal *given, plan, refuses)
{
    struct plan_options options;
    struct plan_options before;
    struct failure why = {0};
    enum status status;

    plan_options_init(&options);
    before = options;
    status = parse(given->parser, &options, bytes_of(given->text), &why);
    if (given->reason[0] == '\0') {
        cr_assert_eq(status, STATUS_OK, "%s", given->text);
        return;
    }
    cr_assert_eq(status, STATUS_CONFIG, "%s", given->text);
    cr_assert_str_eq(why.reason, given->reason, "%s", given->text);
    cr_assert_eq(options.exclude_outbound.count, before.exclude_outbound.count);
    cr_assert_eq(options.num_exclude_blocks, before.num_exclude_blocks);
    cr_assert_eq(options.num_exclude_interfaces, before.num_exclude_interfaces);
    cr_assert_eq(options.num_uids, before.num_uids);
}

Test(plan, reads_ports_and_ranges_with_blanks_around_them)
{
    struct plan_ports ports = {0};

    cr_assert_eq(plan_ports_add(&ports, bytes_of(" 80 , 9000-9010,65535"), NULL), STATUS_OK);
    cr_assert_eq(plan_ports_add(&ports, bytes_of("  "), NULL), STATUS_OK);
    cr_assert_eq(ports.count, 3);
    cr_assert(plan_ports_have(&ports, 80));
    cr_assert(plan_ports_have(&ports, 9000) && plan_ports_have(&ports, 9010));
    cr_assert(plan_ports_have(&ports, 65535));
    cr_assert_not(plan_ports_have(&ports, 81) || plan_ports_have(&ports, 8999) ||
                  plan_ports_have(&ports, 9011));
}

Test(plan, keeps_every_list_within_its_bound)
{
    struct plan_options options;
    struct failure why = {0};

    plan_options_init(&options);
    for (int i = 0; i < PLAN_PORTS_MAX; i++) {
        cr_assert_eq(plan_ports_add(&options.exclude_outbound, bytes_of("1"), &why), STATUS_OK);
    }
    cr_assert_eq(plan_ports_add(&options.exclude_outbound, bytes_of("1"), &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "redirect/too-many");
    for (int i = 0; i < PLAN_BLOCKS_MAX; i++) {
        cr_assert_eq(plan_options_add_blocks(&options, bytes_of("::1"), &why), STATUS_OK);
    }
    cr_assert_eq(plan_options_add_blocks(&options, bytes_of("::1"), &why), STATUS_LIMIT);
    for (int i = 0; i < PLAN_INTERFACES_MAX; i++) {
        cr_assert_eq(plan_options_add_interfaces(&options, bytes_of("wg0"), &why), STATUS_OK);
    }
    cr_assert_eq(plan_options_add_interfaces(&options, bytes_of("wg0"), &why), STATUS_LIMIT);
    for (int i = 0; i < PLAN_UIDS_MAX; i++) {
        cr_assert_eq(plan_options_add_uid(&options, bytes_of("7"), &why), STATUS_OK);
    }
    cr_assert_eq(plan_options_add_uid(&options, bytes_of("7"), &why), STATUS_LIMIT);
}

static void fill(struct plan_options *options)
{
    plan_options_init(options);
    for (int i = 0; i < PLAN_PORTS_MAX; i++) {
        cr_assert_eq(plan_ports_add(&options->exclude_outbound, bytes_of("1"), NULL), STATUS_OK);
        cr_assert_eq(plan_ports_add(&options->exclude_inbound, bytes_of("2"), NULL), STATUS_OK);
    }
    for (int i = 0; i < PLAN_BLOCKS_MAX; i++) {
        cr_assert_eq(plan_options_add_blocks(options, bytes_of("10.0.0.0/8"), NULL), STATUS_OK);
    }
    for (int i = 0; i < PLAN_INTERFACES_MAX; i++) {
        cr_assert_eq(plan_options_add_interfaces(options, bytes_of("wg0"), NULL), STATUS_OK);
    }
    for (int i = 0; i < PLAN_UIDS_MAX; i++) {
        cr_assert_eq(plan_options_add_uid(options, bytes_of("7"), NULL), STATUS_OK);
    }
}

Test(plan, has_room_for_exactly_what_full_options_give)
{
    static struct plan plan;
    struct plan_options options;

    fill(&options);
    cr_assert_eq(plan_make(&options, &plan, NULL), STATUS_OK);
    cr_assert_eq(plan.num_rules, PLAN_RULES_MAX);
}

Test(plan, refuses_a_proxy_that_would_capture_itself)
{
    static struct plan plan;
    struct plan_options options;
    struct failure why = {0};

    plan_options_init(&options);
    cr_assert_eq(plan_make(&options, &plan, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "redirect/uid");
    cr_assert_eq(plan_options_add_uid(&options, bytes_of("1337"), &why), STATUS_OK);
    options.inbound_port = options.outbound_port;
    cr_assert_eq(plan_make(&options, &plan, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "redirect/port");
    options.inbound_port = 0;
    cr_assert_eq(plan_make(&options, &plan, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "redirect/port");
}

/* The order is the meaning: the first rule that matches decides. */
Test(plan, asks_canary_then_users_then_loopback_then_exclusions_and_captures_last)
{
    static struct plan plan;
    static const char *const wanted[] = {
        "canary",  "canary",  "proxy",   "loopback", "excluded", "excluded", "excluded",
        "outbound", "sidecar", "sidecar", "sidecar",  "sidecar",  "sidecar",  "excluded",
        "excluded", "inbound",
    };
    struct plan_options options;

    plan_options_init(&options);
    cr_assert_eq(plan_options_add_uid(&options, bytes_of("1337"), NULL), STATUS_OK);
    cr_assert_eq(plan_ports_add(&options.exclude_outbound, bytes_of("25"), NULL), STATUS_OK);
    cr_assert_eq(plan_ports_add(&options.exclude_inbound, bytes_of("22"), NULL), STATUS_OK);
    cr_assert_eq(plan_options_add_blocks(&options, bytes_of("fd00::/8"), NULL), STATUS_OK);
    cr_assert_eq(plan_options_add_interfaces(&options, bytes_of("wg0"), NULL), STATUS_OK);
    cr_assert_eq(plan_make(&options, &plan, NULL), STATUS_OK);
    cr_assert_eq(plan.num_rules, sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < plan.num_rules; i++) {
        cr_assert_str_eq(plan.rules[i].note, wanted[i], "rule %zu", i);
        cr_assert_eq(plan.rules[i].chain, i < 8 ? PLAN_OUTPUT : PLAN_PREROUTING, "rule %zu", i);
    }
    cr_assert_eq(plan.rules[0].redirect_to, 15001);
    cr_assert_eq(plan.rules[1].redirect_to, 15001);
    cr_assert_eq(plan.rules[7].redirect_to, 15001);
    cr_assert_eq(plan.rules[15].redirect_to, 15006);
    cr_assert_eq(plan.rules[6].family, PLAN_IPV6);
}

Test(plan, knows_the_destinations_that_are_excluded)
{
    struct plan_options options;
    struct ip inside;
    struct ip outside;

    plan_options_init(&options);
    cr_assert(ip_parse(bytes_of("10.1.2.3"), &inside) && ip_parse(bytes_of("11.1.2.3"), &outside));
    cr_assert_eq(plan_options_add_blocks(&options, bytes_of("::1,10.0.0.0/8"), NULL), STATUS_OK);
    cr_assert(plan_options_exclude(&options, &inside));
    cr_assert_not(plan_options_exclude(&options, &outside));
}

static void plan_expect_exclusions(const struct plan_options *options, const char *expected)
{
    CLEARED(buffer) out = {.max = 65536};

    cr_assert_eq(plan_print_exclusions(options, "> ", &out), STATUS_OK);
    cr_expect(bytes_equal_text(buffer_bytes(&out), expected), "%.*s", (int)out.len, out.at);
}

Test(plan, says_what_it_leaves_alone)
{
    struct plan_options options;

    plan_options_init(&options);
    plan_expect_exclusions(&options, "> left alone: loopback\n");
    cr_assert_eq(plan_options_add_uid(&options, bytes_of("1337"), NULL), STATUS_OK);
    cr_assert_eq(plan_ports_add(&options.exclude_outbound, bytes_of("25,9000-9010"), NULL),
                 STATUS_OK);
    cr_assert_eq(plan_ports_add(&options.exclude_inbound, bytes_of("22"), NULL), STATUS_OK);
    cr_assert_eq(plan_options_add_blocks(&options, bytes_of("10.0.0.0/8,fd00::/8"), NULL),
                 STATUS_OK);
    cr_assert_eq(plan_options_add_interfaces(&options, bytes_of("wg0,docker0"), NULL), STATUS_OK);
    plan_expect_exclusions(&options, "> left alone: loopback\n"
                                     "> left alone: connections of user 1337\n"
                                     "> left alone: outbound to ports 25, 9000-9010\n"
                                     "> left alone: inbound to ports 22\n"
                                     "> left alone: outbound to 10.0.0.0/8, fd00::/8\n"
                                     "> left alone: both directions on wg0, docker0\n");
}
