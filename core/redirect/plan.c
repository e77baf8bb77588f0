/* SPDX-License-Identifier: Apache-2.0 */
#include "core/redirect/plan.h"

#include <stdlib.h>
#include <string.h>

#define PLAN_QUOTED_MAX 64 /* bytes of the operator's text that a refusal repeats */

/* The sidecar's own ports beside the two of the capture: tunnel, metrics, health. */
static const uint16_t plan_own_ports[] = {15008, 15020, 15021};

static int plan_quoted_len(struct bytes text)
{
    return (int)(text.len < PLAN_QUOTED_MAX ? text.len : PLAN_QUOTED_MAX);
}

/* PLAN_QUOTED gives printf's "%.*s" its two arguments. */
#define PLAN_QUOTED(text) plan_quoted_len(text), (text).at == NULL ? "" : (const char *)(text).at

void plan_options_init(struct plan_options *options)
{
    memset(options, 0, sizeof *options);
    options->outbound_port = PLAN_OUTBOUND_PORT;
    options->inbound_port = PLAN_INBOUND_PORT;
}

enum status plan_options_add_uid(struct plan_options *options, struct bytes text,
                                 struct failure *why)
{
    uint64_t uid;

    /* (uid_t)-1 means "no user" to the kernel. */
    if (!bytes_to_number(bytes_trim(text), UINT32_MAX - 1, &uid)) {
        return fail(why, STATUS_CONFIG, "redirect/uid", "\"%.*s\" is no user id (a number)",
                    PLAN_QUOTED(text));
    }
    if (options->num_uids == PLAN_UIDS_MAX) {
        return fail(why, STATUS_LIMIT, "redirect/too-many", "more than %d user ids", PLAN_UIDS_MAX);
    }
    options->uids[options->num_uids++] = (uint32_t)uid;
    return STATUS_OK;
}

static bool plan_port_range_parse(struct bytes item, struct plan_port_range *out_range)
{
    bool is_range = item.len > 0 && memchr(item.at, '-', item.len) != NULL;
    struct bytes rest = item;
    struct bytes first_text = bytes_split(&rest, '-');
    uint64_t first;
    uint64_t last;

    if (!bytes_to_number(first_text, UINT16_MAX, &first)) {
        return false;
    }
    last = first;
    if (is_range && !bytes_to_number(rest, UINT16_MAX, &last)) {
        return false;
    }
    if (first == 0 || last < first) {
        return false;
    }
    *out_range = (struct plan_port_range){(uint16_t)first, (uint16_t)last};
    return true;
}

/* What a comma-separated list of the operator holds. */
struct plan_list {
    size_t max;
    const char *many;   /* "ports in a list" */
    const char *reason; /* of an item that is wrong */
    const char *wrong;  /* ends the sentence that begins with it */
    bool (*read)(void *items, size_t at, struct bytes item);
};

/* Appends a list to `items`, of which there are *count: all of it, or nothing and a reason. */
static enum status plan_list_add(const struct plan_list *kind, struct bytes list, void *items,
                                 size_t *count, struct failure *why)
{
    size_t num_items = *count;
    struct bytes rest = bytes_trim(list);

    while (rest.len > 0) {
        struct bytes item = bytes_trim(bytes_split(&rest, ','));

        if (num_items == kind->max) {
            return fail(why, STATUS_LIMIT, "redirect/too-many", "more than %zu %s", kind->max,
                        kind->many);
        }
        if (!kind->read(items, num_items, item)) {
            return fail(why, STATUS_CONFIG, kind->reason, "\"%.*s\" %s", PLAN_QUOTED(item),
                        kind->wrong);
        }
        num_items++;
    }
    *count = num_items;
    return STATUS_OK;
}

static bool plan_port_read(void *items, size_t at, struct bytes item)
{
    struct plan_port_range *ranges = items;

    return plan_port_range_parse(item, &ranges[at]);
}

enum status plan_ports_add(struct plan_ports *ports, struct bytes list, struct failure *why)
{
    static const struct plan_list kind = {
        .max = PLAN_PORTS_MAX,
        .many = "ports in a list",
        .reason = "redirect/port",
        .wrong = "is neither a port (1-65535) nor a range like 9000-9010",
        .read = plan_port_read,
    };

    return plan_list_add(&kind, list, ports->at, &ports->count, why);
}

static bool plan_block_read(void *items, size_t at, struct bytes item)
{
    struct ip_block *blocks = items;

    return ip_block_parse(item, &blocks[at]);
}

enum status plan_options_add_blocks(struct plan_options *options, struct bytes list,
                                    struct failure *why)
{
    static const struct plan_list kind = {
        .max = PLAN_BLOCKS_MAX,
        .many = "address blocks",
        .reason = "redirect/cidr",
        .wrong = "is no address block like 10.0.0.0/8 or fd00::/8",
        .read = plan_block_read,
    };

    return plan_list_add(&kind, list, options->exclude_blocks, &options->num_exclude_blocks, why);
}

static bool plan_interface_is_plain(struct bytes name)
{
    if (name.len == 0 || name.len >= PLAN_INTERFACE_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    /* A leading '-' would read as an option to iptables; "." and ".." are no names. */
    return name.at[0] != '-' && name.at[0] != '.';
}

static bool plan_interface_read(void *items, size_t at, struct bytes item)
{
    char(*names)[PLAN_INTERFACE_MAX] = items;

    if (!plan_interface_is_plain(item)) {
        return false;
    }
    memset(names[at], 0, PLAN_INTERFACE_MAX);
    memcpy(names[at], item.at, item.len);
    return true;
}

enum status plan_options_add_interfaces(struct plan_options *options, struct bytes list,
                                        struct failure *why)
{
    static const struct plan_list kind = {
        .max = PLAN_INTERFACES_MAX,
        .many = "interfaces",
        .reason = "redirect/interface",
        .wrong = "is no interface name (1-15 letters, digits, '.', '_', '-')",
        .read = plan_interface_read,
    };

    return plan_list_add(&kind, list, options->exclude_interfaces, &options->num_exclude_interfaces,
                         why);
}

/* PLAN_RULES_MAX counts every rule that full options can give, so there is always room. */
static struct plan_rule *plan_add(struct plan *plan, enum plan_chain chain, const char *note)
{
    struct plan_rule *rule = &plan->rules[plan->num_rules++];

    memset(rule, 0, sizeof *rule);
    rule->chain = chain;
    rule->note = note;
    return rule;
}

static void plan_add_port(struct plan *plan, enum plan_chain chain, struct plan_port_range ports,
                          const char *note)
{
    plan_add(plan, chain, note)->ports = ports;
}

static void plan_add_interface(struct plan *plan, enum plan_chain chain, const char *name,
                               const char *note)
{
    struct plan_rule *rule = plan_add(plan, chain, note);

    memcpy(rule->interface, name, strnlen(name, PLAN_INTERFACE_MAX - 1));
}

static void plan_add_block(struct plan *plan, const struct ip_block *block, const char *note)
{
    struct plan_rule *rule = plan_add(plan, PLAN_OUTPUT, note);

    rule->by_block = true;
    rule->block = *block;
    rule->family = ip_is_v4(&block->ip) ? PLAN_IPV4 : PLAN_IPV6;
}

static void plan_add_canary(struct plan *plan, const char *address)
{
    struct ip_block block;

    /* Both addresses are constants of ours. */
    if (!ip_block_parse(bytes_of(address), &block)) {
        abort();
    }
    plan_add_block(plan, &block, "canary");
    plan->rules[plan->num_rules - 1].ports =
        (struct plan_port_range){PLAN_CANARY_PORT, PLAN_CANARY_PORT};
    plan->rules[plan->num_rules - 1].redirect_to = plan->outbound_port;
}

static void plan_add_outbound(struct plan *plan, const struct plan_options *options)
{
    /* Before the users: the proxy itself must be able to send the canary. */
    plan_add_canary(plan, PLAN_CANARY_V4);
    plan_add_canary(plan, PLAN_CANARY_V6);
    for (size_t i = 0; i < options->num_uids; i++) {
        struct plan_rule *rule = plan_add(plan, PLAN_OUTPUT, "proxy");

        rule->by_uid = true;
        rule->uid = options->uids[i];
    }
    plan_add_interface(plan, PLAN_OUTPUT, "lo", "loopback");
    for (size_t i = 0; i < options->num_exclude_interfaces; i++) {
        plan_add_interface(plan, PLAN_OUTPUT, options->exclude_interfaces[i], "excluded");
    }
    for (size_t i = 0; i < options->exclude_outbound.count; i++) {
        plan_add_port(plan, PLAN_OUTPUT, options->exclude_outbound.at[i], "excluded");
    }
    for (size_t i = 0; i < options->num_exclude_blocks; i++) {
        plan_add_block(plan, &options->exclude_blocks[i], "excluded");
    }
    plan_add(plan, PLAN_OUTPUT, "outbound")->redirect_to = options->outbound_port;
}

static void plan_add_own_port(struct plan *plan, uint16_t port)
{
    plan_add_port(plan, PLAN_PREROUTING, (struct plan_port_range){port, port}, "sidecar");
}

static void plan_add_inbound(struct plan *plan, const struct plan_options *options)
{
    plan_add_own_port(plan, options->outbound_port);
    plan_add_own_port(plan, options->inbound_port);
    for (size_t i = 0; i < sizeof plan_own_ports / sizeof plan_own_ports[0]; i++) {
        plan_add_own_port(plan, plan_own_ports[i]);
    }
    for (size_t i = 0; i < options->num_exclude_interfaces; i++) {
        plan_add_interface(plan, PLAN_PREROUTING, options->exclude_interfaces[i], "excluded");
    }
    for (size_t i = 0; i < options->exclude_inbound.count; i++) {
        plan_add_port(plan, PLAN_PREROUTING, options->exclude_inbound.at[i], "excluded");
    }
    plan_add(plan, PLAN_PREROUTING, "inbound")->redirect_to = options->inbound_port;
}

enum status plan_make(const struct plan_options *options, struct plan *out_plan,
                      struct failure *why)
{
    if (options->outbound_port == 0 || options->inbound_port == 0) {
        return fail(why, STATUS_CONFIG, "redirect/port", "a proxy port must be 1-65535");
    }
    if (options->outbound_port == options->inbound_port) {
        return fail(why, STATUS_CONFIG, "redirect/port",
                    "outbound and inbound port are both %u: the proxy could not tell them apart",
                    options->outbound_port);
    }
    if (options->num_uids == 0) {
        return fail(why, STATUS_CONFIG, "redirect/uid",
                    "no proxy user is given: the proxy would capture its own connections");
    }
    out_plan->num_rules = 0;
    out_plan->outbound_port = options->outbound_port;
    out_plan->inbound_port = options->inbound_port;
    plan_add_outbound(out_plan, options);
    plan_add_inbound(out_plan, options);
    return STATUS_OK;
}

bool plan_ports_have(const struct plan_ports *ports, uint16_t port)
{
    for (size_t i = 0; i < ports->count; i++) {
        if (port >= ports->at[i].first && port <= ports->at[i].last) {
            return true;
        }
    }
    return false;
}

bool plan_options_exclude(const struct plan_options *options, const struct ip *ip)
{
    for (size_t i = 0; i < options->num_exclude_blocks; i++) {
        if (ip_block_has(&options->exclude_blocks[i], ip)) {
            return true;
        }
    }
    return false;
}

/* Begins a line, or goes on in it. */
static enum status plan_print_item(const char *before, const char *what, bool first,
                                   struct buffer *out)
{
    return first ? buffer_add_format(out, "%sleft alone: %s ", before, what)
                 : buffer_add_text(out, ", ");
}

static enum status plan_print_ports(const char *before, const char *what,
                                    const struct plan_ports *ports, struct buffer *out)
{
    for (size_t i = 0; i < ports->count; i++) {
        const struct plan_port_range *range = &ports->at[i];

        TRY(plan_print_item(before, what, i == 0, out));
        TRY(range->first == range->last
                ? buffer_add_format(out, "%u", range->first)
                : buffer_add_format(out, "%u-%u", range->first, range->last));
    }
    return ports->count == 0 ? STATUS_OK : buffer_add_text(out, "\n");
}

static enum status plan_print_blocks(const struct plan_options *options, const char *before,
                                     struct buffer *out)
{
    for (size_t i = 0; i < options->num_exclude_blocks; i++) {
        char block[IP_BLOCK_TEXT_MAX];

        ip_block_print(&options->exclude_blocks[i], block);
        TRY(plan_print_item(before, "outbound to", i == 0, out));
        TRY(buffer_add_text(out, block));
    }
    return options->num_exclude_blocks == 0 ? STATUS_OK : buffer_add_text(out, "\n");
}

enum status plan_print_exclusions(const struct plan_options *options, const char *before,
                                  struct buffer *out)
{
    TRY(buffer_add_format(out, "%sleft alone: loopback\n", before));
    for (size_t i = 0; i < options->num_uids; i++) {
        TRY(plan_print_item(before, "connections of user", i == 0, out));
        TRY(buffer_add_format(out, "%u", options->uids[i]));
    }
    TRY(buffer_add_text(out, options->num_uids == 0 ? "" : "\n"));
    TRY(plan_print_ports(before, "outbound to ports", &options->exclude_outbound, out));
    TRY(plan_print_ports(before, "inbound to ports", &options->exclude_inbound, out));
    TRY(plan_print_blocks(options, before, out));
    for (size_t i = 0; i < options->num_exclude_interfaces; i++) {
        TRY(plan_print_item(before, "both directions on", i == 0, out));
        TRY(buffer_add_text(out, options->exclude_interfaces[i]));
    }
    return buffer_add_text(out, options->num_exclude_interfaces == 0 ? "" : "\n");
}
