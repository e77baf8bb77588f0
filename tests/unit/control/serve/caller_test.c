/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/caller.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/suite.h"

SUITE(caller);

Test(caller, is_read_out_of_the_text_that_grpc_has)
{
    static const struct {
        const char *text;
        const char *address; /* "": none */
    } cases[] = {
        {"ipv4:10.0.0.7:41234", "10.0.0.7"},
        {"ipv4:10.0.0.7", "10.0.0.7"},
        {"ipv6:%5Bfd00::7%5D:41234", "fd00::7"},
        {"ipv6:[fd00::7]:41234", "fd00::7"},
        {"ipv6:%5B::ffff:10.0.0.7%5D:41234", "10.0.0.7"},
        {"ipv6:%5Bfe80::1%25eth0%5D:41234", ""},
        {"ipv6:fd00::7", ""},
        {"ipv4:", ""},
        {"ipv4:10.0.0:1", ""},
        {"unix:/run/x", ""},
        {"unix:", ""},
        {"10.0.0.7:41234", ""},
        {"", ""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ip ip = {0};
        char text[IP_TEXT_MAX] = "";

        if (caller_ip(bytes_of(cases[i].text), &ip)) {
            ip_print(&ip, text);
        }
        cr_assert_str_eq(text, cases[i].address, "%s: %s", cases[i].text, text);
    }
}
