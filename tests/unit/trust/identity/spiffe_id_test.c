/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/trust/identity/spiffe_id.h"
#include "tests/support/suite.h"

SUITE(spiffe_id);

struct refusal {
    struct bytes text;
    enum status status;
    const char *reason;
};

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }

static const struct refusal refusals[] = {
    {TEXT(""), STATUS_PROTOCOL, "spiffe-id/empty"},
    {TEXT("https://example.org/api"), STATUS_PROTOCOL, "spiffe-id/scheme"},
    {TEXT("SPIFFE://example.org/api"), STATUS_PROTOCOL, "spiffe-id/scheme"},
    {TEXT("spiffe:/example.org/api"), STATUS_PROTOCOL, "spiffe-id/scheme"},
    {TEXT("spiffe:"), STATUS_PROTOCOL, "spiffe-id/scheme"},
    {TEXT(" spiffe://example.org"), STATUS_PROTOCOL, "spiffe-id/scheme"},
    {TEXT("spiffe://"), STATUS_PROTOCOL, "spiffe-id/trust-domain"},
    {TEXT("spiffe:///api"), STATUS_PROTOCOL, "spiffe-id/trust-domain"},
    {TEXT("spiffe://Example.org/api"), STATUS_PROTOCOL, "spiffe-id/trust-domain"},
    {TEXT("spiffe://user@example.org/api"), STATUS_PROTOCOL, "spiffe-id/trust-domain"},
    {TEXT("spiffe://example.org:443/api"), STATUS_PROTOCOL, "spiffe-id/trust-domain"},
    {TEXT("spiffe://[::1]/api"), STATUS_PROTOCOL, "spiffe-id/trust-domain"},
    {TEXT("spiffe://ex%61mple.org/api"), STATUS_PROTOCOL, "spiffe-id/trust-domain"},
    {TEXT("spiffe://ex\xc3\xa4mple.org/api"), STATUS_PROTOCOL, "spiffe-id/trust-domain"},
    {TEXT("spiffe://example.org\0/api"), STATUS_PROTOCOL, "spiffe-id/trust-domain"},
    {TEXT("spiffe://example.org\n/api"), STATUS_PROTOCOL, "spiffe-id/trust-domain"},
    {TEXT("spiffe://example.org/"), STATUS_PROTOCOL, "spiffe-id/path"},
    {TEXT("spiffe://example.org/api/"), STATUS_PROTOCOL, "spiffe-id/path"},
    {TEXT("spiffe://example.org//api"), STATUS_PROTOCOL, "spiffe-id/path"},
    {TEXT("spiffe://example.org/a//b"), STATUS_PROTOCOL, "spiffe-id/path"},
    {TEXT("spiffe://example.org/./api"), STATUS_PROTOCOL, "spiffe-id/path"},
    {TEXT("spiffe://example.org/a/.."), STATUS_PROTOCOL, "spiffe-id/path"},
    {TEXT("spiffe://example.org/a%2fb"), STATUS_PROTOCOL, "spiffe-id/path"},
    {TEXT("spiffe://example.org/a b"), STATUS_PROTOCOL, "spiffe-id/path"},
    {TEXT("spiffe://example.org/api\0"), STATUS_PROTOCOL, "spiffe-id/path"},
    {TEXT("spiffe://example.org/api\0/admin"), STATUS_PROTOCOL, "spiffe-id/path"},
    {TEXT("spiffe://example.org/\xd0\xb0pi"), STATUS_PROTOCOL, "spiffe-id/path"},
    {TEXT("spiffe://example.org/api?x=1"), STATUS_PROTOCOL, "spiffe-id/query"},
    {TEXT("spiffe://example.org?x=1"), STATUS_PROTOCOL, "spiffe-id/query"},
    {TEXT("spiffe://example.org/api#x"), STATUS_PROTOCOL, "spiffe-id/query"},
};

/* Source: SPIFFE-ID 2.1 and 2.2. */
Test(spiffe_id, refuses_what_is_not_canonical)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct spiffe_id id = {.len = 7};
        struct failure why = {0};

        cr_assert_eq(spiffe_id_parse(refusals[i].text, &id, &why), refusals[i].status, "%.*s",
                     (int)refusals[i].text.len, (const char *)refusals[i].text.at);
        cr_assert_str_eq(why.reason, refusals[i].reason, "%.*s: %s", (int)refusals[i].text.len,
                         (const char *)refusals[i].text.at, why.reason);
        cr_assert_eq(id.len, 7, "an output is untouched by a refusal");
    }
}

Test(spiffe_id, takes_apart_what_is_canonical)
{
    struct spiffe_id id;

    cr_assert_eq(spiffe_id_parse(bytes_of("spiffe://example.org/ns/shop/sa/web"), &id, NULL),
                 STATUS_OK);
    cr_assert(bytes_equal_text(spiffe_id_trust_domain(&id), "example.org"));
    cr_assert(bytes_equal_text(spiffe_id_path(&id), "/ns/shop/sa/web"));
    cr_assert(bytes_equal_text(spiffe_id_namespace(&id), "shop"));
    cr_assert(bytes_equal_text(spiffe_id_service_account(&id), "web"));
    cr_assert_str_eq(id.text, "spiffe://example.org/ns/shop/sa/web");
}

Test(spiffe_id, keeps_case_in_the_path_and_allows_dots_and_addresses)
{
    static const char *const good[] = {
        "spiffe://example.org",
        "spiffe://10.0.0.1/x",
        "spiffe://a_b-c.1/A/b.c/..._/-",
        "spiffe://td/...",
    };

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct spiffe_id id;

        cr_assert_eq(spiffe_id_parse(bytes_of(good[i]), &id, NULL), STATUS_OK, "%s", good[i]);
        cr_assert_str_eq(id.text, good[i]);
    }
}

Test(spiffe_id, other_paths_have_no_namespace)
{
    static const char *const others[] = {
        "spiffe://td",           "spiffe://td/ns/a",     "spiffe://td/ns/a/sa",
        "spiffe://td/ns/a/sb/c", "spiffe://td/n/a/sa/c", "spiffe://td/ns/a/sa/c/d",
    };

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct spiffe_id id;

        cr_assert_eq(spiffe_id_parse(bytes_of(others[i]), &id, NULL), STATUS_OK);
        cr_assert_eq(spiffe_id_namespace(&id).len, 0, "%s", others[i]);
        cr_assert_eq(spiffe_id_service_account(&id).len, 0, "%s", others[i]);
    }
}

Test(spiffe_id, accepts_2048_bytes_and_refuses_one_more)
{
    static char text[SPIFFE_ID_MAX + 2];
    struct spiffe_id id;
    struct failure why = {0};

    memset(text, 'a', sizeof text);
    memcpy(text, "spiffe://td/", 12);
    cr_assert_eq(spiffe_id_parse(bytes_make(text, SPIFFE_ID_MAX), &id, &why), STATUS_OK);
    cr_assert_eq(id.len, SPIFFE_ID_MAX);
    cr_assert_eq(id.text[SPIFFE_ID_MAX], '\0');
    cr_assert_eq(spiffe_id_parse(bytes_make(text, SPIFFE_ID_MAX + 1), &id, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "spiffe-id/too-long");
}

Test(spiffe_id, a_trust_domain_has_at_most_255_bytes)
{
    static char text[9 + 256];
    struct spiffe_id id;
    struct failure why = {0};

    memset(text, 'a', sizeof text);
    memcpy(text, "spiffe://", 9);
    cr_assert_eq(spiffe_id_parse(bytes_make(text, 9 + 255), &id, &why), STATUS_OK);
    cr_assert_eq(spiffe_id_parse(bytes_make(text, 9 + 256), &id, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "spiffe-id/trust-domain");
}

Test(spiffe_id, is_made_of_parts_that_cannot_bring_slashes_along)
{
    struct spiffe_id id;
    struct spiffe_id same;
    struct failure why = {0};

    cr_assert_eq(spiffe_id_of(bytes_of("td"), bytes_of("shop"), bytes_of("web"), &id, &why),
                 STATUS_OK);
    cr_assert_eq(spiffe_id_parse(bytes_of("spiffe://td/ns/shop/sa/web"), &same, &why), STATUS_OK);
    cr_assert(spiffe_id_equal(&id, &same));
    cr_assert_neq(spiffe_id_of(bytes_of("td/ns/x"), bytes_of("a"), bytes_of("b"), &id, &why),
                  STATUS_OK);
    cr_assert_neq(spiffe_id_of(bytes_of("td"), bytes_of("a/sa/b"), bytes_of("c"), &id, &why),
                  STATUS_OK);
    cr_assert_neq(spiffe_id_of(bytes_of("td"), bytes_of("a"), bytes_of("b/c"), &id, &why),
                  STATUS_OK);
    cr_assert_neq(spiffe_id_of(bytes_of("td"), bytes_of(""), bytes_of("b"), &id, &why), STATUS_OK);
    cr_assert_neq(spiffe_id_of(bytes_of("td"), bytes_of("a"), bytes_of(".."), &id, &why),
                  STATUS_OK);
    cr_assert_eq(spiffe_id_of_domain(bytes_of("td"), &id, &why), STATUS_OK);
    cr_assert_str_eq(id.text, "spiffe://td");
    cr_assert_neq(spiffe_id_of_domain(bytes_of("td/x"), &id, &why), STATUS_OK);
}

Test(spiffe_id, a_copy_is_equal_and_a_prefix_is_not)
{
    struct spiffe_id id;
    struct spiffe_id copy;
    struct spiffe_id longer;

    cr_assert_eq(spiffe_id_parse(bytes_of("spiffe://td/a"), &id, NULL), STATUS_OK);
    cr_assert_eq(spiffe_id_parse(bytes_of("spiffe://td/ab"), &longer, NULL), STATUS_OK);
    spiffe_id_copy(&id, &copy);
    cr_assert(spiffe_id_equal(&id, &copy));
    cr_assert_not(spiffe_id_equal(&id, &longer));
}
