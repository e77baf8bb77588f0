/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong in a setting is said with the place where it was given. */
#include "cmd/signet-proxy/plan.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/runtime/config/setting_table.inc"
#include "tests/support/suite.h"

SUITE(plan);

static const struct setting_table plan_table =
    SETTING_TABLE(proxy_settings, "signet-proxy", "SIGNET_PROXY_", "", "");

#define PLAN_IDENTITY "chain_file: a\nkey_file: b\nbundle_file: c\n" /* lines 1 to 3 */

static struct sidecar_plan plan_kept; /* what of the last plan is a number */

/* The plan of a settings file and one more argument (NULL: none); the reason it is refused for, or "". */
static const char *plan_judge(const char *text, char *argument, char detail[600])
{
    char path[] = "/tmp/plan_test_XXXXXX";
    char config[64];
    char *argv[] = {"signet-proxy", config, argument};
    struct setting_input input = {.argc = argument == NULL ? 2 : 3, .argv = argv};
    struct setting_request request = {0};
    struct proxy_settings settings = {0};
    struct sidecar_config found = {
        .settings = &settings, .table = &plan_table, .request = &request};
    struct sidecar_plan plan = {0};
    static struct failure why;
    int fd = mkstemp(path);

    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    why = (struct failure){.reason = ""};
    (void)snprintf(config, sizeof config, "--config=%s", path);
    cr_assert_eq(setting_load(&plan_table, &input, &settings, &request, &why), STATUS_OK, "%s",
                 why.detail);
    if (sidecar_plan_make(&found, &plan, &why) == STATUS_OK) {
        plan_kept.lane.admission = plan.lane.admission;
        sidecar_plan_clear(&plan);
    }
    /* The file's name is drawn: what is checked is what stands behind it. */
    (void)snprintf(detail, 600, "%s",
                   strncmp(why.detail, path, strlen(path)) == 0 ? why.detail + strlen(path)
                                                                : why.detail);
    (void)unlink(path);
    setting_clear(&plan_table, &settings);
    return why.reason;
}

Test(plan, an_error_in_a_listener_or_an_address_names_setting_and_line)
{
    static const struct {
        const char *text;
        const char *argument;
        const char *reason;
        const char *begins;
    } rows[] = {
        {PLAN_IDENTITY "capture: explicit\n"
                       "inbound: :8443=127.0.0.1:80\n"
                       "inbound: :8444=127.0.0.1:81,peer=http://x\n",
         NULL, "spiffe-id/scheme", ":6: inbound: peer=: "},
        {PLAN_IDENTITY "capture: explicit\n"
                       "outbound: 127.0.0.1:9000=10.0.0.1:80,peer=spiffe://td/a//b\n",
         NULL, "spiffe-id/path", ":5: outbound: peer=: "},
        {PLAN_IDENTITY "capture: explicit\n"
                       "# a line between\n"
                       "inbound: 10.0.0.256:1=127.0.0.1:80\n",
         NULL, "address/ip", ":6: inbound: LISTEN: "},
        {PLAN_IDENTITY "capture: explicit\n"
                       "inbound: :1=127.0.0.1:99999\n",
         NULL, "address/port", ":5: inbound: FORWARD: "},
        {PLAN_IDENTITY "capture: explicit\n"
                       "inbound: :1\n",
         NULL, "settings/listener", ":5: inbound: "},
        {PLAN_IDENTITY "capture: explicit\n"
                       "inbound: :1=127.0.0.1:80\n",
         "--outbound=127.0.0.1:9000=10.0.0.1:80,peer=spiffe://TD/a", "spiffe-id/trust-domain",
         "--outbound: peer=: "},
        {PLAN_IDENTITY "capture: explicit\n"
                       "inbound: :1=127.0.0.1:80\n"
                       "metrics_address: nowhere\n",
         NULL, "address/form", ":6: metrics_address: "},
        {PLAN_IDENTITY "capture: explicit\n"
                       "inbound: :1=127.0.0.1:80\n"
                       "health_address: 1.2.3.4:0\n",
         NULL, "address/port", ":6: health_address: "},
        {PLAN_IDENTITY "capture: explicit\n"
                       "inbound: :1=127.0.0.1:80\n"
                       "admin_address: 10.0.0.1:15000\n",
         NULL, "settings/admin-address", ":6: admin_address is 10.0.0.1:15000"},
        {PLAN_IDENTITY "capture: explicit\n"
                       "inbound: :1=127.0.0.1:80\n"
                       "trust_domain: Some.Domain\n",
         NULL, "spiffe-id/trust-domain", ":6: trust_domain: "},
    };
    char detail[600];

    cr_assert_str_eq(plan_judge(PLAN_IDENTITY "capture: explicit\n"
                                              "inbound: :1=127.0.0.1:80,peer=spiffe://td/a\n",
                                NULL, detail),
                     "", "%s", detail);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_str_eq(plan_judge(rows[i].text, (char *)(uintptr_t)rows[i].argument, detail),
                         rows[i].reason, "row %zu: %s", i, detail);
        cr_expect_eq(strncmp(detail, rows[i].begins, strlen(rows[i].begins)), 0, "row %zu: %s", i,
                     detail);
    }
}

Test(plan, a_memory_budget_that_is_too_small_is_refused)
{
    char detail[600];

    cr_assert_str_eq(plan_judge(PLAN_IDENTITY "capture: explicit\n"
                                              "inbound: :1=127.0.0.1:80\n"
                                              "memory_budget: 7\n",
                                NULL, detail),
                     "settings/memory-budget");
    cr_assert_str_eq(detail, ":6: memory_budget is 7 MiB: give 8 or more, or 0 for half of the "
                             "cgroup's limit");
}

Test(plan, handshakes_at_once_take_a_quarter_of_the_memory_budget_at_most)
{
    static const struct {
        const char *more;
        unsigned least;
        unsigned most;
    } rows[] = {
        {"memory_budget: 8\n", 64, 80},
        {"memory_budget: 30\n", 260, 280},
        {"memory_budget: 30\nhalf_open_limit: 100\n", 100, 100},
        {"memory_budget: 256\n", 1024, 1024},
        {"memory_budget: 256\nhalf_open_limit: 65536\n", 2048, 2400},
    };
    char detail[600];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[300];
        unsigned got;

        (void)snprintf(text, sizeof text, "%s%s%s", PLAN_IDENTITY,
                       "capture: explicit\ninbound: :1=127.0.0.1:80\n", rows[i].more);
        cr_assert_str_eq(plan_judge(text, NULL, detail), "", "row %zu: %s", i, detail);
        got = plan_kept.lane.admission.half_open;
        cr_expect(got >= rows[i].least && got <= rows[i].most, "row %zu: %u at once", i, got);
    }
}
