/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/manual.h"

#include <string.h>

#include "cmd/signet/commands.h"

/* Longer words are nobody's misspelling of ours. */
#define MANUAL_WORD_MAX 32

/* Levenshtein's distance, one row at a time. */
static size_t manual_distance(const char *a, const char *b)
{
    size_t row[MANUAL_WORD_MAX + 1];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > MANUAL_WORD_MAX || b_len > MANUAL_WORD_MAX) {
        return MANUAL_WORD_MAX;
    }
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t cost = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            cost = cost < row[j] + 1 ? cost : row[j] + 1;
            row[j] = cost < row[j - 1] + 1 ? cost : row[j - 1] + 1;
        }
    }
    return row[b_len];
}

const char *manual_nearest(const char *given, const char *const *words, size_t count, size_t stride)
{
    const char *nearest = NULL;
    size_t least = 3;

    for (size_t i = 0; i < count; i++) {
        const char *word = *(const char *const *)(const void *)((const char *)words + i * stride);
        size_t distance = manual_distance(given, word);

        if (distance < least && distance < strlen(word)) {
            least = distance;
            nearest = word;
        }
    }
    return nearest;
}

static const struct manual_flag *manual_flag_of(const struct manual *manual, const char *name,
                                                size_t len)
{
    for (size_t i = 0; i < manual->num_flags; i++) {
        const char *known = manual->flags[i].name;

        if (strlen(known) == len && memcmp(known, name, len) == 0) {
            return &manual->flags[i];
        }
    }
    return NULL;
}

static enum status manual_unknown(const struct manual *manual, const char *given,
                                  struct failure *why)
{
    const char *nearest = NULL;
    char name[MANUAL_WORD_MAX + 1];

    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(given + 2, "="), given + 2);
    if (manual->num_flags > 0) {
        nearest = manual_nearest(name, &manual->flags[0].name, manual->num_flags,
                                 sizeof manual->flags[0]);
    }
    if (nearest != NULL) {
        return fail(why, STATUS_CONFIG, "flags/unknown",
                    "%s is no flag of this command; did you mean --%s?", given, nearest);
    }
    return fail(why, STATUS_CONFIG, "flags/unknown", "%s is no flag of this command", given);
}

/* manual_read_flag reads the flag at arguments[*at] and leaves *at on the last word that it used. */
static enum status manual_read_flag(const struct manual *manual, int count, char **arguments,
                                    int *at, struct failure *why)
{
    char *given = arguments[*at];
    char *equals = strchr(given, '=');
    size_t len = equals == NULL ? strlen(given) - 2 : (size_t)(equals - given) - 2;
    const struct manual_flag *flag = manual_flag_of(manual, given + 2, len);

    if (flag == NULL) {
        return manual_unknown(manual, given, why);
    }
    if (flag->value == NULL) {
        if (equals != NULL) {
            return fail(why, STATUS_CONFIG, "flags/needless-value", "--%s takes no value",
                        flag->name);
        }
        *flag->out_on = true;
        return STATUS_OK;
    }
    if (equals != NULL) {
        *flag->out_text = equals + 1;
    } else if (*at + 1 < count) {
        *at += 1;
        *flag->out_text = arguments[*at];
    } else {
        return fail(why, STATUS_CONFIG, "flags/no-value", "--%s needs a value: --%s %s", flag->name,
                    flag->name, flag->value);
    }
    if ((*flag->out_text)[0] == '\0') {
        return fail(why, STATUS_CONFIG, "flags/no-value", "--%s has an empty value", flag->name);
    }
    return STATUS_OK;
}

enum status manual_read(const struct manual *manual, int count, char **arguments,
                        struct manual_words *out_words, struct failure *why)
{
    struct manual_words words = {0};
    bool flags_over = false;

    for (int at = 1; at < count; at++) {
        const char *word = arguments[at];

        if (flags_over || word[0] != '-' || word[1] == '\0') {
            if (words.num_operands >= manual->operands_max ||
                words.num_operands >= sizeof words.operands / sizeof words.operands[0]) {
                return fail(why, STATUS_CONFIG, "flags/too-many-words",
                            "\"%s\" is one word too many", word);
            }
            words.operands[words.num_operands++] = word;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            words.help = true;
        } else if (strcmp(word, "--") == 0) {
            flags_over = true;
        } else if (word[1] != '-') {
            return fail(why, STATUS_CONFIG, "flags/unknown", "%s: flags begin with two dashes",
                        word);
        } else {
            TRY(manual_read_flag(manual, count, arguments, &at, why));
        }
    }
    *out_words = words;
    return STATUS_OK;
}

void manual_print(const struct manual *manual, FILE *out)
{
    int width = 0;

    (void)fprintf(out, "Usage: %s\n\n%s\n", manual->synopsis, manual->purpose);
    for (size_t i = 0; i < manual->num_flags; i++) {
        const struct manual_flag *flag = &manual->flags[i];
        size_t own = strlen(flag->name) + (flag->value == NULL ? 0 : strlen(flag->value) + 1);

        width = own > (size_t)width ? (int)own : width;
    }
    if (manual->num_flags > 0) {
        (void)fputs("\nFlags:\n", out);
    }
    for (size_t i = 0; i < manual->num_flags; i++) {
        const struct manual_flag *flag = &manual->flags[i];
        char said[96];

        (void)snprintf(said, sizeof said, "%s%s%s", flag->name, flag->value == NULL ? "" : " ",
                       flag->value == NULL ? "" : flag->value);
        (void)fprintf(out, "  --%-*s  %s\n", width, said, flag->text);
    }
    if (manual->examples != NULL) {
        (void)fprintf(out, "\nExamples:\n%s\n", manual->examples);
    }
    (void)fputs("\nExit codes: 0 ok, 1 the answer is no, 2 wrong usage, 3 nothing answers.\n", out);
}

bool manual_open(const struct manual *manual, int count, char **arguments,
                 struct manual_words *out_words, int *out_verdict)
{
    struct failure why = {0};

    if (manual_read(manual, count, arguments, out_words, &why) != STATUS_OK) {
        (void)fprintf(stderr, "signet: %s\nUsage: %s (--help says more)\n", why.detail,
                      manual->synopsis);
        *out_verdict = VERDICT_USAGE;
        return false;
    }
    if (out_words->help) {
        manual_print(manual, stdout);
        *out_verdict = VERDICT_OK;
        return false;
    }
    return true;
}

static void manual_print_verbs(const char *program, const struct manual_verb *verbs,
                               size_t num_verbs, FILE *out)
{
    int width = 0;

    for (size_t i = 0; i < num_verbs; i++) {
        int own = (int)strlen(verbs[i].name);

        width = own > width ? own : width;
    }
    (void)fprintf(out, "Usage: %s COMMAND …\n\n", program);
    for (size_t i = 0; i < num_verbs; i++) {
        (void)fprintf(out, "  %-*s  %s\n", width, verbs[i].name, verbs[i].text);
    }
    (void)fprintf(out, "\n%s COMMAND --help says more, with examples.\n", program);
}

int manual_run_verb(const char *program, const struct manual_verb *verbs, size_t num_verbs,
                    int count, char **arguments)
{
    const char *given = count > 1 ? arguments[1] : NULL;
    const char *nearest;

    if (given == NULL) {
        manual_print_verbs(program, verbs, num_verbs, stderr);
        return VERDICT_USAGE;
    }
    if (strcmp(given, "--help") == 0 || strcmp(given, "-h") == 0 || strcmp(given, "help") == 0) {
        manual_print_verbs(program, verbs, num_verbs, stdout);
        return VERDICT_OK;
    }
    for (size_t i = 0; i < num_verbs; i++) {
        if (strcmp(given, verbs[i].name) == 0) {
            return verbs[i].run(count - 1, arguments + 1);
        }
    }
    nearest = manual_nearest(given, &verbs[0].name, num_verbs, sizeof verbs[0]);
    if (nearest != NULL) {
        (void)fprintf(stderr, "%s: there is no command \"%s\"; did you mean %s?\n", program, given,
                      nearest);
    } else {
        (void)fprintf(stderr, "%s: there is no command \"%s\": %s --help lists them\n", program,
                      given, program);
    }
    return VERDICT_USAGE;
}
