/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signet: the person's tool. This file is the table of its subcommands; each has a file of its own.
 *
 * It asks running programs over their admin sockets and never touches their state otherwise.
 */
#include <string.h>

#include "cmd/signet/commands.h"
#include "cmd/signet/manual.h"

static const struct manual_verb main_verbs[] = {
    {"status", "how every sidecar of this machine is, and the control plane", proxies_command},
    {"certs", "certificates: chain, identities, ends, next renewal, outage budget", certs_command},
    {"conn", "live connections and who is at their other end", connections_command},
    {"entry", "who may be whom: add, list, remove", entries_command},
    {"token", "make a join token, into a file", tokens_command},
    {"demo", "a whole mesh on this machine, to look at", demo_command},
    {"bench", "measure the data path on this machine, beside nginx, HAProxy and Envoy",
     bench_command},
    {"version", "versions of this build and its libraries", version_command},
};

int main(int argc, char **argv)
{
    static char version[] = "version";

    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        argv[1] = version;
    }
    return manual_run_verb("signet", main_verbs, sizeof main_verbs / sizeof main_verbs[0], argc,
                           argv);
}
