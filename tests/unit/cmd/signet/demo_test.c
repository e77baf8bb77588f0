/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's pure parts: what judges a capture, chooses a subnet, reads wrk and metrics, and claims. */
#include <string.h>

#include "cmd/signet/demo_load.h"
#include "cmd/signet/demo_mesh.h"
#include "cmd/signet/demo_report.h"
#include "tests/support/suite.h"

SUITE(demo);

#define DEMO_TEST_PORT 8080
#define DEMO_TEST_WORD "canary-4711"

static void put(struct buffer *to, const void *at, size_t len)
{
    cr_assert_eq(buffer_add(to, bytes_make(at, len)), STATUS_OK);
}

static void demo_test_begin(struct buffer *capture)
{
    const uint32_t header[6] = {0xa1b2c3d4u, 2u | 4u << 16, 0, 0, 65536, 1};

    buffer_init(capture, 1 << 20);
    put(capture, header, sizeof header);
}

struct segment {
    bool from_server;
    bool is_syn;
    uint32_t seq;
    const char *payload;
    size_t len;
};

/* One packet: Ethernet, IPv4, TCP. */
static void demo_test_packet(struct buffer *capture, const struct segment *given)
{
    uint8_t frame[14 + 20 + 20 + 4096] = {0};
    uint8_t *ip = frame + 14;
    uint8_t *tcp = ip + 20;
    uint32_t len = (uint32_t)(14 + 40 + given->len);
    const uint32_t record[4] = {0, 0, len, len};
    const uint16_t ip_len = (uint16_t)(40 + given->len);

    frame[12] = 8;
    ip[0] = 0x45;
    ip[2] = (uint8_t)(ip_len >> 8);
    ip[3] = (uint8_t)ip_len;
    ip[9] = 6;
    ip[given->from_server ? 15 : 19] = 9; /* so that the two directions differ */
    tcp[given->from_server ? 0 : 2] = DEMO_TEST_PORT >> 8;
    tcp[given->from_server ? 1 : 3] = DEMO_TEST_PORT & 0xff;
    for (int i = 0; i < 4; i++) {
        tcp[4 + i] = (uint8_t)(given->seq >> (24 - 8 * i));
    }
    tcp[12] = 0x50;
    tcp[13] = given->is_syn ? 2 : 16;
    if (given->len > 0) {
        memcpy(tcp + 20, given->payload, given->len);
    }
    put(capture, record, sizeof record);
    put(capture, frame, len);
}

static struct demo_wire_verdict demo_test_judge(struct buffer *capture)
{
    struct demo_wire_verdict verdict = {0};

    cr_assert_eq(demo_wire_judge(buffer_bytes(capture), DEMO_TEST_PORT, bytes_of(DEMO_TEST_WORD),
                                 &verdict, NULL),
                 STATUS_OK);
    buffer_clear(capture);
    return verdict;
}

/* A ServerHello record that chooses `version`; extensions: key_share (4 bytes of it), supported_versions. */
static size_t demo_test_hello(uint8_t out[128], uint16_t version)
{
    static const uint8_t extensions[] = {0, 14, 0, 51, 0, 4, 1, 2, 3, 4, 0, 43, 0, 2};
    size_t at = 0;

    memset(out, 0, 128);
    out[at++] = 22;
    out[at++] = 3;
    out[at++] = 3;
    out[at++] = 0;
    out[at++] = 4 + 2 + 32 + 1 + 2 + 1 + sizeof extensions + 2;
    out[at++] = 2;
    at += 3 + 2 + 32 + 1 + 2 + 1; /* length, version, random, no session, suite, compression */
    memcpy(out + at, extensions, sizeof extensions);
    at += sizeof extensions;
    out[at++] = (uint8_t)(version >> 8);
    out[at++] = (uint8_t)version;
    return at;
}

Test(demo, a_server_hello_is_read_whatever_pieces_it_comes_in)
{
    for (size_t piece = 1; piece < 70; piece++) {
        struct buffer capture;
        uint8_t hello[128];
        size_t len = demo_test_hello(hello, 0x0304);
        struct demo_wire_verdict verdict;

        demo_test_begin(&capture);
        demo_test_packet(&capture, &(struct segment){true, true, 99, NULL, 0});
        for (size_t at = 0; at < len; at += piece) {
            size_t part = len - at < piece ? len - at : piece;

            demo_test_packet(&capture, &(struct segment){true, false, (uint32_t)(100 + at),
                                                         (const char *)hello + at, part});
        }
        verdict = demo_test_judge(&capture);
        cr_assert_eq(verdict.server_hellos, 1, "piece %zu", piece);
        cr_assert_eq(verdict.tls13_hellos, 1);
        cr_assert_eq(verdict.record_bytes, len);
        cr_assert_eq(verdict.outside_bytes + verdict.unjudged_bytes, 0);
    }
}

Test(demo, another_version_of_tls_is_not_taken_for_1_3)
{
    struct buffer capture;
    uint8_t hello[128];
    size_t len = demo_test_hello(hello, 0x0303);
    struct demo_wire_verdict verdict;

    demo_test_begin(&capture);
    demo_test_packet(&capture, &(struct segment){true, true, 99, NULL, 0});
    demo_test_packet(&capture, &(struct segment){true, false, 100, (const char *)hello, len});
    verdict = demo_test_judge(&capture);
    cr_assert_eq(verdict.server_hellos, 1);
    cr_assert_eq(verdict.tls13_hellos, 0);
}

Test(demo, every_byte_outside_of_a_tls_record_is_counted)
{
    struct buffer capture;
    const char request[] = "GET / HTTP/1.1\r\nX: " DEMO_TEST_WORD "\r\n\r\n";
    const size_t len = sizeof request - 1;
    struct demo_wire_verdict verdict;

    demo_test_begin(&capture);
    demo_test_packet(&capture, &(struct segment){false, true, 0xfffffff0u, NULL, 0});
    demo_test_packet(&capture, &(struct segment){false, false, 0xfffffff1u, request, len});
    /* The same bytes again: a retransmission is no second byte. */
    demo_test_packet(&capture, &(struct segment){false, false, 0xfffffff1u, request, len});
    verdict = demo_test_judge(&capture);
    cr_assert_eq(verdict.tcp_bytes, len);
    cr_assert_eq(verdict.outside_bytes, len);
    cr_assert_eq(verdict.word_bytes, strlen(DEMO_TEST_WORD));
    cr_assert_eq(verdict.record_bytes, 0);
}

Test(demo, plaintext_after_a_tls_record_is_found_too)
{
    struct buffer capture;
    const char mixed[] = "\x17\x03\x03\x00\x02zzplain as day";
    struct demo_wire_verdict verdict;

    demo_test_begin(&capture);
    demo_test_packet(&capture, &(struct segment){false, true, 1, NULL, 0});
    demo_test_packet(&capture, &(struct segment){false, false, 2, mixed, sizeof mixed - 1});
    verdict = demo_test_judge(&capture);
    cr_assert_eq(verdict.record_bytes, 7);
    cr_assert_eq(verdict.outside_bytes, sizeof mixed - 1 - 7);
}

Test(demo, the_word_is_found_across_packets_and_where_the_start_was_not_seen)
{
    const char text[] = "before " DEMO_TEST_WORD " after";
    const size_t len = sizeof text - 1;

    for (size_t cut = 1; cut < len; cut++) {
        struct buffer capture;

        demo_test_begin(&capture);
        demo_test_packet(&capture, &(struct segment){false, true, 1, NULL, 0});
        demo_test_packet(&capture, &(struct segment){false, false, 2, text, cut});
        demo_test_packet(
            &capture, &(struct segment){false, false, (uint32_t)(2 + cut), text + cut, len - cut});
        cr_assert_eq(demo_test_judge(&capture).word_bytes, strlen(DEMO_TEST_WORD), "cut %zu", cut);
    }
    struct buffer midway;
    struct demo_wire_verdict verdict;

    demo_test_begin(&midway);
    demo_test_packet(&midway, &(struct segment){false, false, 500, text, len});
    verdict = demo_test_judge(&midway);
    cr_assert_eq(verdict.word_bytes, strlen(DEMO_TEST_WORD));
    cr_assert_eq(verdict.unjudged_bytes, len, "without its start, nobody can say what is a record");
}

Test(demo, a_missing_packet_is_said_and_not_guessed)
{
    struct buffer capture;
    struct demo_wire_verdict verdict;

    demo_test_begin(&capture);
    demo_test_packet(&capture, &(struct segment){false, true, 1, NULL, 0});
    demo_test_packet(&capture, &(struct segment){false, false, 3, "\x17\x03\x03\x00\x01z", 6});
    verdict = demo_test_judge(&capture);
    cr_assert_eq(verdict.unjudged_bytes, 6);
    cr_assert_eq(verdict.record_bytes + verdict.outside_bytes, 0);
}

Test(demo, what_is_no_capture_is_refused_and_a_cut_one_read_as_far_as_it_goes)
{
    struct demo_wire_verdict verdict = {0};
    struct failure why = {0};
    struct buffer capture;

    cr_assert_eq(demo_wire_judge(bytes_of("no capture at all, and long enough"), 1, bytes_of("x"),
                                 &verdict, &why),
                 STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "demo/pcap");
    demo_test_begin(&capture);
    demo_test_packet(&capture, &(struct segment){false, true, 1, NULL, 0});
    demo_test_packet(&capture, &(struct segment){false, false, 2, "12345678", 8});
    for (size_t len = 24; len <= capture.len; len++) {
        cr_assert_eq(demo_wire_judge(bytes_make(capture.at, len), DEMO_TEST_PORT, bytes_of("x"),
                                     &verdict, NULL),
                     STATUS_OK);
    }
    cr_assert_eq(verdict.packets, 2);
    buffer_clear(&capture);
}

Test(demo, a_subnet_is_taken_only_where_no_route_leads)
{
    static const struct {
        const char *routes, *wanted;
    } rows[] = {
        {"", "10.77.0"},
        {"default via 192.0.2.1 dev eth0\n192.0.2.0/24 dev eth0 scope link\n", "10.77.0"},
        {"10.77.0.0/24 dev br0\n", "10.77.1"},
        {"local 10.77.0.9 dev br0 table local\n", "10.77.1"},
        {"broadcast 10.77.0.255 dev br0\n10.77.1.0/25 dev x\n", "10.77.2"},
        {"10.77.0.0/22 via 1.2.3.4 dev y\n", "10.77.4"},
        {"unreachable 10.77.0.0/16\n", "172.29.0"},
        {"10.0.0.0/8 via 1.2.3.4 dev tun0\n", "172.29.0"},
        {"10.0.0.0/8 dev a\n172.16.0.0/12 dev b\n", "198.18.0"},
        {"0.0.0.0/1 dev tun0\n128.0.0.0/1 dev tun0\n", "10.77.0"},
    };
    char prefix[16];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert(demo_net_choose(bytes_of(rows[i].routes), prefix), "row %zu", i);
        cr_assert_str_eq(prefix, rows[i].wanted, "row %zu", i);
    }
    cr_assert_not(demo_net_choose(
        bytes_of("10.0.0.0/8 dev a\n172.16.0.0/12 dev b\n198.18.0.0/15 dev c\n"), prefix));
}

Test(demo, wrk_is_believed_only_when_it_came_to_its_end)
{
    struct demo_load_result result = {0};

    cr_assert_eq(
        demo_load_read(bytes_of("Running 5s test\n  9 requests\n\n{\"requests\":9,\"connect\":1,"
                                "\"read\":2,\"write\":0,\"status\":3,\"timeout\":4}\n"),
                       &result, NULL),
        STATUS_OK);
    cr_assert_eq(result.requests, 9);
    cr_assert_eq(result.failed, 10);
    cr_assert_eq(
        demo_load_read(bytes_of("unable to connect to 10.77.0.4:8080 Connection refused\n"),
                       &result, NULL),
        STATUS_PROTOCOL);
    cr_assert_eq(demo_load_read(bytes_of(""), &result, NULL), STATUS_PROTOCOL);
    cr_assert_neq(demo_load_read(bytes_of("{\"requests\":9}"), &result, NULL), STATUS_OK);
}

Test(demo, counters_are_added_by_name_and_label)
{
    static const char page[] =
        "# HELP signet_denied_connections_total Connections\n"
        "signet_denied_connections_total{direction=\"inbound\",reason=\"a\"} 2\n"
        "signet_denied_connections_total{direction=\"inbound\",reason=\"b\"} 3\n"
        "signet_denied_connections_total{direction=\"outbound\",reason=\"a\"} 7\n"
        "signet_denied_connections_total_other 100\n"
        "signet_ready 1\n";

    cr_assert_eq(demo_mesh_sum(bytes_of(page), "signet_denied_connections_total", "=\"inbound\""),
                 5);
    cr_assert_eq(demo_mesh_sum(bytes_of(page), "signet_denied_connections_total", ""), 12);
    cr_assert_eq(demo_mesh_sum(bytes_of(page), "signet_ready", ""), 1);
    cr_assert_eq(demo_mesh_sum(bytes_of(page), "signet_missing", ""), 0);
}

/* A report of a run in which all went well. */
static struct demo_report demo_test_good(void)
{
    return (struct demo_report){
        .first_status = 200,
        .wire = {.packets = 9,
                 .tcp_bytes = 90,
                 .record_bytes = 90,
                 .server_hellos = 2,
                 .tls13_hellos = 2},
        .wire_load = {.packets = 9,
                      .tcp_bytes = 90,
                      .record_bytes = 90,
                      .server_hellos = 5,
                      .tls13_hellos = 5},
        .app_side = {.outside_bytes = 50, .word_bytes = 20},
        .web_app_accepts = 1,
        .denied_connections = 1,
        .rogue_failed = true,
        .api_reason = "deny/no-match",
        .rogue_reason = "peer/access-denied",
        .requests = 30,
        .keep_alive_requests = 20,
        .new_connection_requests = 10,
        .web_rotations = 2,
        .api_rotations = 3,
        .control_plane_restarts = 1,
        .outage_requests = 5,
        .outage_sidecars_tried = 2,
        .renewed_after_restart = 3,
    };
}

#define DEMO_TEST_SPOIL(member, value)                                                             \
    do {                                                                                           \
        struct demo_report spoilt = demo_test_good();                                              \
        spoilt.member = (value);                                                                   \
        cr_expect_not(demo_report_holds(&spoilt), #member);                                        \
    } while (0)

Test(demo, each_claim_can_fail_and_nothing_measured_proves_nothing)
{
    struct demo_report good = demo_test_good();
    struct demo_report nothing = {0};

    cr_assert(demo_report_holds(&good));
    cr_assert_not(demo_report_holds(&nothing));
    DEMO_TEST_SPOIL(first_status, 502);
    DEMO_TEST_SPOIL(wire.tls13_hellos, 1);
    DEMO_TEST_SPOIL(wire_load.tls13_hellos, 4);
    DEMO_TEST_SPOIL(wire.outside_bytes, 1);
    DEMO_TEST_SPOIL(wire_load.word_bytes, 11);
    DEMO_TEST_SPOIL(wire.unjudged_bytes, 1);
    DEMO_TEST_SPOIL(wire.record_bytes, 0);
    DEMO_TEST_SPOIL(tshark_readable, 1);
    DEMO_TEST_SPOIL(tshark[0], '4'); /* asked, and it saw none of the hellos */
    DEMO_TEST_SPOIL(app_side.word_bytes, 0);
    DEMO_TEST_SPOIL(rogue_failed, false);
    DEMO_TEST_SPOIL(denied_connections, 0);
    DEMO_TEST_SPOIL(denied_app_accepts, 1);
    DEMO_TEST_SPOIL(web_app_accepts, 0);
    DEMO_TEST_SPOIL(failed_requests, 1);
    DEMO_TEST_SPOIL(new_connection_requests, 0);
    DEMO_TEST_SPOIL(web_rotations, 1);
    DEMO_TEST_SPOIL(control_plane_restarts, 0);
    DEMO_TEST_SPOIL(outage_requests, 0);
    DEMO_TEST_SPOIL(outage_sidecars_tried, 0); /* away, but nobody had to renew meanwhile */
    DEMO_TEST_SPOIL(renewed_after_restart, 2);
    DEMO_TEST_SPOIL(processes_died, 1);
}
