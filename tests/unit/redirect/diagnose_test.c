/* SPDX-License-Identifier: Apache-2.0 */
#include "core/redirect/diagnose.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "tests/support/suite.h"

SUITE(diagnose);

struct complaint {
    bool of_nft;
    enum status status;
    char errors[160];
    char reason[32];
    char remedy[32]; /* words that the detail must hold */
};

ParameterizedTestParameters(diagnose, names_what_is_missing_and_the_remedy)
{
    static struct complaint cases[] = {
        {true, STATUS_DENIED,
         "Operation not permitted (you must be root)\n"
         "netlink: Error: cache initialization failed: Operation not permitted\n",
         "redirect/permission", "NET_ADMIN"},
        {true, STATUS_NOT_FOUND,
         "netlink: Error: cache initialization failed: Protocol not supported",
         "redirect/kernel", "modprobe nf_tables"},
        {true, STATUS_NOT_FOUND,
         "/dev/stdin:5:17-28: Error: Could not process rule: No such file or directory\n"
         "\t\ttype nat hook output priority -100; policy accept;\n",
         "redirect/kernel", "nft_chain_nat"},
        {true, STATUS_NOT_FOUND,
         "/dev/stdin:6:3-9: Error: Could not process rule: No such file or directory\n"
         "\t\tmeta l4proto tcp redirect to :15001\n",
         "redirect/kernel", "nft_redir"},
        {true, STATUS_NOT_FOUND, "Error: Could not process rule: Operation not supported",
         "redirect/kernel", "Linux 5.2"},
        {true, STATUS_NOT_FOUND, "/dev/stdin:3:1-5: Error: syntax error, unexpected comment",
         "redirect/tool", "nftables 0.9.1"},
        {true, STATUS_IO, "Error: Could not process rule: Device or resource busy\nmore\n",
         "redirect/refused", "nft says: Error"},
        {true, STATUS_IO, "", "redirect/refused", "nft says: "},
        {false, STATUS_DENIED,
         "iptables-restore v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission "
         "denied (you must be root)\n",
         "redirect/permission", "NET_ADMIN"},
        {false, STATUS_NOT_FOUND,
         "iptables-restore v1.8.9 (legacy): can't initialize iptables table `nat': Table does not "
         "exist (do you need to insmod?)\n",
         "redirect/kernel", "iptable_nat"},
        {false, STATUS_NOT_FOUND, "iptables-restore: Couldn't load match `owner':No such file",
         "redirect/tool", "owner"},
        {false, STATUS_NOT_FOUND, "iptables: No chain/target/match by that name.",
         "redirect/kernel", "xt_owner"},
        {false, STATUS_IO, "iptables-restore: line 3 failed", "redirect/refused", "line 3 failed"},
    };
    return cr_make_param_array(struct complaint, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct complaint *given, diagnose, names_what_is_missing_and_the_remedy)
{
    struct failure why = {0};
    struct bytes errors = bytes_of(given->errors);
    enum status status = given->of_nft ? diagnose_nft(errors, &why)
                                       : diagnose_iptables("iptables-restore", errors, &why);

    cr_assert_eq(status, given->status, "%s", given->errors);
    cr_assert_str_eq(why.reason, given->reason, "%s", given->errors);
    cr_assert_not_null(strstr(why.detail, given->remedy), "%s", why.detail);
}

Test(diagnose, has_details_that_fit_whole)
{
    struct failure why = {0};

    (void)diagnose_nft(bytes_of("Operation not supported"), &why);
    cr_assert(strlen(why.detail) < FAILURE_DETAIL_MAX - 1, "cut: %s", why.detail);
    (void)diagnose_nft(bytes_of("Operation not permitted"), &why);
    cr_assert(strlen(why.detail) < FAILURE_DETAIL_MAX - 1, "cut: %s", why.detail);
}
