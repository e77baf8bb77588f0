/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tools' messages were provoked on nft 1.0.6 and iptables 1.8.9 where a test machine could, and
 * are otherwise those of their sources; the first row whose words all occur decides.
 */
#include "core/redirect/diagnose.h"

#include <string.h>

#define DIAGNOSE_SHOWN_MAX 120 /* bytes of the tool's own words in a detail */

struct diagnose_row {
    const char *words[2]; /* all must occur; NULL: no second */
    enum status status;
    const char *reason;
    const char *text;
};

#define DIAGNOSE_PERMISSION                                                                        \
    STATUS_DENIED, "redirect/permission",                                                          \
        "CAP_NET_ADMIN over this network namespace is missing: run as root, or give the "          \
        "container securityContext.capabilities.add: [NET_ADMIN]"
#define DIAGNOSE_KERNEL STATUS_NOT_FOUND, "redirect/kernel"
#define DIAGNOSE_TOOL STATUS_NOT_FOUND, "redirect/tool"

static const struct diagnose_row diagnose_nft_rows[] = {
    {{"Operation not permitted", NULL}, DIAGNOSE_PERMISSION},
    {{"Permission denied", NULL}, DIAGNOSE_PERMISSION},
    {{"Protocol not supported", NULL},
     DIAGNOSE_KERNEL,
     "the kernel has no nf_tables (CONFIG_NF_TABLES): modprobe nf_tables on the node, or use "
     "--backend iptables"},
    {{"syntax error", NULL},
     DIAGNOSE_TOOL,
     "this nft does not understand the ruleset: nftables 0.9.1 or newer is needed"},
    {{"No such file or directory", "redirect to"},
     DIAGNOSE_KERNEL,
     "the kernel has no redirect: modprobe nft_redir on the node, or use --backend iptables"},
    {{"No such file or directory", NULL},
     DIAGNOSE_KERNEL,
     "the kernel has no NAT for nftables: modprobe nft_chain_nat nf_nat nf_conntrack on the node, "
     "or use --backend iptables"},
    {{"Operation not supported", NULL},
     DIAGNOSE_KERNEL,
     "the kernel has no NAT for both families in one table (Linux 5.2, modules nft_chain_nat, "
     "nf_nat, nf_conntrack): modprobe them on the node, or use --backend iptables"},
};

static const struct diagnose_row diagnose_iptables_rows[] = {
    {{"Permission denied", NULL}, DIAGNOSE_PERMISSION},
    {{"Operation not permitted", NULL}, DIAGNOSE_PERMISSION},
    {{"Failed to initialize nft", NULL},
     DIAGNOSE_KERNEL,
     "the kernel has no nf_tables, which this iptables needs: modprobe nf_tables on the node, or "
     "install iptables-legacy"},
    {{"Table does not exist", NULL},
     DIAGNOSE_KERNEL,
     "the kernel has no nat table: modprobe iptable_nat ip6table_nat nf_conntrack on the node"},
    {{"Couldn't load match", NULL},
     DIAGNOSE_TOOL,
     "an extension of iptables is not installed (owner): install the whole iptables package"},
    {{"Couldn't load target", NULL},
     DIAGNOSE_TOOL,
     "an extension of iptables is not installed (REDIRECT): install the whole iptables package"},
    {{"No chain/target/match by that name", NULL},
     DIAGNOSE_KERNEL,
     "the kernel lacks a match or target: modprobe xt_owner xt_REDIRECT nft_compat on the node"},
    {{"Extension", "not supported, missing kernel module"},
     DIAGNOSE_KERNEL,
     "the kernel lacks a match or target: modprobe xt_owner xt_REDIRECT nft_compat on the node"},
    {{"Address family not supported", NULL},
     DIAGNOSE_KERNEL,
     "the kernel has no netfilter for this family: modprobe ip_tables ip6_tables on the node"},
};

static bool diagnose_has(struct bytes errors, const char *words)
{
    return words == NULL ||
           (errors.len > 0 && memmem(errors.at, errors.len, words, strlen(words)) != NULL);
}

static struct bytes diagnose_first_line(struct bytes errors)
{
    struct bytes line = bytes_trim(bytes_split(&errors, '\n'));

    if (line.len > DIAGNOSE_SHOWN_MAX) {
        line.len = DIAGNOSE_SHOWN_MAX;
    }
    return line;
}

static enum status diagnose_by(const struct diagnose_row *rows, size_t num_rows,
                               const char *program, struct bytes errors, struct failure *why)
{
    struct bytes line = diagnose_first_line(errors);

    for (size_t i = 0; i < num_rows; i++) {
        if (diagnose_has(errors, rows[i].words[0]) && diagnose_has(errors, rows[i].words[1])) {
            return fail(why, rows[i].status, rows[i].reason, "%s", rows[i].text);
        }
    }
    return fail(why, STATUS_IO, "redirect/refused", "%s says: %.*s", program, (int)line.len,
                line.at == NULL ? "" : (const char *)line.at);
}

enum status diagnose_nft(struct bytes errors, struct failure *why)
{
    return diagnose_by(diagnose_nft_rows, sizeof diagnose_nft_rows / sizeof diagnose_nft_rows[0],
                       "nft", errors, why);
}

enum status diagnose_iptables(const char *program, struct bytes errors, struct failure *why)
{
    return diagnose_by(diagnose_iptables_rows,
                       sizeof diagnose_iptables_rows / sizeof diagnose_iptables_rows[0], program,
                       errors, why);
}
