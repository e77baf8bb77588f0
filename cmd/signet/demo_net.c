/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/demo_net.h"

#include <stdio.h>
#include <string.h>

#include "cmd/signet/demo_process.h"
#include "cmd/signet/demo_state.h"
#include "core/runtime/base/buffer.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/base/ip.h"

#define DEMO_NET_BLOCKS_MAX 1024
#define DEMO_NET_SHORTEST (96 + 8) /* bits of a prefix, counted as in struct ip_block */
#define DEMO_NET_CARRIER_MS 5000u
#define DEMO_NET_TRIES 10 /* of names, when another's object has one */

static const char *const demo_net_names[DEMO_NET_PLACES] = {"control", "web", "api", "rogue"};

/* The destination of one route: its first word that is an address. */
static bool demo_net_read_route(struct bytes line, struct ip_block *out_block)
{
    /* "local 10.0.0.1 dev …" or "10.0.0.0/24 dev …": a route's type may stand before. */
    for (int word = 0; word < 2; word++) {
        if (ip_block_parse(bytes_split(&line, ' '), out_block)) {
            return out_block->bits >= DEMO_NET_SHORTEST;
        }
    }
    return false;
}

static size_t demo_net_read_routes(struct bytes routes, struct ip_block *blocks)
{
    size_t count = 0;

    while (routes.len > 0 && count < DEMO_NET_BLOCKS_MAX) {
        count += demo_net_read_route(bytes_trim(bytes_split(&routes, '\n')), &blocks[count]);
    }
    return count;
}

static bool demo_net_is_free(const char *prefix, const struct ip_block *blocks, size_t count)
{
    char text[32];
    struct ip_block wanted;

    (void)snprintf(text, sizeof text, "%s.0/24", prefix);
    if (!ip_block_parse(bytes_of(text), &wanted)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (ip_block_has(&blocks[i], &wanted.ip) || ip_block_has(&wanted, &blocks[i].ip)) {
            return false;
        }
    }
    return true;
}

bool demo_net_choose(struct bytes routes, char out_prefix[16])
{
    static const char *const ranges[] = {"10.77", "172.29", "198.18"};
    struct ip_block blocks[DEMO_NET_BLOCKS_MAX];
    size_t count = demo_net_read_routes(routes, blocks);

    for (size_t range = 0; range < sizeof ranges / sizeof ranges[0]; range++) {
        for (unsigned third = 0; third < 256; third++) {
            char prefix[16];

            (void)snprintf(prefix, sizeof prefix, "%s.%u", ranges[range], third & 0xffu);
            if (demo_net_is_free(prefix, blocks, count)) {
                memcpy(out_prefix, prefix, sizeof prefix);
                return true;
            }
        }
    }
    return false;
}

static enum status demo_net_find_subnet(char out_prefix[16], struct failure *why)
{
    const struct demo_program routes = {
        .path = "ip",
        .arguments = DEMO_ARGUMENTS("ip", "-4", "-o", "route", "show", "table", "all"),
        .apart = true,
    };
    CLEARED(buffer) said = {0};

    TRY(demo_process_run(&routes, 10000, &said, why));
    if (!demo_net_choose(buffer_bytes(&said), out_prefix)) {
        return fail(why, STATUS_DENIED, "demo/subnet",
                    "no /24 of 10.77.0.0/16, 172.29.0.0/16 and 198.18.0.0/16 is free of routes");
    }
    return STATUS_OK;
}

/* "sgd-web"; or "sgd2-web" and so on, when somebody has objects of these names. */
static bool demo_net_name_all(struct demo_net *net, int attempt)
{
    char tag[8] = "sgd";

    if (attempt > 0) {
        (void)snprintf(tag, sizeof tag, "sgd%d", attempt + 1);
    }
    (void)snprintf(net->bridge, sizeof net->bridge, "%s-br0", tag);
    if (!demo_state_is_free(DEMO_STATE_LINK, net->bridge)) {
        return false;
    }
    for (size_t i = 0; i < DEMO_NET_PLACES; i++) {
        struct demo_place *place = &net->places[i];

        (void)snprintf(place->name, sizeof place->name, "%s", demo_net_names[i]);
        (void)snprintf(place->netns, sizeof place->netns, "%s-%s", tag, demo_net_names[i]);
        (void)snprintf(place->address, sizeof place->address, "%.11s.%zu", net->prefix, i + 2);
        if (!demo_state_is_free(DEMO_STATE_NETNS, place->netns) ||
            !demo_state_is_free(DEMO_STATE_LINK, place->netns)) {
            return false;
        }
    }
    return true;
}

static enum status demo_net_make_bridge(const struct demo_net *net, struct failure *why)
{
    char address[32];

    (void)snprintf(address, sizeof address, "%s.1/24", net->prefix);
    TRY(demo_state_note(DEMO_STATE_LINK, net->bridge, why));
    TRY(demo_process_tool(DEMO_ARGUMENTS("ip", "link", "add", net->bridge, "type", "bridge"), why));
    TRY(demo_process_tool(
        DEMO_ARGUMENTS("ip", "link", "set", net->bridge, "addrgenmode", "none", "up"), why));
    return demo_process_tool(DEMO_ARGUMENTS("ip", "address", "add", address, "dev", net->bridge),
                             why);
}

static enum status demo_net_make_namespace(const struct demo_place *place, struct failure *why)
{
    TRY(demo_state_note(DEMO_STATE_NETNS, place->netns, why));
    TRY(demo_process_tool(DEMO_ARGUMENTS("ip", "netns", "add", place->netns), why));
    return demo_process_tool(DEMO_ARGUMENTS("ip", "-n", place->netns, "link", "set", "lo", "up"),
                             why);
}

static enum status demo_net_join(const struct demo_net *net, const struct demo_place *place,
                                 struct failure *why)
{
    const char *link = place->netns;
    char address[32], gateway[32];

    (void)snprintf(address, sizeof address, "%s/24", place->address);
    (void)snprintf(gateway, sizeof gateway, "%s.1", net->prefix);
    TRY(demo_state_note(DEMO_STATE_LINK, link, why));
    TRY(demo_process_tool(DEMO_ARGUMENTS("ip", "link", "add", link, "type", "veth", "peer", "name",
                                         "eth0", "netns", place->netns),
                          why));
    TRY(demo_process_tool(DEMO_ARGUMENTS("ip", "link", "set", link, "master", net->bridge,
                                         "addrgenmode", "none", "up"),
                          why));
    TRY(demo_process_tool(
        DEMO_ARGUMENTS("ip", "-n", place->netns, "address", "add", address, "dev", "eth0"), why));
    TRY(demo_process_tool(DEMO_ARGUMENTS("ip", "-n", place->netns, "link", "set", "eth0", "up"),
                          why));
    return demo_process_tool(
        DEMO_ARGUMENTS("ip", "-n", place->netns, "route", "add", "default", "via", gateway), why);
}

/*
 * New connections by the thousand leave ports in TIME_WAIT: more ports, and used again. These settings
 * belong to the namespace alone; a kernel without one of them does without it.
 */
static enum status demo_net_tune(const struct demo_place *place, struct failure *why)
{
    const struct demo_program program = {
        .path = "sysctl",
        .arguments = DEMO_ARGUMENTS("sysctl", "-q", "-e", "-w", "net.ipv4.tcp_tw_reuse=1",
                                    "net.ipv4.ip_local_port_range=20000 65000"),
        .room = DEMO_ROOM_NAMED,
        .netns = place->netns,
    };
    CLEARED(buffer) said = {0};
    enum status status = demo_process_run(&program, 5000, &said, why);

    return status == STATUS_CLOSED ? status : STATUS_OK;
}

static bool demo_net_has_carrier(const char *link)
{
    CLEARED(buffer) state = {.max = 64};
    char path[64];

    (void)snprintf(path, sizeof path, "/sys/class/net/%s/operstate", link);
    return buffer_read_file(&state, path, NULL) == STATUS_OK &&
           bytes_equal_text(bytes_trim(buffer_bytes(&state)), "up");
}

static enum status demo_net_await_carrier(const char *link, struct failure *why)
{
    uint64_t until = clock_mono_ms() + DEMO_NET_CARRIER_MS;

    while (!demo_net_has_carrier(link)) {
        if (clock_mono_ms() > until) {
            return fail(why, STATUS_LIMIT, "demo/carrier", "the link %s does not come up", link);
        }
        if (!demo_process_wait(10)) {
            return fail(why, STATUS_CLOSED, "demo/interrupted", "interrupted");
        }
    }
    return STATUS_OK;
}

enum status demo_net_make(struct demo_net *out_net, struct failure *why)
{
    struct demo_net *net = out_net;
    int attempt = 0;

    TRY(demo_net_find_subnet(net->prefix, why));
    while (!demo_net_name_all(net, attempt)) {
        if (++attempt == DEMO_NET_TRIES) {
            return fail(why, STATUS_DENIED, "demo/taken",
                        "others have objects named sgd-*: see `ip netns` and `ip link`");
        }
    }
    TRY(demo_net_make_bridge(net, why));
    for (size_t i = 0; i < DEMO_NET_PLACES; i++) {
        TRY(demo_net_make_namespace(&net->places[i], why));
        TRY(demo_net_join(net, &net->places[i], why));
        TRY(demo_net_tune(&net->places[i], why));
    }
    for (size_t i = 0; i < DEMO_NET_PLACES; i++) {
        TRY(demo_net_await_carrier(net->places[i].netns, why));
    }
    return STATUS_OK;
}
