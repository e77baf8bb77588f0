/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prove that traffic goes where planned: by real connections, not by reading rules.
 *
 *   canary       a connection to the canary's address lands on the proxy's outbound port
 *   application  a connection of another user to a neighbour lands there too
 *   proxy        a connection of the proxy's user reaches the neighbour itself
 *   loopback     a connection within the pod is left alone
 *   inbound      a connection from the neighbour lands on the proxy's inbound port
 *
 * Each for IPv4 and IPv6. The neighbour is a namespace made for the check (neighbour.h): without
 * the capabilities for it, what needs it is "not yet proved". Where no proxy listens, check
 * listens in its place while it looks, so it works before the proxy starts.
 */
#ifndef SIGNET_CORE_REDIRECT_CHECK_H
#define SIGNET_CORE_REDIRECT_CHECK_H

#include "core/redirect/plan.h"
#include "core/runtime/base/buffer.h"

#define CHECK_LINES_MAX 16
#define CHECK_TEXT_MAX 320

enum check_verdict {
    CHECK_PROVED,
    CHECK_FAILED,
    CHECK_NOT_PROVED, /* could not be tried: the text says why */
};

struct check_line {
    const char *subject; /* "outbound canary": a literal */
    const char *family;  /* "IPv4", "IPv6": a literal */
    enum check_verdict verdict;
    char text[CHECK_TEXT_MAX]; /* what was tried and seen */
};

struct check_report {
    struct check_line lines[CHECK_LINES_MAX];
    size_t num_lines;
    bool proxy_outbound; /* another program listens on the outbound port: the proxy, presumably */
    bool proxy_inbound;  /* likewise the inbound port */
    uint16_t outbound_port;
    uint16_t inbound_port;
};

/*
 * check_run tries everything by `options`, which must be those the rules were set with. It blocks
 * for some seconds at most, changes namespaces and file-system user id for moments: for
 * single-threaded programs. STATUS_DENIED "redirect/permission" or STATUS_IO "redirect/listen"
 * when not even a listener could be made; a failed proof is no error here.
 */
enum status check_run(const struct plan_options *options, struct check_report *out_report,
                      struct failure *why) MUST_USE;

/* check_passed: did nothing fail, and is at least the outbound canary of one family proved? */
bool check_passed(const struct check_report *report);

/* check_print appends the report as a table with a conclusion and what is never captured. */
enum status check_print(const struct check_report *report, struct buffer *out) MUST_USE;

#endif
