/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/admission.h"

#include "tests/support/suite.h"

SUITE(admission);

enum { ADMISSION_MANY = 64 };

static struct ip admission_ip(const char *text)
{
    struct ip ip;

    cr_assert(ip_parse(bytes_of(text), &ip));
    return ip;
}

static struct ip admission_v4(unsigned number)
{
    return ip_of_v4((const uint8_t[]){10, 0, (uint8_t)(number >> 8), (uint8_t)number});
}

static void admission_open(struct admission *admission, unsigned half_open, unsigned of_source,
                           unsigned waiting)
{
    admission_init(admission, &(struct admission_limits){half_open, of_source, waiting});
}

static void admission_leave_all(struct admission *admission, struct admission_ticket *tickets,
                                size_t count)
{
    for (size_t i = 0; i < count; i++) {
        admission_leave(admission, &tickets[i]);
    }
    cr_assert_eq(admission->half_open, 0);
    cr_assert_eq(admission->waiting, 0);
    admission_clear(admission);
}

Test(admission, I17_one_source_has_so_many_places_and_the_others_theirs)
{
    struct admission_ticket tickets[ADMISSION_MANY] = {0};
    struct ip greedy = admission_ip("192.0.2.1");
    struct ip other = admission_ip("192.0.2.2");
    struct admission admission;

    admission_open(&admission, 10, 4, 100);
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(admission_ask(&admission, &tickets[i], &greedy),
                     i < 4 ? ADMISSION_GRANTED : ADMISSION_WAITS);
    }
    cr_assert_eq(admission.half_open, 4);
    cr_assert_eq(admission.waiting, 16);
    cr_assert_null(admission_next(&admission), "it is at its limit");
    cr_assert_eq(admission_ask(&admission, &tickets[20], &other), ADMISSION_GRANTED);
    admission_leave(&admission, &tickets[0]);
    cr_assert_eq(admission_next(&admission), &tickets[4], "the oldest of its own first");
    cr_assert_null(admission_next(&admission));
    admission_leave_all(&admission, tickets, ADMISSION_MANY);
}

Test(admission, I17_sources_that_wait_get_places_in_turn)
{
    struct admission_ticket tickets[ADMISSION_MANY] = {0};
    struct ip ips[3] = {admission_v4(1), admission_v4(2), admission_v4(3)};
    static const int order[] = {12, 22, 2, 13, 23, 3, 14};
    struct admission admission;

    admission_open(&admission, 2, 2, 100);
    for (int i = 0; i < 10; i++) {
        (void)admission_ask(&admission, &tickets[i], &ips[0]);
    }
    for (int i = 12; i < 15; i++) {
        cr_assert_eq(admission_ask(&admission, &tickets[i], &ips[1]), ADMISSION_WAITS);
        cr_assert_eq(admission_ask(&admission, &tickets[i + 10], &ips[2]), ADMISSION_WAITS);
    }
    cr_assert_not(admission_has_next(&admission));
    for (size_t i = 0, held[2] = {0, 1}; i < sizeof order / sizeof order[0]; i++) {
        admission_leave(&admission, &tickets[held[i % 2]]);
        cr_assert(admission_has_next(&admission));
        cr_assert_eq(admission_next(&admission), &tickets[order[i]], "place %zu", i);
        held[i % 2] = (size_t)order[i];
    }
    admission_leave_all(&admission, tickets, ADMISSION_MANY);
}

Test(admission, who_comes_does_not_pass_those_that_wait)
{
    struct admission_ticket tickets[3] = {0};
    struct ip ips[3] = {admission_v4(1), admission_v4(2), admission_v4(3)};
    struct admission admission;

    admission_open(&admission, 1, 1, 100);
    cr_assert_eq(admission_ask(&admission, &tickets[0], &ips[0]), ADMISSION_GRANTED);
    cr_assert_eq(admission_ask(&admission, &tickets[1], &ips[1]), ADMISSION_WAITS);
    admission_leave(&admission, &tickets[0]);
    cr_assert_eq(admission_ask(&admission, &tickets[2], &ips[2]), ADMISSION_WAITS);
    cr_assert_eq(admission_next(&admission), &tickets[1]);
    cr_assert_null(admission_next(&admission));
    admission_leave_all(&admission, tickets, 3);
}

Test(admission, I17_beyond_so_many_nobody_waits)
{
    struct admission_ticket tickets[ADMISSION_MANY] = {0};
    struct admission admission;

    admission_open(&admission, 2, 1, 10);
    for (unsigned i = 0; i < ADMISSION_MANY; i++) {
        struct ip ip = admission_v4(i);
        enum admission_answer wanted = i < 2    ? ADMISSION_GRANTED
                                       : i < 12 ? ADMISSION_WAITS
                                                : ADMISSION_FULL;

        cr_assert_eq(admission_ask(&admission, &tickets[i], &ip), wanted, "%u", i);
        cr_assert_eq(tickets[i].source == NULL, wanted == ADMISSION_FULL);
    }
    cr_assert_eq(admission.sources.count, 12, "who was refused left nothing behind");
    admission_leave_all(&admission, tickets, ADMISSION_MANY);
}

Test(admission, a_wait_can_be_given_up)
{
    struct admission_ticket tickets[4] = {0};
    struct ip ip = admission_v4(1);
    struct admission admission;

    admission_open(&admission, 1, 1, 10);
    for (int i = 0; i < 4; i++) {
        (void)admission_ask(&admission, &tickets[i], &ip);
    }
    admission_leave(&admission, &tickets[1]);
    admission_leave(&admission, &tickets[1]);
    cr_assert_eq(admission.waiting, 2);
    admission_leave(&admission, &tickets[0]);
    cr_assert_eq(admission_next(&admission), &tickets[2]);
    admission_leave_all(&admission, tickets, 4);
}

/* A host has a whole /64 of IPv6 addresses to choose from, and one IPv4 address. */
Test(admission, a_source_is_an_ipv4_address_or_the_64_of_an_ipv6_one)
{
    static const char *const first[] = {"2001:db8:1:2::1", "198.51.100.1"};
    static const char *const same[] = {"2001:db8:1:2:ffff::9", "198.51.100.1"};
    static const char *const another[] = {"2001:db8:1:3::1", "198.51.100.2"};

    for (int i = 0; i < 2; i++) {
        struct ip ips[3] = {admission_ip(first[i]), admission_ip(same[i]),
                            admission_ip(another[i])};
        struct admission_ticket tickets[3] = {0};
        struct admission admission;

        admission_open(&admission, 10, 1, 10);
        cr_assert_eq(admission_ask(&admission, &tickets[0], &ips[0]), ADMISSION_GRANTED);
        cr_assert_eq(admission_ask(&admission, &tickets[1], &ips[1]), ADMISSION_WAITS);
        cr_assert_eq(admission_ask(&admission, &tickets[2], &ips[2]), ADMISSION_GRANTED);
        admission_leave_all(&admission, tickets, 3);
    }
}

Test(admission, workers_share_the_limits_and_each_can_go_on)
{
    struct admission_limits all = {1024, 64, 4096};
    struct admission_limits four = admission_share(&all, 4);
    struct admission_limits few = admission_share(&(struct admission_limits){2, 1, 3}, 64);
    struct admission_limits usual = admission_share(&(struct admission_limits){0}, 1);

    cr_assert(four.half_open == 256 && four.of_source == 16 && four.waiting == 1024);
    cr_assert(few.half_open == 1 && few.of_source == 1 && few.waiting == 1);
    cr_assert(usual.half_open == 1024 && usual.of_source == 64 && usual.waiting == 4096);
}
