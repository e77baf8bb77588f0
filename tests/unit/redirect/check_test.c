/* SPDX-License-Identifier: Apache-2.0 */
/* What a report means and says; the proofs themselves need a kernel: tests/netns. */
#include "core/redirect/check.h"

#include <string.h>

#include "tests/support/suite.h"

SUITE(check);

static void add(struct check_report *report, const char *subject, enum check_verdict verdict)
{
    struct check_line *line = &report->lines[report->num_lines++];

    line->subject = subject;
    line->family = "IPv4";
    line->verdict = verdict;
    (void)strcpy(line->text, "as seen");
}

Test(check, passes_only_when_a_canary_was_proved)
{
    struct check_report report = {0};

    cr_assert_not(check_passed(&report));
    add(&report, "loopback", CHECK_PROVED);
    cr_assert_not(check_passed(&report));
    add(&report, "outbound canary", CHECK_NOT_PROVED);
    cr_assert_not(check_passed(&report));
    add(&report, "outbound canary", CHECK_PROVED);
    cr_assert(check_passed(&report));
}

Test(check, fails_by_one_failed_proof_and_not_by_one_that_could_not_be_tried)
{
    struct check_report report = {0};

    add(&report, "outbound canary", CHECK_PROVED);
    add(&report, "inbound", CHECK_NOT_PROVED);
    cr_assert(check_passed(&report));
    add(&report, "proxy itself", CHECK_FAILED);
    cr_assert_not(check_passed(&report));
}

Test(check, says_what_is_never_captured_and_what_was_not_proved)
{
    struct check_report report = {.outbound_port = 15001, .inbound_port = 15006};
    CLEARED(buffer) text = {.max = 65536};
    static const uint8_t end[] = {0};

    add(&report, "outbound canary", CHECK_PROVED);
    add(&report, "inbound", CHECK_NOT_PROVED);
    cr_assert_eq(check_print(&report, &text), STATUS_OK);
    cr_assert_eq(buffer_add(&text, bytes_make(end, 1)), STATUS_OK);
    cr_assert_not_null(strstr((const char *)text.at, "ok          outbound canary      IPv4"));
    cr_assert_not_null(strstr((const char *)text.at, "not proved  inbound"));
    cr_assert_not_null(strstr((const char *)text.at, "UDP is never captured"));
    cr_assert_not_null(strstr((const char *)text.at, "as far as it could be tried"));
}
