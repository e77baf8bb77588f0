/* SPDX-License-Identifier: Apache-2.0 */
#include "core/redirect/check.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "core/redirect/neighbour.h"
#include "core/redirect/probe.h"
#include "core/runtime/base/memory.h"

#define CHECK_NOBODY 65534

/* What the proofs share. Descriptors are -1 when not open. */
struct check {
    const struct plan_options *options;
    struct check_report *report;
    struct neighbour neighbour;
    struct failure no_neighbour; /* why there is none; reason NULL when there is */
    int outbound;                /* our listeners, where no proxy has them */
    int inbound;
    int far;           /* the neighbour's listener */
    uint16_t far_port; /* its port */
};

static void check_say(struct check *check, const char *subject, const char *family,
                      enum check_verdict verdict, const char *format, ...) PRINTF_LIKE(5, 6);

static void check_say(struct check *check, const char *subject, const char *family,
                      enum check_verdict verdict, const char *format, ...)
{
    struct check_line *line;
    va_list arguments;

    if (check->report->num_lines == CHECK_LINES_MAX) {
        abort(); /* the proofs are a fixed list */
    }
    line = &check->report->lines[check->report->num_lines++];
    line->subject = subject;
    line->family = family;
    line->verdict = verdict;
    va_start(arguments, format);
    (void)vsnprintf(line->text, sizeof line->text, format, arguments);
    va_end(arguments);
}

static struct ip check_ip(const char *text)
{
    struct ip ip;

    /* Only for the constants of ours. */
    if (!ip_parse(bytes_of(text), &ip)) {
        abort();
    }
    return ip;
}

static const char *check_family(const struct ip *ip)
{
    return ip_is_v4(ip) ? "IPv4" : "IPv6";
}

static int check_socket(const struct ip *to)
{
    return socket(ip_is_v4(to) ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void check_close(int *handle)
{
    if (*handle >= 0) {
        (void)close(*handle);
        *handle = -1;
    }
}

static enum probe_landing check_connect(int handle, const struct ip *to, uint16_t port,
                                        uint16_t proxy_port)
{
    enum probe_landing landing = PROBE_IMPOSSIBLE;

    if (handle >= 0) {
        landing = probe_connect(handle, to, port, proxy_port);
        (void)close(handle);
    }
    return landing;
}

static enum check_verdict check_judge(enum probe_landing seen, enum probe_landing wanted)
{
    if (seen == wanted) {
        return CHECK_PROVED;
    }
    return seen == PROBE_IMPOSSIBLE ? CHECK_NOT_PROVED : CHECK_FAILED;
}

/*
 * Without a route to the canary the connection would end before the rules are asked. For IPv4 a
 * socket bound to loopback needs no route, and the canary's rule stands before the one for
 * loopback.
 */
static int check_canary_socket_on_loopback(void)
{
    static const char device[] = "lo";
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int handle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (handle >= 0 &&
        (setsockopt(handle, SOL_SOCKET, SO_BINDTODEVICE, device, sizeof device) != 0 ||
         bind(handle, (const struct sockaddr *)&source, sizeof source) != 0)) {
        (void)close(handle);
        return -1;
    }
    return handle;
}

static void check_canary(struct check *check, const char *address)
{
    struct ip canary = check_ip(address);
    uint16_t proxy_port = check->options->outbound_port;
    enum probe_landing landing =
        check_connect(check_socket(&canary), &canary, PLAN_CANARY_PORT, proxy_port);
    const char *way = "";

    if (landing == PROBE_UNREACHABLE && ip_is_v4(&canary)) {
        landing = check_connect(check_canary_socket_on_loopback(), &canary, PLAN_CANARY_PORT,
                                proxy_port);
        way = " through lo, there being no route,";
    }
    if (landing == PROBE_UNREACHABLE || landing == PROBE_IMPOSSIBLE) {
        check_say(check, "outbound canary", check_family(&canary), CHECK_NOT_PROVED,
                  "%s %s, so the rules were not asked", address, probe_landing_text(landing));
        return;
    }
    check_say(check, "outbound canary", check_family(&canary),
              check_judge(landing, PROBE_CAPTURED), "%s port %d%s %s", address, PLAN_CANARY_PORT,
              way, probe_landing_text(landing));
}

static bool check_is_proxy_uid(const struct check *check, uint32_t uid)
{
    for (size_t i = 0; i < check->options->num_uids; i++) {
        if (check->options->uids[i] == uid) {
            return true;
        }
    }
    return false;
}

/* Some user that is not the proxy's: we ourselves when we can. */
static uint32_t check_application_uid(const struct check *check)
{
    uint32_t uid = (uint32_t)geteuid();

    if (check_is_proxy_uid(check, uid)) {
        uid = CHECK_NOBODY;
    }
    while (check_is_proxy_uid(check, uid)) {
        uid--;
    }
    return uid;
}

/*
 * A socket that belongs to `uid`: the rules look at the file-system user id of whoever made it. -1
 * when we may not become that user.
 */
static int check_socket_of(uint32_t uid, const struct ip *to)
{
    int before = setfsuid(uid);
    int handle = -1;

    /* setfsuid() answers the old id, failed or not: asking with an invalid id shows the new. */
    if ((uint32_t)setfsuid((uid_t)-1) == uid) {
        handle = check_socket(to);
    }
    (void)setfsuid((uid_t)before);
    return handle;
}

static void check_user(struct check *check, const char *subject, uint32_t uid, const char *address,
                       enum probe_landing wanted)
{
    struct ip there = check_ip(address);
    const char *family = check_family(&there);
    int handle;
    enum probe_landing landing;

    if (wanted == PROBE_CAPTURED && plan_options_exclude(check->options, &there)) {
        check_say(check, subject, family, CHECK_NOT_PROVED,
                  "the address of the proof, %s, is itself excluded", address);
        return;
    }
    handle = check_socket_of(uid, &there);
    if (handle < 0) {
        check_say(check, subject, family, CHECK_NOT_PROVED,
                  "acting as user %u needs CAP_SETUID", uid);
        return;
    }
    landing = check_connect(handle, &there, check->far_port, check->options->outbound_port);
    check_say(check, subject, family, check_judge(landing, wanted),
              "user %u to a neighbour, %s port %u: %s", uid, address, check->far_port,
              probe_landing_text(landing));
}

static void check_loopback(struct check *check, const char *address)
{
    struct ip here = check_ip(address);
    uint32_t uid = check_application_uid(check);
    int handle = check_socket_of(uid, &here);
    int listener = probe_listen(0);
    uint16_t port = listener < 0 ? 0 : probe_port(listener);
    enum probe_landing landing;
    enum check_verdict verdict;

    if (handle < 0) {
        check_say(check, "loopback", check_family(&here), CHECK_NOT_PROVED,
                  "acting as user %u needs CAP_SETUID", uid);
        check_close(&listener);
        return;
    }
    landing = check_connect(handle, &here, port, check->options->outbound_port);
    verdict = landing == PROBE_UNREACHABLE ? CHECK_NOT_PROVED : check_judge(landing, PROBE_PASSED);
    check_say(check, "loopback", check_family(&here), verdict, "%s port %u: %s", address, port,
              probe_landing_text(landing));
    check_close(&listener);
}

static void check_inbound(struct check *check, const char *address)
{
    struct ip here = check_ip(address);
    int handle = neighbour_socket(&check->neighbour, ip_is_v4(&here) ? AF_INET : AF_INET6);
    enum probe_landing landing =
        check_connect(handle, &here, check->far_port, check->options->inbound_port);

    check_say(check, "inbound", check_family(&here), check_judge(landing, PROBE_CAPTURED),
              "from a neighbour to %s port %u: %s", address, check->far_port,
              probe_landing_text(landing));
}

/* A port that no exclusion names, in either direction, so that the proof meets the last rule. */
static uint16_t check_free_port(const struct plan_options *options)
{
    uint16_t port = PLAN_CANARY_PORT + 1;

    while (plan_ports_have(&options->exclude_outbound, port) ||
           plan_ports_have(&options->exclude_inbound, port)) {
        port++;
        if (port == 0) {
            return 0;
        }
    }
    return port;
}

static bool check_open_far(struct check *check)
{
    int family = check->neighbour.has_ipv6 ? AF_INET6 : AF_INET;

    check->far_port = check_free_port(check->options);
    check->far = check->far_port == 0 ? -1 : neighbour_socket(&check->neighbour, family);
    if (check->far < 0 || !probe_listen_on(check->far, family, check->far_port)) {
        (void)fail(&check->no_neighbour, STATUS_IO, "redirect/neighbour",
                   "the neighbour cannot listen: every port is excluded, or no socket is left");
        return false;
    }
    return true;
}

static void check_with_neighbour(struct check *check)
{
    static const char *const here[] = {NEIGHBOUR_HERE_V4, NEIGHBOUR_HERE_V6};
    static const char *const there[] = {NEIGHBOUR_THERE_V4, NEIGHBOUR_THERE_V6};
    size_t num_families = check->neighbour.has_ipv6 ? 2 : 1;

    for (size_t i = 0; i < num_families; i++) {
        check_user(check, "application", check_application_uid(check), there[i], PROBE_CAPTURED);
    }
    for (size_t i = 0; i < num_families; i++) {
        check_user(check, "proxy itself", check->options->uids[0], there[i], PROBE_PASSED);
    }
    for (size_t i = 0; i < num_families; i++) {
        check_inbound(check, here[i]);
    }
    if (!check->neighbour.has_ipv6) {
        check_say(check, "application, inbound", "IPv6", CHECK_NOT_PROVED,
                  "this namespace has no IPv6 to capture");
    }
}

static void check_without_neighbour(struct check *check)
{
    check_say(check, "application", "both", CHECK_NOT_PROVED, "not yet proved: %s",
              check->no_neighbour.detail);
    check_say(check, "inbound", "both", CHECK_NOT_PROVED,
              "not yet proved: %s; the first captured connection proves it",
              check->no_neighbour.detail);
}

/* Takes the proxy's place on `port`, unless somebody listens there. */
static enum status check_listen(uint16_t port, int *out_handle, bool *out_taken,
                                struct failure *why)
{
    int handle = probe_listen(port);

    *out_taken = handle < 0 && errno == EADDRINUSE;
    if (handle < 0 && !*out_taken) {
        if (errno == EACCES) {
            return fail(why, STATUS_DENIED, "redirect/permission",
                        "listening on port %u in the proxy's place needs CAP_NET_BIND_SERVICE",
                        port);
        }
        return fail_os(why, errno, "redirect/listen", "cannot listen on port %u", port);
    }
    *out_handle = handle;
    return STATUS_OK;
}

static enum status check_prove(struct check *check, struct failure *why)
{
    TRY(check_listen(check->options->outbound_port, &check->outbound,
                     &check->report->proxy_outbound, why));
    TRY(check_listen(check->options->inbound_port, &check->inbound, &check->report->proxy_inbound,
                     why));
    check_canary(check, PLAN_CANARY_V4);
    check_canary(check, PLAN_CANARY_V6);
    check_loopback(check, "127.0.0.1");
    check_loopback(check, "::1");
    if (neighbour_open(&check->neighbour, &check->no_neighbour) == STATUS_OK &&
        check_open_far(check)) {
        check_with_neighbour(check);
    } else {
        check_without_neighbour(check);
    }
    return STATUS_OK;
}

enum status check_run(const struct plan_options *options, struct check_report *out_report,
                      struct failure *why)
{
    struct check_report report = {.outbound_port = options->outbound_port,
                                  .inbound_port = options->inbound_port};
    struct check check = {.options = options,
                          .report = &report,
                          .neighbour = {.home = -1, .away = -1},
                          .outbound = -1,
                          .inbound = -1,
                          .far = -1};
    struct plan *plan = memory_make(sizeof *plan); /* only to have the options judged */
    enum status status = plan_make(options, plan, why);

    free(plan);
    TRY(status);
    status = check_prove(&check, why);
    check_close(&check.far);
    neighbour_close(&check.neighbour);
    check_close(&check.outbound);
    check_close(&check.inbound);
    if (status == STATUS_OK) {
        *out_report = report;
    }
    return status;
}

bool check_passed(const struct check_report *report)
{
    bool canary = false;

    for (size_t i = 0; i < report->num_lines; i++) {
        const struct check_line *line = &report->lines[i];

        if (line->verdict == CHECK_FAILED) {
            return false;
        }
        if (line->verdict == CHECK_PROVED && strcmp(line->subject, "outbound canary") == 0) {
            canary = true;
        }
    }
    return canary;
}

static bool check_is_complete(const struct check_report *report)
{
    for (size_t i = 0; i < report->num_lines; i++) {
        if (report->lines[i].verdict != CHECK_PROVED) {
            return false;
        }
    }
    return true;
}

static enum status check_print_listener(const char *direction, uint16_t port, bool proxy,
                                        struct buffer *out)
{
    return buffer_add_format(out, "%s port %u: %s\n", direction, port,
                             proxy ? "a program listens there (the proxy, when all is well)"
                                   : "nobody listened there, so check did while it looked");
}

enum status check_print(const struct check_report *report, struct buffer *out)
{
    static const char *const verdicts[] = {
        [CHECK_PROVED] = "ok",
        [CHECK_FAILED] = "FAILED",
        [CHECK_NOT_PROVED] = "not proved",
    };

    TRY(buffer_add_format(out, "%-11s %-20s %-6s %s\n", "VERDICT", "PROOF", "FAMILY",
                          "WHAT WAS TRIED AND SEEN"));
    for (size_t i = 0; i < report->num_lines; i++) {
        const struct check_line *line = &report->lines[i];

        TRY(buffer_add_format(out, "%-11s %-20s %-6s %s\n", verdicts[line->verdict], line->subject,
                              line->family, line->text));
    }
    TRY(buffer_add_text(out, "\n"));
    TRY(check_print_listener("outbound", report->outbound_port, report->proxy_outbound, out));
    TRY(check_print_listener("inbound", report->inbound_port, report->proxy_inbound, out));
    TRY(buffer_add_text(out, "UDP is never captured: DNS and QUIC pass beside the mesh.\n"));
    if (!check_passed(report)) {
        return buffer_add_text(out, "Not captured as planned: see the lines above. `signet-init "
                                    "set` sets it up;\ncheck needs the same options.\n");
    }
    return buffer_add_text(out, check_is_complete(report)
                                    ? "Captured: everything went where planned.\n"
                                    : "Captured, as far as it could be tried: the lines that say "
                                      "\"not proved\" give the reason.\n");
}
