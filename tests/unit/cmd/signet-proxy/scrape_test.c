/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet-proxy/scrape.h"

#include <string.h>
#include <unistd.h>

#include "core/runtime/loop/worker.h"
#include "core/runtime/telemetry/metrics.h"
#include "tests/support/suite.h"

SUITE(scrape, .timeout = 60);

enum { SCRAPE_TEST_MAX = 4 };

/* "10.0.0.1 lo:127.0.0.1 fd00::1": `lo:` marks an address of a loopback interface. */
static size_t scrape_test_read(const char *text, struct interface_address out[SCRAPE_TEST_MAX])
{
    struct bytes rest = bytes_of(text);
    size_t count = 0;

    while (rest.len > 0) {
        struct bytes word = bytes_split(&rest, ' ');

        out[count].is_loopback = bytes_starts(word, bytes_of("lo:"));
        cr_assert(ip_parse(bytes_skip(word, out[count].is_loopback ? 3 : 0), &out[count].ip));
        count++;
    }
    return count;
}

/* What the interfaces have, what the mesh names, and what is to be listened on. */
static const struct {
    const char *here, *mesh, *wanted;
} scrape_rows[] = {
    {"lo:127.0.0.1 10.0.0.7", "10.0.0.7", "10.0.0.7"},
    {"lo:127.0.0.1 10.0.0.7 192.168.1.9", "10.0.0.7", "10.0.0.7"},
    {"10.0.0.7 fd00::7 fd00::8", "fd00::7 10.0.0.7", "10.0.0.7 fd00::7"},
    {"10.0.0.7", "10.0.0.7 fd00::7", "10.0.0.7"},          /* the other one may still come */
    {"lo:127.0.0.1 10.0.0.7", "172.16.0.1", "10.0.0.7"},   /* the mesh knows us by a foreign one */
    {"lo:127.0.0.1 lo:10.0.0.7", "10.0.0.7", "10.0.0.7"}, /* what the mesh names may be anywhere */
    {"lo:127.0.0.1 lo:::1 10.0.0.7 fd00::7", "", "10.0.0.7 fd00::7"},
    {"lo:127.0.0.1", "", ""},
    {"", "10.0.0.7", ""},
};

Test(scrape, in_transparent_mode_the_workloads_own_addresses_are_listened_on_and_no_others)
{
    for (size_t row = 0; row < sizeof scrape_rows / sizeof scrape_rows[0]; row++) {
        struct interface_address here[SCRAPE_TEST_MAX];
        struct interface_address mesh[SCRAPE_TEST_MAX];
        struct interface_address wanted[SCRAPE_TEST_MAX];
        struct ip addresses[SCRAPE_TEST_MAX];
        struct ip got[SCRAPE_TEST_MAX];
        size_t num_here = scrape_test_read(scrape_rows[row].here, here);
        size_t num_wanted = scrape_test_read(scrape_rows[row].wanted, wanted);
        struct snapshot_workload self = {
            .addresses = addresses, .num_addresses = scrape_test_read(scrape_rows[row].mesh, mesh)};

        for (size_t i = 0; i < self.num_addresses; i++) {
            addresses[i] = mesh[i].ip;
        }
        cr_assert_eq(scrape_choose(&self, here, num_here, got), num_wanted, "row %zu", row);
        for (size_t i = 0; i < num_wanted; i++) {
            cr_assert(ip_equal(&got[i], &wanted[i].ip), "row %zu", row);
        }
    }
}

Test(scrape, without_a_mesh_the_interfaces_count_but_loopback)
{
    struct interface_address here[SCRAPE_TEST_MAX];
    struct ip got[SCRAPE_TEST_MAX];
    size_t num_here = scrape_test_read("lo:127.0.0.1 10.0.0.7", here);

    cr_assert_eq(scrape_choose(NULL, here, num_here, got), 1);
    cr_assert(ip_equal(&got[0], &here[1].ip));
}

static void scrape_test_end(struct scrape *scrape, struct worker *worker)
{
    scrape_close(scrape);
    worker_stop(worker);
    worker_run_main(worker);
    worker_clear(worker);
    metrics_clear();
}

Test(scrape, in_explicit_mode_loopback_is_listened_on_and_an_address_that_is_taken_ends_the_start)
{
    struct health health = {0};
    struct scrape_options options = {.health = &health, .metrics_address = "off"};
    struct scrape scrape;
    struct scrape second;
    struct worker worker;
    struct failure why = {0};
    CLEARED(buffer) text = {.max = 1000};
    enum status status;

    worker_init_main(&worker);
    status = scrape_start(&scrape, &worker, &options, &why);
    if (status != STATUS_OK && strcmp(why.reason, "web/in-use") == 0) {
        scrape_test_end(&scrape, &worker);
        cr_skip_test("port 15021 is taken on this machine");
    }
    cr_assert_eq(status, STATUS_OK, "%s", why.detail);
    cr_assert_null(scrape.servers[0], "off is off");
    cr_assert_eq(web_server_addresses(scrape.servers[1], &text), STATUS_OK);
    cr_assert(bytes_equal_text(buffer_bytes(&text), "127.0.0.1:15021") ||
                  bytes_equal_text(buffer_bytes(&text), "127.0.0.1:15021 [::1]:15021"),
              "%.*s", (int)text.len, (const char *)text.at);
    cr_assert_eq(scrape_start(&second, &worker, &options, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "web/in-use");
    scrape_close(&second);
    scrape_test_end(&scrape, &worker);
}
