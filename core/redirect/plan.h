/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What shall be captured: options become an ordered list of rules, the first that matches decides.
 *
 * Only a connection's first packet (SYN) is ever redirected. Connection tracking may meet a
 * connection in its middle: one that was open before the rules stood. Redirecting that would reset
 * it. The price: if the kernel forgot a captured connection that is still open, its next packet
 * would go out as it is, so the proxy's sockets must use keepalive well below
 * nf_conntrack_tcp_timeout_established.
 *
 * Pure: no kernel, no text of any tool. nft.h and iptables.h print a plan, apply.h loads it,
 * check.h proves it. Only TCP is captured: UDP (so DNS and QUIC) passes beside the mesh.
 */
#ifndef SIGNET_CORE_REDIRECT_PLAN_H
#define SIGNET_CORE_REDIRECT_PLAN_H

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/ip.h"

#define PLAN_OUTBOUND_PORT 15001
#define PLAN_INBOUND_PORT 15006
#define PLAN_PROXY_UID 1337

/*
 * The canary: a connection to these addresses is always redirected to the outbound port, whoever
 * opens it, so that the proxy can prove its own capture. They belong to nobody (RFC 5737, RFC
 * 3849).
 */
#define PLAN_CANARY_V4 "192.0.2.1"
#define PLAN_CANARY_V6 "2001:db8::1"
#define PLAN_CANARY_PORT 15099

#define PLAN_UIDS_MAX 8
#define PLAN_PORTS_MAX 64
#define PLAN_BLOCKS_MAX 64
#define PLAN_INTERFACES_MAX 8
#define PLAN_INTERFACE_MAX 16 /* bytes of an interface's name, NUL included (IFNAMSIZ) */

struct plan_port_range {
    uint16_t first; /* 1..65535 */
    uint16_t last;  /* not less than first */
};

struct plan_ports {
    struct plan_port_range at[PLAN_PORTS_MAX];
    size_t count;
};

struct plan_options {
    uint16_t outbound_port;             /* where the proxy takes what the application sends */
    uint16_t inbound_port;              /* where the proxy takes what the network sends */
    uint32_t uids[PLAN_UIDS_MAX];       /* users whose own traffic is never captured: the proxy's */
    size_t num_uids;
    struct plan_ports exclude_outbound; /* destination ports that applications reach directly */
    struct plan_ports exclude_inbound;  /* local ports that the network reaches directly */
    struct ip_block exclude_blocks[PLAN_BLOCKS_MAX]; /* destinations that are reached directly */
    size_t num_exclude_blocks;
    char exclude_interfaces[PLAN_INTERFACES_MAX][PLAN_INTERFACE_MAX]; /* neither direction */
    size_t num_exclude_interfaces;
};

enum plan_chain {
    PLAN_OUTPUT,     /* connections that this network namespace opens */
    PLAN_PREROUTING, /* connections that come in from another one */
};

enum plan_family {
    PLAN_ANY_FAMILY,
    PLAN_IPV4,
    PLAN_IPV6,
};

/* One rule: all that is given must match. */
struct plan_rule {
    enum plan_chain chain;
    enum plan_family family;
    bool by_uid;
    bool by_block;
    uint32_t uid;                       /* of the socket's owner, when by_uid */
    struct ip_block block;              /* of the destination, when by_block */
    struct plan_port_range ports;       /* of the destination; first 0: any */
    char interface[PLAN_INTERFACE_MAX]; /* out (OUTPUT) or in (PREROUTING); empty: any */
    uint16_t redirect_to;               /* local port; 0: leave the connection alone */
    const char *note;                   /* why, in a few words: a literal */
};

/* Canaries, users, loopback, own ports, exclusions of both directions, and the two last rules. */
#define PLAN_RULES_MAX                                                                             \
    (2 + PLAN_UIDS_MAX + 1 + 5 + 2 * PLAN_INTERFACES_MAX + 2 * PLAN_PORTS_MAX + PLAN_BLOCKS_MAX + 2)

struct plan {
    struct plan_rule rules[PLAN_RULES_MAX]; /* all of OUTPUT, then all of PREROUTING, in order */
    size_t num_rules;
    uint16_t outbound_port;
    uint16_t inbound_port;
};

/* plan_options_init gives the usual ports; no user and no exclusion. */
void plan_options_init(struct plan_options *options);

/*
 * plan_options_add_uid reads one user id, a number, and adds it. STATUS_CONFIG "redirect/uid" when
 * it is no number below 2^32 - 1, STATUS_LIMIT "redirect/too-many" after PLAN_UIDS_MAX.
 */
enum status plan_options_add_uid(struct plan_options *options, struct bytes text,
                                 struct failure *why) MUST_USE;

/*
 * plan_ports_add reads "8080,9000-9010" (blanks around an item and a comma at the end are allowed)
 * and adds each. STATUS_CONFIG "redirect/port" (0, above 65535, a range that runs backwards, no
 * number), STATUS_LIMIT "redirect/too-many" after PLAN_PORTS_MAX. On refusal `ports` is unchanged.
 */
enum status plan_ports_add(struct plan_ports *ports, struct bytes list, struct failure *why)
    MUST_USE;

/*
 * plan_options_add_blocks reads "10.0.0.0/8,fd00::/8", single addresses too, and adds each as a
 * destination that is not captured. STATUS_CONFIG "redirect/cidr", STATUS_LIMIT
 * "redirect/too-many". On refusal `options` is unchanged.
 */
enum status plan_options_add_blocks(struct plan_options *options, struct bytes list,
                                    struct failure *why) MUST_USE;

/*
 * plan_options_add_interfaces reads "docker0,wg0" and adds each as an interface whose traffic is
 * not captured in either direction. A name has 1..15 letters, digits, '.', '_' or '-': no
 * wildcard. STATUS_CONFIG "redirect/interface", STATUS_LIMIT "redirect/too-many". Unchanged on
 * refusal.
 */
enum status plan_options_add_interfaces(struct plan_options *options, struct bytes list,
                                        struct failure *why) MUST_USE;

/*
 * plan_make orders the rules: the canaries before all, then what is left alone, last the capture.
 * STATUS_CONFIG "redirect/port" when a proxy port is 0 or both are the same, "redirect/uid" when no
 * user is given: without one the proxy would capture itself.
 */
enum status plan_make(const struct plan_options *options, struct plan *out_plan,
                      struct failure *why) MUST_USE;

/* plan_ports_have: is `port` one of them? */
bool plan_ports_have(const struct plan_ports *ports, uint16_t port);

/* plan_options_exclude: is the destination `ip` in an excluded block? */
bool plan_options_exclude(const struct plan_options *options, const struct ip *ip);

/*
 * plan_print_exclusions appends what the options leave alone, a line each behind `before`, in the words
 * of the options: "left alone: outbound to ports 25, 9000-9010". Loopback and the proxy's own users
 * always are. STATUS_LIMIT "buffer/full".
 */
enum status plan_print_exclusions(const struct plan_options *options, const char *before,
                                  struct buffer *out) MUST_USE;

#endif
