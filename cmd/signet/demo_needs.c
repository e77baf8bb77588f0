/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/demo_needs.h"

#include <unistd.h>

#include "cmd/signet/demo_process.h"
#include "core/redirect/process.h"

struct demo_need {
    const char *tool;
    const char *package; /* Debian's name */
};

static const struct demo_need demo_needs_tools[] = {
    {"ip", "iproute2"},
    {"nginx", "nginx"},
    {"curl", "curl"},
    {"wrk", "wrk"},
};

static unsigned demo_needs_check_tools(FILE *out)
{
    unsigned num_missing = 0;

    for (size_t i = 0; i < sizeof demo_needs_tools / sizeof demo_needs_tools[0]; i++) {
        char path[PROCESS_PATH_MAX];

        if (!process_find(demo_needs_tools[i].tool, path)) {
            num_missing++;
            (void)fprintf(out, "  the program %s. As root: apt-get install %s\n",
                          demo_needs_tools[i].tool, demo_needs_tools[i].package);
        }
    }
    return num_missing;
}

/* Runs a program in a namespace of its own; what it says goes with it when that ends. */
static bool demo_needs_try(const char *path, const char *const *arguments, struct failure *why)
{
    const struct demo_program program = {
        .path = path, .arguments = arguments, .room = DEMO_ROOM_FRESH};
    CLEARED(buffer) said = {0};

    return demo_process_run(&program, 10000, &said, why) == STATUS_OK;
}

static unsigned demo_needs_check_kernel(const struct demo_programs *programs, FILE *out)
{
    struct failure why = {0};
    unsigned num_missing = 0;

    if (!demo_needs_try("ip", DEMO_ARGUMENTS("ip", "link", "show", "lo"), &why)) {
        (void)fprintf(out,
                      "  CAP_SYS_ADMIN, to make network namespaces (%s).\n"
                      "    In a container: run it with --privileged, or on the machine itself.\n",
                      why.detail);
        return 1; /* without it, nothing more can be tried */
    }
    if (!demo_needs_try("ip", DEMO_ARGUMENTS("ip", "link", "add", "sgd-try", "type", "bridge"),
                        &why) ||
        !demo_needs_try("ip", DEMO_ARGUMENTS("ip", "link", "add", "sgd-try", "type", "veth"),
                        &why)) {
        num_missing++;
        (void)fprintf(out,
                      "  CAP_NET_ADMIN, and a kernel with bridge and veth (%s).\n"
                      "    Try: modprobe -a bridge veth\n",
                      why.detail);
    }
    if (!demo_needs_try(programs->init, DEMO_ARGUMENTS("signet-init", "set", "--dry-run"), &why)) {
        num_missing++;
        (void)fprintf(
            out,
            "  netfilter with NAT, and nft or iptables (%s).\n"
            "    As root: apt-get install nftables; modprobe -a nft_chain_nat nft_redir\n",
            why.detail);
    }
    return num_missing;
}

unsigned demo_needs_check(const struct demo_programs *programs, FILE *out)
{
    unsigned num_missing = demo_needs_check_tools(out);
    char path[PROCESS_PATH_MAX];

    if (geteuid() != 0) {
        (void)fprintf(out, "  root, to make network namespaces and redirect connections in them.\n"
                           "    Try: sudo signet demo\n");
        return num_missing + 1;
    }
    /* The kernel is asked by `ip`. */
    return process_find("ip", path) ? num_missing + demo_needs_check_kernel(programs, out)
                                    : num_missing;
}
