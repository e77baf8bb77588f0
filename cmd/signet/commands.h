/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands of the tool, one file each; main.c holds the table of them.
 *
 * A new one is a function here, a file beside, and a row in main.c.
 */
#ifndef SIGNET_CMD_SIGNET_COMMANDS_H
#define SIGNET_CMD_SIGNET_COMMANDS_H

/* The exit codes, the same for every subcommand. */
enum verdict {
    VERDICT_OK = 0,          /* done, and the answer is yes */
    VERDICT_NO = 1,          /* done, and the answer is no: something is not ready, was refused */
    VERDICT_USAGE = 2,       /* the command line is wrong; nothing was done */
    VERDICT_UNREACHABLE = 3, /* what was to be asked does not answer */
};

/*
 * Each takes the command line from its own name on (arguments[0] is "status"), prints to the
 * standard output and error, and returns an exit code (enum verdict). Main thread.
 */

/* proxies_command is `signet status`: every sidecar of this machine, and the control plane. */
int proxies_command(int count, char **arguments);

/* certs_command is `signet certs`: a sidecar's chain, roots and times. */
int certs_command(int count, char **arguments);

/* connections_command is `signet conn`: live connections. */
int connections_command(int count, char **arguments);

/* entries_command is `signet entry add|list|remove`: who may be whom. */
int entries_command(int count, char **arguments);

/* tokens_command is `signet token create|list|revoke`: join tokens. */
int tokens_command(int count, char **arguments);

/* demo_command is `signet demo`: a whole mesh on this machine, to look at. */
int demo_command(int count, char **arguments);

/* bench_command is `signet bench data`: the data path measured beside other proxies. */
int bench_command(int count, char **arguments);

/* version_command is `signet version`: this build and its libraries. */
int version_command(int count, char **arguments);

#endif
