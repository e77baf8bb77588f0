/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/authz/facts.h"
#include "core/trust/authz/match.h"
#include "tests/support/suite.h"

SUITE(match);

struct row {
    const char *pattern;
    const char *value;
    bool at_ends;    /* Istio */
    bool anywhere;   /* Istio's namespaces */
    bool in_segment; /* ours */
};

/* Source: Istio's table of value matching. */
static const struct row rows[] = {
    {"abc", "abc", true, true, true},
    {"abc", "abcd", false, false, false},
    {"abc", "ab", false, false, false},
    {"abc", "", false, false, false},
    {"abc*", "abc", true, true, true},
    {"abc*", "abcdef", true, true, true},
    {"abc*", "abc/def", true, true, false},
    {"abc*", "xabc", false, false, false},
    {"*abc", "abc", true, true, true},
    {"*abc", "xyzabc", true, true, true},
    {"*abc", "x/abc", true, true, false},
    {"*/abc", "x/abc", true, true, true},
    {"*/abc", "x/y/abc", true, true, false},
    {"*abc", "abcx", false, false, false},
    {"*", "anything/at/all", true, true, true},
    {"*", "", false, false, false},
    {"a*c", "abc", false, true, true},
    {"a*c", "a*c", true, true, true},
    {"a*c", "ac", false, true, true},
    {"a*c", "a/c", false, true, false},
    {"*b*", "abc", false, true, true},
    {"*b*", "xb*", true, true, true},
    {"a*b*c", "aXbYc", false, true, true},
    {"a*b*c", "aXcYb", false, false, false},
    {"a*b*c", "abbbc", false, true, true},
    {"*a/b*", "xa/bx", false, true, true},
    {"*a/*b", "xxa/a/yb", false, true, false},
    {"**", "x", false, true, true},
    {"**", "x*", true, true, true},
    {"td/ns/*/sa/*", "td/ns/shop/sa/web", false, true, true},
    {"td/ns/*/sa/*", "td/ns/shop/x/sa/web", false, true, false},
    {"td/ns/*", "td/ns/shop/sa/web", true, true, false},
};

Test(match, a_star_means_what_its_place_says)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct bytes pattern = bytes_of(row->pattern);
        struct match at_ends = match_make(pattern, MATCH_STAR_AT_ENDS);
        struct match anywhere = match_make(pattern, MATCH_STAR_ANYWHERE);
        struct match in_segment = match_make(pattern, MATCH_STAR_IN_SEGMENT);

        cr_expect_eq(match_has(&at_ends, bytes_of(row->value)), row->at_ends, "at ends: %s %s",
                     row->pattern, row->value);
        cr_expect_eq(match_has(&anywhere, bytes_of(row->value)), row->anywhere, "anywhere: %s %s",
                     row->pattern, row->value);
        cr_expect_eq(match_has(&in_segment, bytes_of(row->value)), row->in_segment,
                     "in segment: %s %s", row->pattern, row->value);
    }
}

/* The naive answer: try every length for each star, by recursion. */
static bool naive(const char *pattern, const char *value, bool stops)
{
    if (*pattern == '\0') {
        return *value == '\0';
    }
    if (*pattern != '*') {
        return *pattern == *value && naive(pattern + 1, value + 1, stops);
    }
    for (;; value++) {
        if (naive(pattern + 1, value, stops)) {
            return true;
        }
        if (*value == '\0' || (stops && *value == '/')) {
            return false;
        }
    }
}

Test(match, a_glob_agrees_with_trying_everything)
{
    uint32_t seed = 7;

    for (int i = 0; i < 200000; i++) {
        char pattern[8] = {0};
        char value[10] = {0};
        struct match anywhere;
        struct match in_segment;

        for (size_t j = 0; j < 1 + (size_t)i % 7; j++) {
            seed = seed * 1664525u + 1013904223u;
            pattern[j] = "ab/**"[(seed >> 24) % 5];
        }
        for (size_t j = 0; j < 1 + (size_t)i / 7 % 9; j++) {
            seed = seed * 1664525u + 1013904223u;
            value[j] = "ab/"[(seed >> 24) % 3];
        }
        if (strcmp(pattern, "*") == 0) {
            continue; /* presence */
        }
        anywhere = match_make(bytes_of(pattern), MATCH_STAR_ANYWHERE);
        in_segment = match_make(bytes_of(pattern), MATCH_STAR_IN_SEGMENT);
        cr_assert_eq(match_has(&anywhere, bytes_of(value)), naive(pattern, value, false), "%s %s",
                     pattern, value);
        cr_assert_eq(match_has(&in_segment, bytes_of(value)), naive(pattern, value, true), "%s %s",
                     pattern, value);
    }
}

Test(match, a_verified_identity_is_taken_apart)
{
    struct facts facts = {0};

    cr_assert(facts_set_peer(&facts, bytes_of("spiffe://cluster.local/ns/shop/sa/web")));
    cr_assert(facts.has_peer);
    cr_assert(bytes_equal_text(facts.principal, "cluster.local/ns/shop/sa/web"));
    cr_assert(bytes_equal_text(facts.trust_domain, "cluster.local"));
    cr_assert(bytes_equal_text(facts.namespace, "shop"));
    cr_assert(bytes_equal_text(facts.service_account, "web"));
}

Test(match, an_identity_of_another_form_has_no_namespace)
{
    const char *const others[] = {"spiffe://td/ns/shop/sa",       "spiffe://td/ns/shop/sa/web/x",
                                  "spiffe://td/x/ns/shop/sa/web", "spiffe://td/NS/shop/sa/web",
                                  "spiffe://td/ns/shop/role/web", "spiffe://td"};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct facts facts = {.namespace = bytes_of("left over")};

        cr_assert(facts_set_peer(&facts, bytes_of(others[i])));
        cr_expect_eq(facts.namespace.len, 0, "%s", others[i]);
        cr_expect_eq(facts.service_account.len, 0, "%s", others[i]);
        cr_expect(bytes_equal_text(facts.trust_domain, "td"));
    }
}

Test(match, what_is_no_spiffe_id_is_nobody)
{
    const char *const others[] = {"", "spiffe:/", "spiffe://", "https://td/ns/a/sa/b",
                                  "td/ns/shop/sa/web"};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct facts facts = {0};

        cr_expect_not(facts_set_peer(&facts, bytes_of(others[i])), "%s", others[i]);
        cr_expect_not(facts.has_peer);
    }
}
