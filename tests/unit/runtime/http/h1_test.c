/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/runtime/http/h1.h"
#include "tests/support/suite.h"

SUITE(h1);

/* What a parser told, in order. */
struct h1_story {
    char text[4096];
    size_t len;
    enum status head_answer;
};

static void h1_story_add(struct h1_story *story, struct bytes more)
{
    cr_assert_lt(story->len + more.len, sizeof story->text);
    if (more.len > 0) {
        memcpy(story->text + story->len, more.at, more.len);
    }
    story->len += more.len;
    story->text[story->len] = '\0';
}

static enum status h1_story_head(void *user, const struct http_message *message,
                                 struct failure *why)
{
    struct h1_story *story = user;

    h1_story_add(story, http_message_method(message));
    h1_story_add(story, http_message_target(message));
    h1_story_add(story, bytes_of(message->keep_alive ? " keep" : " close"));
    if (message->status != 0) {
        char status[16];

        (void)snprintf(status, sizeof status, " %u", message->status);
        h1_story_add(story, bytes_of(status));
    }
    for (size_t i = 0; i < message->num_headers; i++) {
        struct bytes name;
        struct bytes value;

        http_message_header(message, i, &name, &value);
        h1_story_add(story, bytes_of(" "));
        h1_story_add(story, name);
        h1_story_add(story, bytes_of("=<"));
        h1_story_add(story, value);
        h1_story_add(story, bytes_of(">"));
    }
    h1_story_add(story, bytes_of(" {"));
    return story->head_answer == STATUS_OK
               ? STATUS_OK
               : fail(why, story->head_answer, "test/no", "the test says no");
}

static enum status h1_story_body(void *user, struct bytes piece, struct failure *why)
{
    (void)why;
    h1_story_add(user, piece);
    return STATUS_OK;
}

static enum status h1_story_complete(void *user, struct failure *why)
{
    (void)why;
    h1_story_add(user, bytes_of("}"));
    return STATUS_OK;
}

static const struct h1_events h1_story_events = {h1_story_head, h1_story_body, h1_story_complete};

/* Feeds `text` in pieces of `step` bytes until its end or the first refusal. */
static enum status h1_test_feed(struct h1_parser *parser, struct bytes text, size_t step,
                                struct failure *why)
{
    while (text.len > 0) {
        struct bytes piece = bytes_make(text.at, text.len < step ? text.len : step);
        size_t used = 0;

        TRY(h1_feed(parser, piece, &used, why));
        cr_assert(used == piece.len || h1_is_done(parser));
        if (used == 0) {
            return STATUS_CLOSED; /* an upgrade: the rest is no HTTP */
        }
        text = bytes_skip(text, used);
    }
    return STATUS_OK;
}

static void h1_test_tells(enum h1_role role, const char *text, const char *expected)
{
    for (size_t step = 1; step <= strlen(text); step++) { /* however the bytes arrive */
        struct h1_story story = {.text = ""};
        struct h1_parser parser;
        struct failure why = {0};

        h1_init(&parser, role, &h1_story_events, &story);
        cr_assert_eq(h1_test_feed(&parser, bytes_of(text), step, &why), STATUS_OK, "%s",
                     why.detail);
        cr_assert_str_eq(story.text, expected);
        h1_clear(&parser);
    }
}

Test(h1, a_request_is_told_however_it_arrives)
{
    h1_test_tells(H1_SERVER, "GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nX-TWO:  a b \t\r\n\r\n",
                  "GET/a?b=c keep host=<x> x-empty=<> x-two=<a b> {}");
}

Test(h1, pipelined_requests_come_one_by_one)
{
    h1_test_tells(H1_SERVER,
                  "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
                  "POST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\ncde\r\n0\r\nTrailer: t\r\n\r\n"
                  "GET /3 HTTP/1.0\r\n\r\n",
                  "POST/1 keep host=<x> content-length=<2> {ab}"
                  "POST/2 keep host=<x> transfer-encoding=<chunked> {cde}"
                  "GET/3 close {}");
}

Test(h1, a_response_is_told_with_its_status)
{
    h1_test_tells(H1_CLIENT, "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc",
                  " keep 404 content-length=<3> {abc}");
    h1_test_tells(H1_CLIENT, "HTTP/1.1 204 No Content\r\n\r\n", " keep 204 {}");
    h1_test_tells(H1_CLIENT,
                  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                  " keep 100 {} keep 200 content-length=<0> {}");
}

Test(h1, feeding_stops_behind_a_message)
{
    static const char text[] =
        "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n";
    struct h1_story story = {.text = ""};
    struct h1_parser parser;
    size_t used = 0;

    h1_init(&parser, H1_SERVER, &h1_story_events, &story);
    cr_assert(h1_is_idle(&parser));
    cr_assert_eq(h1_feed(&parser, bytes_of(text), &used, NULL), STATUS_OK);
    cr_assert_eq(used, (sizeof text - 1) / 2);
    cr_assert(h1_is_done(&parser));
    cr_assert(bytes_equal_text(http_message_path(&parser.message), "/1"));
    h1_clear(&parser);
}

Test(h1, a_body_without_length_ends_with_the_connection)
{
    struct h1_story story = {.text = ""};
    struct h1_parser parser;
    size_t used = 0;

    h1_init(&parser, H1_CLIENT, &h1_story_events, &story);
    cr_assert_eq(h1_feed(&parser, bytes_of("HTTP/1.1 200 OK\r\n\r\nabc"), &used, NULL), STATUS_OK);
    cr_assert_not(h1_is_done(&parser));
    cr_assert_eq(h1_finish(&parser, NULL), STATUS_OK);
    cr_assert(h1_is_done(&parser));
    cr_assert_str_eq(story.text, " close 200 {abc}");
    h1_clear(&parser);
}

Test(h1, an_answer_to_head_has_no_body)
{
    struct h1_story story = {.text = ""};
    struct h1_parser parser;
    size_t used = 0;

    h1_init(&parser, H1_CLIENT, &h1_story_events, &story);
    h1_expect_no_body(&parser);
    cr_assert_eq(
        h1_feed(&parser, bytes_of("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), &used, NULL),
        STATUS_OK);
    cr_assert(h1_is_done(&parser));
    h1_clear(&parser);
}

Test(h1, bytes_behind_an_upgrade_are_not_touched)
{
    struct h1_story story = {.text = ""};
    struct h1_parser parser;

    h1_init(&parser, H1_SERVER, &h1_story_events, &story);
    cr_assert_eq(h1_test_feed(&parser,
                              bytes_of("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n\x16\x03\x01"), 7,
                              NULL),
                 STATUS_CLOSED);
    cr_assert(parser.message.upgrade);
    cr_assert_eq(http_message_path(&parser.message).len, 0);
    h1_clear(&parser);
}

/*
 * Found by the fuzz target: llhttp stops here without the message's end, and we went round for
 * ever.
 */
Test(h1, a_101_without_upgrade_headers_ends_http_too)
{
    struct h1_story story = {.text = ""};
    struct h1_parser parser;
    size_t used = 0;

    h1_init(&parser, H1_CLIENT, &h1_story_events, &story);
    cr_assert_eq(h1_feed(&parser, bytes_of("HTTP/1.1 101 Ok\r\n\r\nrest"), &used, NULL), STATUS_OK);
    cr_assert_eq(used, 19);
    cr_assert(h1_is_done(&parser));
    cr_assert(parser.message.upgrade);
    cr_assert_str_eq(story.text, " keep 101 {}");
    h1_clear(&parser);
}

static const struct {
    const char *text;
    enum status status;
    const char *reason;
} h1_refusals[] = {
    {"\x16\x03\x01\x02", STATUS_PROTOCOL, "http/syntax"},
    {"GET / HTTP/1.1\nHost: x\n\n", STATUS_PROTOCOL, "http/syntax"},
    {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", STATUS_PROTOCOL, "http/syntax"},
    {"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", STATUS_PROTOCOL, "http/syntax"},
    {"GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n", STATUS_PROTOCOL, "http/syntax"},
    {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", STATUS_PROTOCOL, "http/version"},
    {"GET / HTTP/0.9\r\nHost: x\r\n\r\n", STATUS_PROTOCOL, "http/version"},
    {"GET / HTTP/1.1\r\n\r\n", STATUS_PROTOCOL, "http/host"},
    {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", STATUS_PROTOCOL, "http/host"},
    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
     STATUS_PROTOCOL, "http/syntax"},
    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     STATUS_PROTOCOL, "http/syntax"},
    {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
     STATUS_PROTOCOL, "http/syntax"},
    {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n",
     STATUS_PROTOCOL, "http/syntax"},
    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", STATUS_PROTOCOL, "http/syntax"},
    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n", STATUS_PROTOCOL,
     "http/syntax"},
    {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", STATUS_PROTOCOL,
     "http/syntax"},
};

/* Source: RFC 9112 sections 2.2, 3.2, 5.1, 5.2, 6.1, 6.3 (request smuggling). */
Test(h1, refuses)
{
    for (size_t i = 0; i < sizeof h1_refusals / sizeof h1_refusals[0]; i++) {
        for (size_t step = 1; step < 64; step += 9) {
            struct h1_story story = {.text = ""};
            struct h1_parser parser;
            struct failure why = {0};
            size_t used;

            h1_init(&parser, H1_SERVER, &h1_story_events, &story);
            cr_assert_eq(h1_test_feed(&parser, bytes_of(h1_refusals[i].text), step, &why),
                         h1_refusals[i].status, "case %zu: %s", i, h1_refusals[i].text);
            cr_assert_str_eq(why.reason, h1_refusals[i].reason, "case %zu: %s", i, why.detail);
            cr_assert_eq(h1_feed(&parser, bytes_of("GET / HTTP/1.0\r\n\r\n"), &used, &why),
                         h1_refusals[i].status, "a refusal is for good");
            h1_clear(&parser);
        }
    }
}

/* A head made of `count` copies of `piece` behind a start, fed by 1 KiB. */
static enum status h1_test_flood(const char *start, const char *piece, size_t count,
                                 struct failure *why)
{
    struct h1_story story = {.text = "", .head_answer = STATUS_CLOSED};
    struct h1_parser parser;
    CLEARED(buffer) text = {.max = (size_t)1 << 20};
    enum status status;

    cr_assert_eq(buffer_add_text(&text, start), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(buffer_add_text(&text, piece), STATUS_OK);
    }
    h1_init(&parser, H1_SERVER, &h1_story_events, &story);
    status = h1_test_feed(&parser, buffer_bytes(&text), 1024, why);
    h1_clear(&parser);
    return status;
}

Test(h1, refuses_heads_beyond_the_bounds)
{
    struct failure why = {0};

    cr_assert_eq(h1_test_flood("GET /", "x", HTTP_TARGET_MAX, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "http/target-too-long");
    cr_assert_eq(h1_test_flood("GET / HTTP/1.1\r\n", "a: b\r\n", HTTP_HEADERS_MAX + 1, &why),
                 STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "http/too-many-headers");
    cr_assert_eq(h1_test_flood("GET / HTTP/1.1\r\na: ", "bcdefgh", 5000, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "http/head-too-long");
    cr_assert_eq(h1_test_flood("", "\r\n", 40000, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "http/head-too-long");
    cr_assert_eq(h1_test_flood("GET / HTTP/1.1\r\na:", " ", 40000, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "http/head-too-long");
}

Test(h1, refuses_endless_trailers)
{
    struct h1_story story = {.text = ""};
    struct h1_parser parser;
    struct failure why = {0};
    enum status status = STATUS_OK;

    h1_init(&parser, H1_SERVER, &h1_story_events, &story);
    cr_assert_eq(h1_test_feed(&parser,
                              bytes_of("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                       "chunked\r\n\r\n0\r\n"),
                              100, NULL),
                 STATUS_OK);
    for (int i = 0; i < 100000 && status == STATUS_OK; i++) {
        status = h1_test_feed(&parser, bytes_of("a: b\r\n"), 100, &why);
    }
    cr_assert_eq(status, STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "http/head-too-long");
    h1_clear(&parser);
}

Test(h1, what_an_event_answers_comes_out)
{
    struct h1_story story = {.text = "", .head_answer = STATUS_DENIED};
    struct h1_parser parser;
    struct failure why = {0};
    size_t used;

    h1_init(&parser, H1_SERVER, &h1_story_events, &story);
    cr_assert_eq(h1_feed(&parser, bytes_of("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), &used, &why),
                 STATUS_DENIED);
    cr_assert_str_eq(why.reason, "test/no");
    h1_clear(&parser);
}

Test(h1, an_end_within_a_message_is_refused)
{
    static const char *const cut[] = {"GET", "GET / HTTP/1.1\r\nHos",
                                      "GET / HTTP/1.1\r\nHost: x\r\n",
                                      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab"};

    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
        struct h1_story story = {.text = ""};
        struct h1_parser parser;
        struct failure why = {0};
        size_t used;

        h1_init(&parser, H1_SERVER, &h1_story_events, &story);
        cr_assert_eq(h1_feed(&parser, bytes_of(cut[i]), &used, NULL), STATUS_OK);
        cr_assert_eq(h1_finish(&parser, &why), STATUS_PROTOCOL, "%s", cut[i]);
        cr_assert_str_eq(why.reason, "http/early-end");
        h1_clear(&parser);
    }
}

Test(h1, nobody_can_add_a_header_through_a_value)
{
    CLEARED(buffer) out = {.max = 1000};
    struct failure why = {0};

    cr_assert_eq(h1_write_header(&out, "a", "b\r\nc: d", &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "http/value");
    cr_assert_eq(h1_write_request(&out, "GET", "/ HTTP/1.1\r\nx: y", &why), STATUS_PROTOCOL);
    cr_assert_eq(out.len, 0);
    cr_assert_eq(h1_write_response(&out, 404, &why), STATUS_OK);
    cr_assert_eq(h1_write_header(&out, "a", "b", &why), STATUS_OK);
    cr_assert_eq(h1_write_length(&out, 5, &why), STATUS_OK);
    cr_assert_eq(h1_write_end(&out, &why), STATUS_OK);
    cr_assert(bytes_equal_text(buffer_bytes(&out),
                               "HTTP/1.1 404 Not Found\r\na: b\r\ncontent-length: 5\r\n\r\n"));
}

Test(h1, a_query_is_decoded_and_bounded)
{
    struct bytes query = bytes_of("a=1&b=x%2Fy+z&c&d=%00&e=%4&f=%zz");
    char out[6];

    cr_assert(http_query_get(query, "a", out, sizeof out));
    cr_assert_str_eq(out, "1");
    cr_assert(http_query_get(query, "b", out, sizeof out));
    cr_assert_str_eq(out, "x/y z");
    cr_assert_not(http_query_get(query, "b", out, 5));
    cr_assert(http_query_get(query, "c", out, sizeof out));
    cr_assert_str_eq(out, "");
    cr_assert_not(http_query_get(query, "d", out, sizeof out));
    cr_assert_not(http_query_get(query, "e", out, sizeof out));
    cr_assert_not(http_query_get(query, "f", out, sizeof out));
    cr_assert_not(http_query_get(query, "g", out, sizeof out));
}
