/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo's network: a bridge in our namespace, and a namespace per place joined to it by a veth pair.
 *
 *        our namespace        bridge 10.77.N.1/24
 *                      ┌──────────┬──┴───────┬──────────┐
 *     namespaces    control      web        api       rogue      each with eth0, 10.77.N.2 and on
 *
 * Every object's name begins with "sgd-", is written down before it is made (demo_state.h), and is one
 * that nobody had before.
 */
#ifndef SIGNET_CMD_SIGNET_DEMO_NET_H
#define SIGNET_CMD_SIGNET_DEMO_NET_H

#include "core/runtime/base/bytes.h"

#define DEMO_NET_PLACES 4
#define DEMO_NET_NAME_MAX 16 /* bytes of an interface's name, NUL included */

enum demo_net_place {
    DEMO_NET_CONTROL,
    DEMO_NET_WEB,
    DEMO_NET_API,
    DEMO_NET_ROGUE,
};

struct demo_place {
    char name[DEMO_NET_NAME_MAX];  /* "web" */
    char netns[DEMO_NET_NAME_MAX]; /* "sgd-web"; the veth's end on the bridge has the same name */
    char address[16];              /* "10.77.0.3" */
};

struct demo_net {
    char prefix[16];                /* "10.77.0" */
    char bridge[DEMO_NET_NAME_MAX]; /* "sgd-br0" */
    struct demo_place places[DEMO_NET_PLACES];
};

/*
 * demo_net_choose finds a /24 that no route of this machine touches: 10.77.N.0, else 172.29.N.0, else
 * 198.18.N.0. Routes shorter than /8 (a default route, or the two halves of one) are nobody's network.
 *
 *   routes      what `ip -4 -o route show table all` prints
 *   out_prefix  on true "10.77.0"
 *
 * Pure.
 */
bool demo_net_choose(struct bytes routes, char out_prefix[16]);

/*
 * demo_net_make makes all of it and waits until the links carry packets.
 *
 * STATUS_DENIED "demo/subnet" (none is free), "demo/taken"; STATUS_LIMIT "demo/carrier"; else what a
 * tool said: the errors of demo_process_run.
 */
enum status demo_net_make(struct demo_net *out_net, struct failure *why) MUST_USE;

#endif
