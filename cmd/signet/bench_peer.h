/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who can stand in the chain: Signet and the proxies it is compared with. Where their programs are,
 * what they can check, and the commands and configurations that make each an outbound or an inbound
 * proxy.
 *
 * All get the same: two workers, the same certificates, TLS 1.3 alone, X25519, AES-128-GCM, no
 * resumption, no access log. Files are named relative to the folder that the processes run in.
 */
#ifndef SIGNET_CMD_SIGNET_BENCH_PEER_H
#define SIGNET_CMD_SIGNET_BENCH_PEER_H

#include <stdbool.h>

#include "cmd/signet/bench.h"
#include "cmd/signet/bench_process.h"

struct bench_peer {
    enum bench_kind kind;
    bool usable;
    char program[1024]; /* its path */
    char version[96];
    char why_not[160];   /* when it is not usable */
    char preamble[1200]; /* of nginx: the line that loads its stream module, or "" */
};

/* bench_peer_name is the word of a kind on the command line and in JSON: "nginx", "none". */
const char *bench_peer_name(enum bench_kind kind);

/* bench_peer_title is its name in a table: "HAProxy", "no proxy". */
const char *bench_peer_title(enum bench_kind kind);

/* bench_peer_identity says what it checks of the other side. */
const char *bench_peer_identity(enum bench_kind kind);

/*
 * bench_peer_read_list reads "nginx,envoy" into flags of the wanted kinds; "all" and "none" are
 * words of their own. STATUS_CONFIG "bench/peer".
 */
enum status bench_peer_read_list(const char *text, bool wanted[BENCH_KINDS],
                                 struct failure *why) MUST_USE;

/*
 * bench_peer_find looks for a program: `given` by the user, beside ourselves (Signet's), in PATH,
 * then where daemons are kept; and asks it for its version. A program that is missing or lacks what
 * is needed leaves peer->usable false and says so in why_not. STATUS_CLOSED "bench/interrupted".
 */
enum status bench_peer_find(enum bench_kind kind, const char *given, const char *folder,
                            struct bench_peer *out_peer, struct failure *why) MUST_USE;

/*
 * bench_peer_command writes the configuration of one side into the site's folder and gives the
 * command that runs it: it listens on ports[0] of 127.0.0.1 and forwards to ports[1]. STATUS_IO
 * "bench/write".
 */
enum status bench_peer_command(const struct bench_peer *peer, const struct bench_site *site,
                               enum bench_side side, const int ports[2],
                               struct bench_command *out_command, struct failure *why) MUST_USE;

#endif
