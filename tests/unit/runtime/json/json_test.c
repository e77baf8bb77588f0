/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/runtime/json/json.h"
#include "core/runtime/json/writer.h"
#include "tests/support/suite.h"

SUITE(json);

static const struct {
    const char *text;
    enum status status;
    const char *reason;
} json_refusals[] = {
    {"", STATUS_PROTOCOL, "json/syntax"},
    {"nul", STATUS_PROTOCOL, "json/syntax"},
    {"{\"a\":1", STATUS_PROTOCOL, "json/syntax"},
    {"{\"a\":1}x", STATUS_PROTOCOL, "json/syntax"},
    {"{\"a\":01}", STATUS_PROTOCOL, "json/syntax"},
    {"{\"a\":99999999999999999999}", STATUS_PROTOCOL, "json/syntax"},
    {"{\"a\":\"\\u0000\"}", STATUS_PROTOCOL, "json/syntax"},
    {"{\"a\":\"\xff\"}", STATUS_PROTOCOL, "json/syntax"},
    {"{\"a\":1,\"a\":2}", STATUS_PROTOCOL, "json/duplicate"},
    {"{\"x\":{\"a\":1,\"a\":1}}", STATUS_PROTOCOL, "json/duplicate"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", STATUS_LIMIT,
     "json/too-deep"},
};

Test(json, refuses)
{
    for (size_t i = 0; i < sizeof json_refusals / sizeof json_refusals[0]; i++) {
        struct json_value *top = NULL;
        struct failure why = {0};

        cr_assert_eq(json_read(bytes_of(json_refusals[i].text), 1000, &top, &why),
                     json_refusals[i].status, "%s", json_refusals[i].text);
        cr_assert_str_eq(why.reason, json_refusals[i].reason);
        cr_assert_null(top);
    }
}

Test(json, refuses_more_bytes_than_the_bound)
{
    struct json_value *top = NULL;
    struct failure why = {0};

    cr_assert_eq(json_read(bytes_of("[1,2]"), 4, &top, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "json/too-long");
}

Test(json, brackets_within_texts_are_not_depth)
{
    OWNED(json_value) *top = NULL;
    struct bytes text;

    cr_assert_eq(json_read(bytes_of("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"}"),
                           1000, &top, NULL),
                 STATUS_OK);
    cr_assert_eq(json_get_text(top, "a", 100, &text, NULL), STATUS_OK);
    cr_assert_eq(text.len, 40);
}

Test(json, getters_give_what_is_there_and_say_what_is_not)
{
    static const char *const known[] = {"id", "n", "on", "o", "a", "z"};
    OWNED(json_value) *top = NULL;
    const struct json_value *object;
    const struct json_value *array;
    struct failure why = {0};
    struct bytes text;
    int64_t number;
    bool truth;

    cr_assert_eq(json_read(bytes_of("{\"id\":\"x\xc3\xa4\",\"n\":-5,\"on\":true,\"o\":{\"k\":1},"
                                    "\"a\":[\"p\",2],\"z\":null}"),
                           1000, &top, NULL),
                 STATUS_OK);
    cr_assert_eq(json_get_text(top, "id", 10, &text, &why), STATUS_OK);
    cr_assert(bytes_equal_text(text, "x\xc3\xa4"));
    cr_assert_eq(json_get_text(top, "id", 2, &text, &why), STATUS_LIMIT);
    cr_assert_eq(json_get_text(top, "n", 10, &text, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "json/type");
    cr_assert_eq(json_get_text(top, "z", 10, &text, &why), STATUS_NOT_FOUND);
    cr_assert_eq(json_get_text(top, "none", 10, &text, &why), STATUS_NOT_FOUND);
    cr_assert_str_eq(why.reason, "json/missing");
    cr_assert_eq(json_get_number(top, "n", -5, 5, &number, &why), STATUS_OK);
    cr_assert_eq(number, -5);
    cr_assert_eq(json_get_number(top, "n", 0, 5, &number, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "json/range");
    cr_assert_eq(json_get_bool(top, "on", &truth, &why), STATUS_OK);
    cr_assert(truth);
    cr_assert_eq(json_get_object(top, "o", &object, &why), STATUS_OK);
    cr_assert_eq(json_get_number(object, "k", 0, 9, &number, &why), STATUS_OK);
    cr_assert_eq(json_get_array(top, "a", &array, &why), STATUS_OK);
    cr_assert_eq(json_count(array), 2);
    cr_assert(json_text_of(json_at(array, 0), &text));
    cr_assert_not(json_text_of(json_at(array, 1), &text));
    cr_assert_null(json_at(array, 2));
    cr_assert_eq(json_count(top), 0);
    cr_assert_eq(json_get_bool(array, "on", &truth, &why), STATUS_PROTOCOL);
    cr_assert_eq(json_refuse_unknown(top, known, 6, &why), STATUS_OK);
    cr_assert_eq(json_refuse_unknown(top, known, 5, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "json/unknown");
}

static void json_test_write(struct json_writer *json)
{
    json_open_object(json, NULL);
    json_put_text(json, "id", "a\"\xff");
    json_put_text(json, "none", NULL);
    json_put_int(json, "low", INT64_MIN);
    json_put_uint(json, "high", UINT64_MAX);
    json_open_array(json, "list");
    json_put_bool(json, NULL, true);
    json_open_object(json, NULL);
    json_close_object(json);
    json_put_bytes(json, NULL, bytes_make(NULL, 0));
    json_close_array(json);
    json_put_null(json, "z\n");
    json_close_object(json);
}

Test(json, writer_writes_exactly_this)
{
    CLEARED(buffer) out = {.max = 1000};
    struct json_writer json = json_writer_to(&out);

    json_test_write(&json);
    cr_assert_eq(json_writer_end(&json, NULL), STATUS_OK);
    cr_assert(
        bytes_equal_text(buffer_bytes(&out),
                         "{\"id\":\"a\\\"\\u00ff\",\"none\":null,\"low\":-9223372036854775808,"
                         "\"high\":18446744073709551615,\"list\":[true,{},\"\"],\"z\\n\":null}"));
}

/* At every bound: either all of it, or a refusal; never more bytes than the bound. */
Test(json, writer_says_when_it_was_too_much)
{
    size_t fits = 0;

    for (size_t max = 1; max < 200; max++) {
        CLEARED(buffer) out = {.max = max};
        struct json_writer json = json_writer_to(&out);
        struct failure why = {0};

        json_test_write(&json);
        cr_assert_leq(out.len, max);
        if (json_writer_end(&json, &why) == STATUS_OK) {
            fits++;
        } else {
            cr_assert_str_eq(why.reason, "json/full");
        }
    }
    cr_assert_gt(fits, 50);
    cr_assert_lt(fits, 100);
}
