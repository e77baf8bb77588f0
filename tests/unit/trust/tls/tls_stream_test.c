/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/tls/tls_stream.h"

#include <stdlib.h>
#include <string.h>

#include "core/trust/tls/update_rate.h"
#include "tests/support/suite.h"
#include "tests/unit/trust/tls/duo.h"

SUITE(tls_stream, .timeout = 60);

static const struct memory_stream_plan tls_plain_plan = {.room = 300000, .chunk = 300000};

static void tls_turns(struct duo *duo, int count)
{
    for (int i = 0; i < count; i++) {
        duo_turn(duo);
    }
}

static enum status tls_read(struct duo *duo, unsigned which, size_t *out_len, struct failure *why)
{
    return stream_read(duo->ends[which].stream, worker_scratch(&duo->worker, 1),
                       WORKER_SCRATCH_SIZE, out_len, why);
}

Test(tls_stream, both_ends_learn_who_the_other_is)
{
    struct tls_agreed agreed;
    struct duo duo;

    duo_open(&duo, &tls_plain_plan, DUO_SERVER_ID);
    cr_assert_null(tls_stream_peer(duo.ends[1].stream));
    duo_handshake(&duo);
    cr_assert_eq(duo.ends[0].status, STATUS_OK, "%s", duo.ends[0].why.detail);
    cr_assert_eq(duo.ends[1].status, STATUS_OK, "%s", duo.ends[1].why.detail);
    cr_assert_str_eq(tls_stream_peer(duo.ends[0].stream)->id, DUO_SERVER_ID);
    cr_assert_str_eq(tls_stream_peer(duo.ends[1].stream)->id, DUO_CLIENT_ID);
    tls_stream_agreed(duo.ends[1].stream, &agreed);
    cr_assert_str_eq(agreed.version, "TLSv1.3");
    cr_assert_str_eq(agreed.group, "X25519MLKEM768");
    cr_assert_str_eq(agreed.protocol, "signet");
    duo_close(&duo);
}

Test(tls_stream, a_handshake_in_pieces_of_any_size_succeeds)
{
    for (uint32_t seed = 1; seed <= 25; seed++) {
        struct memory_stream_plan plan = {
            .room = 50 + seed * 97, .chunk = 1 + seed * 13 % 400, .seed = seed};
        struct duo duo;

        duo_open(&duo, &plan, DUO_SERVER_ID);
        duo_handshake(&duo);
        cr_assert(duo.ends[0].status == STATUS_OK && duo.ends[1].status == STATUS_OK);
        duo_close(&duo);
    }
}

/* ---- large transfers ---- */

struct tls_flow {
    struct duo *duo;
    size_t to_send, sent, received;
    uint8_t salt;
    bool ended, peer_ended;
};

static uint8_t tls_pattern(uint8_t salt, size_t at)
{
    return (uint8_t)(at * 29 + (at >> 9) * 5 + salt);
}

static void tls_flow_go(struct duo_end *end)
{
    struct tls_flow *flow = end->user;
    uint8_t *room = worker_scratch(&flow->duo->worker, 1);
    static uint8_t block[120000];
    enum status status = STATUS_OK;
    size_t got = 0;

    while (!flow->peer_ended &&
           (status = stream_read(end->stream, room, 100000, &got, NULL)) == STATUS_OK) {
        for (size_t i = 0; i < got; i++) {
            cr_assert_eq(room[i], tls_pattern((uint8_t)(99 - flow->salt), flow->received + i));
        }
        flow->received += got;
    }
    flow->peer_ended = flow->peer_ended || status == STATUS_CLOSED;
    cr_assert(status == STATUS_OK || status == STATUS_WAIT || status == STATUS_CLOSED);
    status = STATUS_OK;
    while (flow->sent < flow->to_send && status == STATUS_OK) {
        size_t len =
            flow->to_send - flow->sent < sizeof block ? flow->to_send - flow->sent : sizeof block;

        for (size_t i = 0; i < len; i++) {
            block[i] = tls_pattern(flow->salt, flow->sent + i);
        }
        got = 0;
        status = stream_write(end->stream, bytes_make(block, len), &got, NULL);
        flow->sent += got;
    }
    if (flow->sent == flow->to_send && !flow->ended) {
        flow->ended = stream_shutdown(end->stream, NULL) == STATUS_OK;
    }
    stream_interest(end->stream, (flow->peer_ended ? 0u : STREAM_READABLE) |
                                     (flow->ended ? 0u : STREAM_WRITABLE));
}

Test(tls_stream, every_byte_once_in_order_under_any_back_pressure)
{
    for (uint32_t seed = 0; seed <= 40; seed++) {
        struct memory_stream_plan plan = {.room = 2000 + seed * 7919 % 150000,
                                          .chunk = 100 + seed * 104729 % 140000,
                                          .seed = seed};
        struct tls_flow flows[2];
        struct duo duo;

        duo_open(&duo, &plan, NULL);
        for (unsigned i = 0; i < 2; i++) {
            flows[i] = (struct tls_flow){.duo = &duo,
                                         .salt = i == 0 ? 9 : 90,
                                         .to_send = seed * (i == 0 ? 65537u : 92821u) % 900000};
            duo.ends[i].after = tls_flow_go;
            duo.ends[i].user = &flows[i];
        }
        for (int turns = 0; !(flows[0].peer_ended && flows[1].peer_ended); turns++) {
            cr_assert_lt(turns, 500000, "seed %u stands still", seed);
            duo_turn(&duo);
        }
        cr_assert_eq(flows[0].received, flows[1].to_send);
        cr_assert_eq(flows[1].received, flows[0].to_send);
        duo_close(&duo);
    }
}

Test(tls_stream, a_write_of_any_size_is_taken_in_part)
{
    static uint8_t big[1 << 20];
    struct duo duo;
    size_t sent = 0;

    duo_open(&duo, &tls_plain_plan, NULL);
    duo_handshake(&duo);
    cr_assert_eq(stream_write(duo.ends[0].stream, bytes_make(big, sizeof big), &sent, NULL),
                 STATUS_OK);
    cr_assert(sent > 0 && sent < sizeof big);
    duo_close(&duo);
}

/* ---- ends ---- */

Test(tls_stream, close_notify_is_an_end_and_the_other_direction_lives_on)
{
    struct duo duo;
    size_t len = 0;

    duo_open(&duo, &tls_plain_plan, NULL);
    duo_handshake(&duo);
    cr_assert_eq(stream_write(duo.ends[0].stream, bytes_of("last"), &len, NULL), STATUS_OK);
    cr_assert_eq(stream_shutdown(duo.ends[0].stream, NULL), STATUS_OK);
    cr_assert_eq(tls_read(&duo, 1, &len, NULL), STATUS_OK);
    cr_assert_eq(len, 4);
    cr_assert(duo.ends[1].stream->holds, "the end came with the bytes: no event tells of it");
    cr_assert_eq(tls_read(&duo, 1, &len, NULL), STATUS_CLOSED);
    cr_assert_eq(stream_write(duo.ends[1].stream, bytes_of("more"), &len, NULL), STATUS_OK);
    cr_assert_eq(tls_read(&duo, 0, &len, NULL), STATUS_OK);
    cr_assert_eq(len, 4);
    duo_close(&duo);
}

Test(tls_stream, an_end_without_close_notify_is_a_truncation)
{
    struct failure why = {0};
    struct duo duo;
    size_t len = 0;

    duo_open(&duo, &tls_plain_plan, NULL);
    duo_handshake(&duo);
    cr_assert_eq(stream_shutdown(duo.lower[0], NULL), STATUS_OK);
    cr_assert_eq(tls_read(&duo, 1, &len, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "tls/truncated");
    duo_close(&duo);
}

Test(tls_stream, a_reset_is_told_as_such)
{
    struct failure why = {0};
    struct duo duo;
    size_t len = 0;

    duo_open(&duo, &tls_plain_plan, NULL);
    duo_handshake(&duo);
    stream_close(&duo.ends[0].stream, true);
    cr_assert_eq(tls_read(&duo, 1, &len, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "tcp/reset");
    duo_close(&duo);
}

Test(tls_stream, a_peer_that_leaves_within_the_handshake_closed_early)
{
    struct stream *far = NULL;
    struct duo duo;

    duo_open_one(&duo, TLS_SERVER, &far);
    stream_close(&far, false);
    tls_turns(&duo, 5);
    cr_assert_eq(duo.ends[1].status, STATUS_PROTOCOL);
    cr_assert_str_eq(duo.ends[1].why.reason, "tls/closed-early");
    duo_close(&duo);
}

/* ---- refusals ---- */

Test(tls_stream, alert_49_reads_as_access_denied_at_the_other_end)
{
    struct failure why = {0};
    struct duo duo;
    size_t len = 0;

    duo_open(&duo, &tls_plain_plan, NULL);
    duo_handshake(&duo);
    tls_stream_refuse(duo.ends[1].stream, TLS_ALERT_ACCESS_DENIED);
    duo.lower[1] = tls_stream_unwrap(&duo.ends[1].stream);
    cr_assert_null(duo.ends[1].stream);
    cr_assert_eq(tls_read(&duo, 0, &len, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "peer/access-denied");
    stream_close(&duo.lower[1], false);
    duo_close(&duo);
}

Test(tls_stream, the_wrong_identity_is_refused_by_the_client)
{
    struct duo duo;

    duo_open(&duo, &tls_plain_plan, "spiffe://example.org/ns/shop/sa/other");
    duo_handshake(&duo);
    cr_assert_eq(duo.ends[0].status, STATUS_UNTRUSTED);
    cr_assert_str_eq(duo.ends[0].why.reason, "tls/peer-identity");
    cr_assert_null(tls_stream_peer(duo.ends[0].stream));
    cr_assert_eq(duo.ends[1].status, STATUS_PROTOCOL);
    cr_assert_str_eq(duo.ends[1].why.reason, "peer/bad-certificate");
    duo_close(&duo);
}

Test(tls_stream, what_is_not_tls_is_called_so)
{
    static const char *const rows[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "EHLO example.org\r\n",
        "\x05\x02\x01\x02 socks",
        "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stream *far = NULL;
        struct duo duo;
        size_t len = 0;

        duo_open_one(&duo, TLS_SERVER, &far);
        cr_assert_eq(stream_write(far, bytes_of(rows[i]), &len, NULL), STATUS_OK);
        tls_turns(&duo, 5);
        cr_assert_eq(duo.ends[1].status, STATUS_PROTOCOL, "%s", rows[i]);
        cr_assert_str_eq(duo.ends[1].why.reason, "tls/not-tls", "%s: %s", rows[i],
                         duo.ends[1].why.reason);
        stream_close(&far, false);
        duo_close(&duo);
    }
}

/* A library's peer against our end; whom it shows is a sound leaf unless `certless`. */
static void tls_against(enum tls_role role, bool certless, uint16_t version, struct duo *duo,
                        struct duo_raw *raw)
{
    struct bytes chain[4];
    struct stream *far = NULL;
    OWNED(test_ca) *leaf = NULL;
    size_t count;

    duo_open_one(duo, role, &far);
    leaf = test_ca_leaf(duo->root, "spiffe://example.org/ns/shop/sa/raw");
    count = test_ca_chain(leaf, chain, 4);
    duo_raw_open(raw, duo, far,
                 &(struct duo_raw_manner){.as_server = role == TLS_CLIENT,
                                          .leaf = leaf,
                                          .chain = chain,
                                          .num_certs = certless ? 0 : count,
                                          .least = version,
                                          .most = version});
    duo_raw_begin(raw);
    tls_turns(duo, 20);
}

Test(tls_stream, a_client_without_a_certificate_is_refused)
{
    struct duo_raw raw;
    struct duo duo;

    tls_against(TLS_SERVER, true, TLS1_3_VERSION, &duo, &raw);
    cr_assert_eq(duo.ends[1].status, STATUS_PROTOCOL);
    cr_assert_str_eq(duo.ends[1].why.reason, "tls/no-certificate");
    cr_assert_eq(raw.alert, SSL_AD_CERTIFICATE_REQUIRED);
    duo_raw_close(&raw);
    duo_close(&duo);
}

Test(tls_stream, tls_1_2_is_refused_both_ways)
{
    static const enum tls_role roles[] = {TLS_SERVER, TLS_CLIENT};

    for (size_t i = 0; i < 2; i++) {
        struct duo_raw raw;
        struct duo duo;

        tls_against(roles[i], false, TLS1_2_VERSION, &duo, &raw);
        cr_assert_eq(duo.ends[1 - i].status, STATUS_PROTOCOL);
        cr_assert_str_eq(duo.ends[1 - i].why.reason, "tls/version");
        duo_raw_close(&raw);
        duo_close(&duo);
    }
}

Test(tls_stream, I10_no_ticket_is_ever_given)
{
    struct duo_raw raw;
    struct duo duo;
    size_t len = 0;

    tls_against(TLS_SERVER, false, TLS1_3_VERSION, &duo, &raw);
    cr_assert_eq(duo.ends[1].status, STATUS_OK, "%s", duo.ends[1].why.detail);
    cr_assert_eq(stream_write(duo.ends[1].stream, bytes_of("hello"), &len, NULL), STATUS_OK);
    tls_turns(&duo, 5);
    cr_assert_eq(raw.received, 5);
    cr_assert_eq(raw.sessions, 0);
    duo_raw_close(&raw);
    duo_close(&duo);
}

Test(tls_stream, I10_a_client_keeps_no_ticket_that_it_is_given)
{
    struct duo_raw raw;
    struct duo duo;
    size_t len = 0;

    tls_against(TLS_CLIENT, false, TLS1_3_VERSION, &duo, &raw);
    cr_assert_eq(duo.ends[0].status, STATUS_OK, "%s", duo.ends[0].why.detail);
    cr_assert_eq(SSL_write(raw.ssl, "hello", 5), 5);
    duo_raw_flush(&raw);
    tls_turns(&duo, 5);
    cr_assert_eq(tls_read(&duo, 0, &len, NULL), STATUS_OK);
    cr_assert_eq(len, 5);
    duo_raw_close(&raw);
    duo_close(&duo);
}

Test(tls_stream, a_key_update_is_followed_and_answered)
{
    struct failure why = {0};
    struct duo_raw raw;
    struct duo duo;
    size_t len = 0;

    tls_against(TLS_SERVER, false, TLS1_3_VERSION, &duo, &raw);
    for (size_t round = 1; round <= 20; round++) {
        cr_assert_eq(SSL_key_update(raw.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        cr_assert_eq(SSL_write(raw.ssl, "after", 5), 5);
        duo_raw_flush(&raw);
        tls_turns(&duo, 2);
        cr_assert_eq(tls_read(&duo, 1, &len, &why), STATUS_OK, "%s", why.detail);
        cr_assert_eq(len, 5);
        cr_assert_eq(stream_write(duo.ends[1].stream, bytes_of("answer"), &len, NULL), STATUS_OK);
        tls_turns(&duo, 2);
        cr_assert_eq(raw.received, 6 * round);
    }
    duo_raw_close(&raw);
    duo_close(&duo);
}

Test(tls_stream, key_updates_without_end_are_refused)
{
    struct duo_raw raw;
    struct duo duo;
    size_t len = 0;
    enum status status = STATUS_WAIT;

    tls_against(TLS_SERVER, false, TLS1_3_VERSION, &duo, &raw);
    for (int i = 0; i < 100; i++) {
        (void)SSL_key_update(raw.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
        (void)SSL_write(raw.ssl, "", 0);
        duo_raw_flush(&raw);
        tls_turns(&duo, 2);
        status = tls_read(&duo, 1, &len, NULL);
        if (status != STATUS_WAIT) {
            break;
        }
    }
    cr_assert_eq(status, STATUS_PROTOCOL);
    duo_raw_close(&raw);
    duo_close(&duo);
}

/* One update, and a byte of the application behind it. */
static enum status tls_update(struct duo *duo, struct duo_raw *raw, struct failure *why)
{
    size_t len = 0;

    cr_assert_eq(SSL_key_update(raw->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    cr_assert_eq(SSL_write(raw->ssl, "x", 1), 1);
    duo_raw_flush(raw);
    tls_turns(duo, 2);
    return tls_read(duo, 1, &len, why);
}

Test(tls_stream, key_updates_with_bytes_between_them_are_limited_by_rate)
{
    struct failure why = {0};
    struct duo_raw raw;
    struct duo duo;
    enum status status = STATUS_OK;
    int updates = 0;

    tls_against(TLS_SERVER, false, TLS1_3_VERSION, &duo, &raw);
    while (updates < 1000 && status == STATUS_OK) {
        status = tls_update(&duo, &raw, &why);
        updates++;
    }
    cr_assert_eq(status, STATUS_PROTOCOL, "%d updates were taken", updates);
    cr_assert_str_eq(why.reason, "tls/key-updates");
    cr_assert_gt(updates, UPDATE_RATE_BURST);
    tls_turns(&duo, 2);
    cr_assert_eq(raw.alert, SSL_AD_UNEXPECTED_MESSAGE, "and it is told");
    duo_raw_close(&raw);
    duo_close(&duo);
}

Test(tls_stream, one_key_update_a_second_may_go_on_for_ever)
{
    struct update_rate rate = {0};
    uint64_t now_ms = 5;

    for (unsigned i = 0; i < UPDATE_RATE_BURST; i++) {
        cr_assert(update_rate_allows(&rate, now_ms));
    }
    cr_assert(!update_rate_allows(&rate, now_ms));
    for (int i = 0; i < 100000; i++) {
        now_ms += 1000;
        cr_assert(update_rate_allows(&rate, now_ms));
        cr_assert(!update_rate_allows(&rate, now_ms + 998));
    }
    cr_assert(update_rate_allows(&rate, now_ms + 3600000));
}

Test(tls_stream, our_own_key_is_renewed_before_it_has_sealed_too_much)
{
    struct duo_raw raw;
    struct duo duo;
    size_t len = 0;

    duo_records_per_key = 4;
    tls_against(TLS_SERVER, false, TLS1_3_VERSION, &duo, &raw);
    for (size_t round = 1; round <= 50; round++) {
        cr_assert_eq(stream_write(duo.ends[1].stream, bytes_of("hello"), &len, NULL), STATUS_OK);
        tls_turns(&duo, 2);
        cr_assert_eq(raw.received, 5 * round);
        cr_assert_leq(SSL_get_read_sequence(raw.ssl), 4, "after %zu records", round);
    }
    duo_raw_close(&raw);
    duo_close(&duo);
    duo_records_per_key = 0;
}

Test(tls_stream, bytes_right_behind_the_handshake_are_not_lost)
{
    struct duo_raw raw;
    struct duo duo;
    static char block[100000];
    size_t len = 0;
    size_t seen = 0;
    struct stream *far = NULL;
    struct bytes chain[4];
    OWNED(test_ca) *leaf = NULL;

    duo_open_one(&duo, TLS_SERVER, &far);
    leaf = test_ca_leaf(duo.root, "spiffe://example.org/ns/shop/sa/raw");
    duo_raw_open(&raw, &duo, far,
                 &(struct duo_raw_manner){.leaf = leaf,
                                          .chain = chain,
                                          .num_certs = test_ca_chain(leaf, chain, 4),
                                          .least = TLS1_3_VERSION,
                                          .most = TLS1_3_VERSION});
    duo_raw_begin(&raw);
    duo_turn(&duo);
    while (!raw.up) { /* the server's flight comes; the client's second goes with the bytes */
        duo_turn(&duo);
        if (raw.up) {
            cr_assert_eq(SSL_write(raw.ssl, block, sizeof block), (int)sizeof block);
            duo_raw_flush(&raw);
        }
    }
    tls_turns(&duo, 10);
    cr_assert_eq(duo.ends[1].status, STATUS_OK);
    while (tls_read(&duo, 1, &len, NULL) == STATUS_OK) {
        seen += len;
    }
    cr_assert_eq(seen, sizeof block);
    duo_raw_close(&raw);
    duo_close(&duo);
}

Test(tls_stream, a_swap_disturbs_nobody_who_has_begun)
{
    struct posture posture = posture_default();
    OWNED(identity_set) *next = NULL;
    struct duo duo;
    size_t len = 0;

    duo_open(&duo, &tls_plain_plan, NULL);
    duo_handshake(&duo);
    next = test_ca_identity_set(duo.root, DUO_SERVER_ID, 2);
    tls_context_drop(&duo.slots[1].current);
    cr_assert_eq(tls_context_make(next, &posture, &duo.slots[1].current, NULL), STATUS_OK);
    cr_assert_eq(stream_write(duo.ends[1].stream, bytes_of("still"), &len, NULL), STATUS_OK);
    cr_assert_eq(tls_read(&duo, 0, &len, NULL), STATUS_OK);
    cr_assert_eq(len, 5);
    duo_close(&duo);
}

/* Our server has seen the client's hello; then a bundle without his root is put in force. */
Test(tls_stream, I10_a_handshake_held_open_is_judged_by_the_bundle_in_force_at_its_end)
{
    struct memory_stream_plan slow = {.room = 65536, .chunk = 16};
    struct posture posture = posture_default();
    OWNED(test_ca) *other = test_ca_root("example.org");
    OWNED(identity_set) *next = test_ca_identity_set(other, DUO_SERVER_ID, 2);
    struct tls_context *renewed = NULL;
    struct duo duo;

    duo_open(&duo, &slow, NULL);
    while (memory_stream_waiting(duo.lower[0]) == 0) { /* until the server answers */
        cr_assert(duo.ends[1].handshaking);
        duo_turn(&duo);
    }
    cr_assert_eq(tls_context_make(next, &posture, &renewed, NULL), STATUS_OK);
    slot_swap(&duo.slots[1], renewed);
    duo_handshake(&duo);
    cr_assert_eq(duo.ends[0].status, STATUS_OK, "what we show is what was in force at the start");
    cr_assert_eq(duo.ends[1].status, STATUS_UNTRUSTED);
    cr_assert_str_eq(duo.ends[1].why.reason, "verify/untrusted-root");
    duo_close(&duo);
}
