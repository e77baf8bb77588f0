/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signet-init sets up, checks or removes a pod's redirection, then ends: the init container of a
 * sidecar. What it does is in core/redirect; here are its command line, its words and its exit
 * codes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/version.h"
#include "core/redirect/apply.h"
#include "core/redirect/check.h"
#include "core/redirect/iptables.h"
#include "core/redirect/nft.h"
#include "core/runtime/base/memory.h"

#define SETTING_DEF "cmd/signet-init/settings.def"
#define SETTING_STRUCT init_settings
#include "core/runtime/config/setting_struct.inc"
#include "core/runtime/config/setting_table.inc"

#define INIT_TEXT_MAX (256 * 1024) /* bytes of anything that is printed */

enum init_exit {
    INIT_OK = 0,
    INIT_NOT_PROVED = 1, /* check: traffic does not go where planned */
    INIT_USAGE = 2,
    INIT_PERMISSION = 3,
    INIT_MISSING = 4, /* kernel or tool lacks something, or refused */
};

static const char init_help_more[] =
    "\n"
    "Commands\n"
    "  set     (the default) redirect this network namespace's TCP traffic to the proxy. A second\n"
    "          run changes nothing, other options replace the old rules in one step, a refusal\n"
    "          leaves what stood before. Connections that are open already are not captured.\n"
    "  check   prove the capture by real connections: give it the options that set got. It makes\n"
    "          a neighbour (a second namespace and a veth pair) and takes it away again.\n"
    "  remove  take all of it out again. Captured connections that are open end with it.\n"
    "\n"
    "Exit codes\n"
    "  0  done; check: what could be tried went where planned; remove: or nothing was there\n"
    "  1  check: traffic does not go where planned\n"
    "  2  the command line, the environment or a value is wrong\n"
    "  3  a capability is missing: set and remove need CAP_NET_ADMIN, check CAP_SYS_ADMIN\n"
    "     and CAP_SETUID too for all of its proofs (without them it says what is not yet proved)\n"
    "  4  the kernel or a tool lacks something, or refused: the message says what and the remedy\n"
    "\n"
    "Examples\n"
    "  signet-init --exclude-outbound-ports 25,9000-9010 --exclude-cidrs 169.254.169.254\n"
    "  signet-init --print --backend iptables      see the rules, as an ordinary user\n"
    "  nsenter --net=/run/netns/web signet-init    set up another network namespace\n"
    "\n"
    "What it touches: nft's table `inet signet`, or iptables' chains SIGNET_OUTPUT and\n"
    "SIGNET_PREROUTING in the nat table; nothing else. Only TCP is captured: UDP (DNS, QUIC)\n"
    "passes beside the mesh.\n";

static int init_refuse(enum status status, const struct failure *why)
{
    (void)fprintf(stderr, "signet-init: %s (%s)\n", why->detail,
                  why->reason == NULL ? status_word(status) : why->reason);
    switch (status) {
    case STATUS_CONFIG:
        return INIT_USAGE;
    case STATUS_DENIED:
        return INIT_PERMISSION;
    default:
        return INIT_MISSING;
    }
}

static int init_print(const struct buffer *text)
{
    struct bytes all = buffer_bytes(text);

    if (fwrite(all.at, 1, all.len, stdout) != all.len || fflush(stdout) != 0) {
        (void)fprintf(stderr, "signet-init: cannot write to standard output\n");
        return INIT_MISSING;
    }
    return INIT_OK;
}

static enum status init_options(const struct init_settings *settings, struct plan_options *options,
                                struct failure *why)
{
    plan_options_init(options);
    options->outbound_port = (uint16_t)settings->outbound_port;
    options->inbound_port = (uint16_t)settings->inbound_port;
    for (size_t i = 0; i < settings->proxy_uid.num_items; i++) {
        TRY(plan_options_add_uid(options, bytes_of(settings->proxy_uid.items[i]), why));
    }
    for (size_t i = 0; i < settings->exclude_outbound_ports.num_items; i++) {
        TRY(plan_ports_add(&options->exclude_outbound,
                           bytes_of(settings->exclude_outbound_ports.items[i]), why));
    }
    for (size_t i = 0; i < settings->exclude_inbound_ports.num_items; i++) {
        TRY(plan_ports_add(&options->exclude_inbound,
                           bytes_of(settings->exclude_inbound_ports.items[i]), why));
    }
    for (size_t i = 0; i < settings->exclude_cidrs.num_items; i++) {
        TRY(plan_options_add_blocks(options, bytes_of(settings->exclude_cidrs.items[i]), why));
    }
    for (size_t i = 0; i < settings->exclude_interfaces.num_items; i++) {
        TRY(plan_options_add_interfaces(options, bytes_of(settings->exclude_interfaces.items[i]),
                                        why));
    }
    return STATUS_OK;
}

static enum status init_ruleset(const struct plan *plan, enum apply_backend backend,
                                struct buffer *out)
{
    static const struct iptables_state nothing = {0};

    if (backend != APPLY_IPTABLES) {
        return nft_ruleset(plan, out);
    }
    TRY(buffer_add_text(out, "# iptables-restore --noflush\n"));
    TRY(iptables_ruleset(plan, PLAN_IPV4, &nothing, out));
    TRY(buffer_add_text(out, "# ip6tables-restore --noflush\n"));
    return iptables_ruleset(plan, PLAN_IPV6, &nothing, out);
}

static int init_print_ruleset(const struct plan *plan, enum apply_backend backend)
{
    CLEARED(buffer) text = {0};
    struct failure why = {0};

    buffer_init(&text, INIT_TEXT_MAX);
    if (init_ruleset(plan, backend, &text) != STATUS_OK) {
        return init_refuse(fail(&why, STATUS_LIMIT, "redirect/too-long", "too many rules"), &why);
    }
    return init_print(&text);
}

/* What is captured is everything but this: said wherever capture is. */
static int init_print_exclusions(const struct plan_options *options, const char *before)
{
    CLEARED(buffer) text = {0};

    buffer_init(&text, INIT_TEXT_MAX);
    if (plan_print_exclusions(options, before, &text) != STATUS_OK) {
        abort(); /* the options' bounds make it fit */
    }
    return init_print(&text);
}

static int init_set(const struct init_settings *settings, const struct plan_options *options,
                    const struct plan *plan, enum apply_backend backend)
{
    bool dry_run = settings->dry_run;
    struct apply_outcome outcome;
    struct failure why = {0};
    enum status status = apply_set(plan, backend, dry_run, &outcome, &why);

    if (status != STATUS_OK) {
        return init_refuse(status, &why);
    }
    (void)printf("signet-init: %s TCP over %s%s: outbound to port %u, inbound to port %u\n",
                 dry_run ? "nothing changed; the kernel would capture" : "captured:",
                 outcome.ipv6 ? "IPv4 and IPv6" : "IPv4 (this kernel has no IPv6)",
                 outcome.backend == APPLY_NFT ? " by nft" : " by iptables", plan->outbound_port,
                 plan->inbound_port);
    if (outcome.replaced_other) {
        (void)printf("signet-init: earlier rules of ours in the other backend were removed\n");
    }
    return init_print_exclusions(options, "signet-init: ");
}

static int init_check(const struct plan_options *options)
{
    CLEARED(buffer) text = {0};
    struct check_report report;
    struct failure why = {0};
    enum status status = check_run(options, &report, &why);
    int printed;

    if (status != STATUS_OK) {
        return init_refuse(status, &why);
    }
    buffer_init(&text, INIT_TEXT_MAX);
    if (check_print(&report, &text) != STATUS_OK) {
        abort(); /* CHECK_LINES_MAX lines fit */
    }
    printed = init_print(&text);
    if (printed == INIT_OK) {
        printed = init_print_exclusions(options, "");
    }
    if (printed != INIT_OK) {
        return printed;
    }
    return check_passed(&report) ? INIT_OK : INIT_NOT_PROVED;
}

static int init_remove(void)
{
    struct failure why = {0};
    bool was_there;
    enum status status = apply_remove(&was_there, &why);

    if (status != STATUS_OK) {
        return init_refuse(status, &why);
    }
    (void)printf("signet-init: %s\n",
                 was_there ? "removed; nothing is captured any more" : "nothing was there");
    return INIT_OK;
}

static int init_usage(const char *text, const char *word)
{
    (void)fprintf(stderr, "signet-init: %s%s%s; signet-init --help shows the usage\n", text,
                  word[0] == '\0' ? "" : ": ", word);
    return INIT_USAGE;
}

/* The settings are judged; now do what the command says. */
static int init_run(const struct init_settings *settings, const char *command)
{
    struct plan_options options;
    struct plan *plan;
    struct failure why = {0};
    enum apply_backend backend = APPLY_AUTO;
    int answer;

    if (init_options(settings, &options, &why) != STATUS_OK ||
        !apply_backend_parse(bytes_of(settings->backend), &backend)) {
        return init_refuse(STATUS_CONFIG, &why); /* a list that is too long is a usage error too */
    }
    plan = memory_make(sizeof *plan);
    if (plan_make(&options, plan, &why) != STATUS_OK) {
        answer = init_refuse(STATUS_CONFIG, &why);
    } else if (strcmp(command, "set") == 0) {
        answer = settings->print ? init_print_ruleset(plan, backend)
                                 : init_set(settings, &options, plan, backend);
    } else if (settings->print || settings->dry_run) {
        answer = init_usage("--print and --dry-run belong to set, not to this command", command);
    } else if (strcmp(command, "check") == 0) {
        answer = init_check(&options);
    } else if (strcmp(command, "remove") == 0) {
        answer = init_remove();
    } else {
        answer = init_usage("unknown command (set, check or remove)", command);
    }
    free(plan);
    return answer;
}

static int init_help(const struct setting_table *table)
{
    CLEARED(buffer) text = {0};

    buffer_init(&text, INIT_TEXT_MAX);
    if (setting_print_help(table, &text) != STATUS_OK ||
        buffer_add_text(&text, init_help_more) != STATUS_OK) {
        abort(); /* both are constants of ours, and fit */
    }
    return init_print(&text);
}

int main(int argc, char **argv)
{
    static const struct setting_table table =
        SETTING_TABLE(init_settings, "signet-init", "SIGNET_INIT_", "[set|check|remove]",
                      "redirects a pod's TCP traffic to its sidecar, proves it, or takes it back");
    struct init_settings settings = {0};
    struct setting_request request = {0};
    struct setting_input input = {.argc = argc, .argv = argv, .environment = environ};
    struct failure why = {0};
    enum status status = setting_load(&table, &input, &settings, &request, &why);
    int answer;

    if (status != STATUS_OK) {
        return init_refuse(STATUS_CONFIG, &why);
    }
    if (request.help) {
        answer = init_help(&table);
    } else if (request.version) {
        (void)printf("signet-init %s\n", SIGNET_VERSION);
        answer = INIT_OK;
    } else if (request.num_positional > 1) {
        answer = init_usage("one command at a time, please", request.positional[1]);
    } else {
        answer = init_run(&settings, request.num_positional == 0 ? "set" : request.positional[0]);
    }
    setting_clear(&table, &settings);
    return answer;
}
