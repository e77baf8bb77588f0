/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/manual.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <criterion/redirect.h>
#include <string.h>

#include "cmd/signet/commands.h"
#include "tests/support/suite.h"
#include "tests/unit/cmd/signet/printed.h"

SUITE(manual);

/* A command line for a command with --out VALUE, --json and one operand. */
struct manual_line {
    char words[5][24];
    char reason[24]; /* "" when it is to be read */
    char detail[64]; /* a part of the refusal's text */
    char out[24];
    char operand[24];
    int json;
};

static enum status manual_read_line(struct manual_line *line, const char **out_text, bool *out_json,
                                    struct manual_words *out_words, struct failure *why)
{
    const struct manual_flag flags[] = {
        {"out", "FILE", "where to", out_text, NULL},
        {"json", NULL, "as JSON", NULL, out_json},
    };
    const struct manual manual = {
        .synopsis = "signet x",
        .purpose = "Tests.",
        .flags = flags,
        .num_flags = 2,
        .operands_max = 1,
    };
    char *arguments[6] = {(char[]){"x"}};
    int count = 1;

    for (int i = 0; i < 5 && line->words[i][0] != '\0'; i++) {
        arguments[count++] = strcmp(line->words[i], "EMPTY") == 0 ? (char[]){""} : line->words[i];
    }
    return manual_read(&manual, count, arguments, out_words, why);
}

ParameterizedTestParameters(manual, reads_or_refuses_a_command_line)
{
    static struct manual_line cases[] = {
        {{"--out", "f"}, "", "", "f", "", 0},
        {{"--out=f", "web"}, "", "", "f", "web", 0},
        {{"web", "--json"}, "", "", "", "web", 1},
        {{"--out", "a", "--out=b"}, "", "", "b", "", 0},
        {{"--", "--json"}, "", "", "", "--json", 0},
        {{"-"}, "", "", "", "-", 0},
        {{"--ouf", "f"}, "flags/unknown", "did you mean --out?", "", "", 0},
        {{"--nothing-like-it"}, "flags/unknown", "is no flag", "", "", 0},
        {{"-o"}, "flags/unknown", "two dashes", "", "", 0},
        {{"--out"}, "flags/no-value", "--out FILE", "", "", 0},
        {{"--out="}, "flags/no-value", "empty", "", "", 0},
        {{"--json=yes"}, "flags/needless-value", "takes no value", "", "", 0},
        {{"a", "b"}, "flags/too-many-words", "\"b\"", "", "", 0},
        {{"--="}, "flags/unknown", "is no flag", "", "", 0},
    };

    return cr_make_param_array(struct manual_line, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct manual_line *line, manual, reads_or_refuses_a_command_line)
{
    const char *out = "";
    bool json = false;
    struct manual_words words = {0};
    struct failure why = {0};
    enum status status = manual_read_line(line, &out, &json, &words, &why);

    if (line->reason[0] != '\0') {
        cr_assert_eq(status, STATUS_CONFIG, "%s", line->words[0]);
        cr_assert_str_eq(why.reason, line->reason);
        cr_assert_not_null(strstr(why.detail, line->detail), "%s", why.detail);
        return;
    }
    cr_assert_eq(status, STATUS_OK, "%s", why.detail);
    cr_assert_str_eq(out, line->out);
    cr_assert_eq(json, line->json != 0);
    cr_assert_str_eq(words.num_operands == 0 ? "" : words.operands[0], line->operand);
}

Test(manual, help_names_every_flag_and_the_exit_codes)
{
    const char *address = NULL;
    const struct manual_flag flags[] = {{"admin", "ADDRESS", "ask this one", &address, NULL}};
    const struct manual manual = {
        .synopsis = "signet x [--admin ADDRESS]",
        .purpose = "Does x.",
        .flags = flags,
        .num_flags = 1,
        .examples = "  signet x",
    };
    struct printed *printed = printed_begin();

    manual_print(&manual, printed->out);
    cr_assert_str_eq(printed_end(printed),
                     "Usage: signet x [--admin ADDRESS]\n\nDoes x.\n\nFlags:\n"
                     "  --admin ADDRESS  ask this one\n\nExamples:\n  signet x\n\n"
                     "Exit codes: 0 ok, 1 the answer is no, 2 wrong usage, 3 nothing answers.\n");
    printed_free(printed);
}

static int manual_verb_run(int count, char **arguments)
{
    return 40 + count + (strcmp(arguments[0], "status") == 0);
}

Test(manual, an_unknown_verb_is_usage_and_a_known_one_gets_its_own_words,
     .init = cr_redirect_stderr)
{
    const struct manual_verb verbs[] = {{"status", "how it is", manual_verb_run}};
    char *known[] = {(char[]){"signet"}, (char[]){"status"}, (char[]){"--json"}};
    char *misspelt[] = {(char[]){"signet"}, (char[]){"statsu"}};

    cr_assert_eq(manual_run_verb("signet", verbs, 1, 3, known), 43);
    cr_assert_eq(manual_run_verb("signet", verbs, 1, 2, misspelt), VERDICT_USAGE);
    (void)fflush(stderr);
    cr_assert_stderr_eq_str("signet: there is no command \"statsu\"; did you mean status?\n");
}
