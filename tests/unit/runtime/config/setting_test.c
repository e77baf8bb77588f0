/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SETTING_DEF "tests/unit/runtime/config/sample.def"
#define SETTING_STRUCT sample
#include "core/runtime/config/setting_struct.inc"
#include "core/runtime/config/setting_table.inc"
#include "tests/support/suite.h"

SUITE(setting);

static const struct setting_table sample_table =
    SETTING_TABLE(sample, "sample", "SAMPLE_", "[--check FILE...]", "shows settings");

enum { SAMPLE_ARGUMENTS_MAX = 12 };

/* Loads from space-separated arguments and one environment variable (NULL: none). */
static enum status sample_load(const char *arguments, char *variable, struct sample *out,
                               struct failure *why)
{
    static char text[1024];
    static char *argv[SAMPLE_ARGUMENTS_MAX];
    char *environment[] = {variable, NULL};
    struct setting_request request = {0};
    struct setting_input input = {.argv = argv, .environment = environment};

    (void)snprintf(text, sizeof text, "sample %s", arguments);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[input.argc++] = word;
    }
    return setting_load(&sample_table, &input, out, &request, why);
}

static void sample_file(char path[32], const char *text)
{
    int fd;

    (void)strcpy(path, "/tmp/setting_test_XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

Test(setting, defaults_come_from_the_table)
{
    struct sample sample = {0};

    cr_assert_eq(sample_load("", NULL, &sample, NULL), STATUS_OK);
    cr_assert_eq(sample.outbound_port, 15001);
    cr_assert_eq(sample.drain_limit_ms, 30000);
    cr_assert_str_eq(sample.name, "proxy");
    cr_assert_str_eq(sample.log_format, "json");
    cr_assert_null(sample.config);
    cr_assert_not(sample.check);
    cr_assert_eq(sample.inbound.num_items, 0);
    setting_clear(&sample_table, &sample);
}

Test(setting, a_flag_beats_the_environment_which_beats_the_file)
{
    char variable[] = "SAMPLE_OUTBOUND_PORT=2";
    struct sample sample = {0};
    char arguments[64];
    char path[32];

    sample_file(path, "# a comment\n\n outbound_port : 1 \r\nname: f\ndrain_limit_ms: 5m");
    (void)snprintf(arguments, sizeof arguments, "--config %s --outbound-port=3", path);
    cr_assert_eq(sample_load(arguments, variable, &sample, NULL), STATUS_OK);
    cr_assert_eq(sample.outbound_port, 3);
    cr_assert_str_eq(sample.name, "f");
    cr_assert_eq(sample.drain_limit_ms, 300000);
    setting_clear(&sample_table, &sample);

    (void)snprintf(arguments, sizeof arguments, "--config=%s", path);
    cr_assert_eq(sample_load(arguments, variable, &sample, NULL), STATUS_OK);
    cr_assert_eq(sample.outbound_port, 2);
    setting_clear(&sample_table, &sample);

    cr_assert_eq(sample_load(arguments, NULL, &sample, NULL), STATUS_OK);
    cr_assert_eq(sample.outbound_port, 1);
    setting_clear(&sample_table, &sample);
    unlink(path);
}

Test(setting, the_environment_may_name_the_file)
{
    struct sample sample = {0};
    char variable[64];
    char path[32];

    sample_file(path, "name: f\n");
    (void)snprintf(variable, sizeof variable, "SAMPLE_CONFIG=%s", path);
    cr_assert_eq(sample_load("", variable, &sample, NULL), STATUS_OK);
    cr_assert_str_eq(sample.name, "f");
    setting_clear(&sample_table, &sample);
    unlink(path);
}

Test(setting, a_list_of_a_higher_source_replaces_the_whole)
{
    char variable[] = "SAMPLE_INBOUND=a=b,peer=x; c=d";
    struct sample sample = {0};

    cr_assert_eq(setting_read_text(&sample_table, "F", bytes_of("inbound: f1\ninbound: f2\n"),
                                   &sample, NULL),
                 STATUS_OK);
    cr_assert_eq(sample.inbound.num_items, 2);
    cr_assert_str_eq(sample.inbound.items[1], "f2");
    setting_clear(&sample_table, &sample);

    cr_assert_eq(sample_load("", variable, &sample, NULL), STATUS_OK);
    cr_assert_eq(sample.inbound.num_items, 2);
    cr_assert_str_eq(sample.inbound.items[0], "a=b,peer=x");
    cr_assert_str_eq(sample.inbound.items[1], "c=d");
    setting_clear(&sample_table, &sample);

    cr_assert_eq(sample_load("--inbound 1 --inbound=2 --inbound 3", variable, &sample, NULL),
                 STATUS_OK);
    cr_assert_eq(sample.inbound.num_items, 3);
    cr_assert_str_eq(sample.inbound.items[2], "3");
    setting_clear(&sample_table, &sample);
}

/* Kubernetes puts SAMPLE_SERVICE_HOST and the like into pods beside a service of that name. */
Test(setting, unknown_variables_are_left_alone)
{
    char variable[] = "SAMPLE_SERVICE_HOST=10.0.0.1";
    struct sample sample = {0};

    cr_assert_eq(sample_load("", variable, &sample, NULL), STATUS_OK);
    setting_clear(&sample_table, &sample);
}

struct setting_refusal {
    const char *arguments;
    char variable[48];
    const char *reason;
    const char *detail; /* a part of it */
};

static struct setting_refusal setting_refusals[] = {
    {"--outbond-port 1", "", "setting/unknown", "did you mean outbound_port?"},
    {"--zzzzzzzzz 1", "", "setting/unknown", "there is no setting \"zzzzzzzzz\""},
    {"-x", "", "setting/unknown", "-x"},
    {"--outbound-port", "", "setting/no-value", "--outbound-port needs a value"},
    {"--outbound-port 0", "", "setting/range", "outbound_port is \"0\": allowed is 1 to 65535"},
    {"--outbound-port 65536", "", "setting/range", "1 to 65535"},
    {"--outbound-port 1x", "", "setting/value", "1 to 65535"},
    {"--outbound-port=", "", "setting/value", "1 to 65535"},
    {"--skew -61", "", "setting/range", "-60 to 60"},
    {"--skew --1", "", "setting/value", "-60 to 60"},
    {"--drain-limit-ms 61m", "", "setting/range", "0ms to 3600000ms"},
    {"--drain-limit-ms 5d", "", "setting/value", "0ms to 3600000ms"},
    {"--drain-limit-ms 9999999999999999h", "", "setting/value", "0ms"},
    {"--log-format yaml", "", "setting/choice", "allowed is json or text"},
    {"--check=maybe", "", "setting/value", "true or false"},
    {"--name=", "", "setting/range", "1 to 8 bytes"},
    {"--name 123456789", "", "setting/range", "1 to 8 bytes"},
    {"--name a --name b", "", "setting/twice", "--name: name is given twice"},
    {"--inbound a --inbound b --inbound c --inbound d", "", "setting/range", "0 to 3 times"},
    {"--config /tmp/setting_test_none", "", "file/missing", "/tmp/setting_test_none"},
    {"", "SAMPLE_OUTBOUND_PORT=x", "setting/value", "SAMPLE_OUTBOUND_PORT: outbound_port is \"x\""},
};

Test(setting, refuses_and_names_place_value_and_range)
{
    for (size_t i = 0; i < sizeof setting_refusals / sizeof setting_refusals[0]; i++) {
        struct setting_refusal *given = &setting_refusals[i];
        struct sample sample = {0};
        struct sample empty = {0};
        struct failure why = {0};

        cr_assert_neq(sample_load(given->arguments,
                                  given->variable[0] == '\0' ? NULL : given->variable, &sample,
                                  &why),
                      STATUS_OK, "%s", given->arguments);
        cr_assert_str_eq(why.reason, given->reason, "%s: %s", given->arguments, why.detail);
        cr_assert_not_null(strstr(why.detail, given->detail), "%s", why.detail);
        cr_assert_eq(memcmp(&sample, &empty, sizeof sample), 0, "nothing is held after a refusal");
    }
}

static const struct {
    const char *text;
    const char *reason;
    const char *place;
} setting_file_refusals[] = {
    {"name: a\n\nname: b\n", "setting/twice", "F:3: "},
    {"name: a\nnam: b\n", "setting/unknown", "F:2: "},
    {"outbound_port 5\n", "setting/line", "F:1: "},
    {": 5\n", "setting/unknown", "F:1: "},
    {"# x\noutbound_port: 99999", "setting/range", "F:2: outbound_port is \"99999\""},
};

Test(setting, refuses_a_wrong_line_by_its_number)
{
    for (size_t i = 0; i < sizeof setting_file_refusals / sizeof setting_file_refusals[0]; i++) {
        struct sample sample = {0};
        struct failure why = {0};

        cr_assert_eq(setting_read_text(&sample_table, "F", bytes_of(setting_file_refusals[i].text),
                                       &sample, &why),
                     STATUS_CONFIG);
        cr_assert_str_eq(why.reason, setting_file_refusals[i].reason);
        cr_assert_eq(strncmp(why.detail, setting_file_refusals[i].place,
                             strlen(setting_file_refusals[i].place)),
                     0, "%s", why.detail);
        setting_clear(&sample_table, &sample);
    }
}

Test(setting, refuses_what_is_too_long_or_holds_a_nul)
{
    static char text[SETTING_FILE_MAX + 2];
    struct sample sample = {0};
    struct failure why = {0};

    memset(text, 'x', sizeof text);
    memcpy(text, "name: ", 6);
    cr_assert_eq(
        setting_read_text(&sample_table, "F", bytes_make(text, sizeof text), &sample, &why),
        STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "file/too-long");
    cr_assert_eq(setting_read_text(&sample_table, "F", bytes_make(text, SETTING_LINE_MAX + 1),
                                   &sample, &why),
                 STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "setting/line-too-long");
    cr_assert_eq(setting_read_text(&sample_table, "F", bytes_make("name: a\0b", 9), &sample, &why),
                 STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "setting/nul");
    setting_clear(&sample_table, &sample);
}

Test(setting, positional_arguments_are_left_to_the_caller)
{
    char words[][16] = {"sample", "one", "--check", "two", "--name", "n", "-", "--", "--three"};
    char *argv[9];
    struct sample sample = {0};
    struct setting_request request = {0};
    struct setting_input input = {.argc = 9, .argv = argv};

    for (int i = 0; i < 9; i++) {
        argv[i] = words[i];
    }
    cr_assert_eq(setting_load(&sample_table, &input, &sample, &request, NULL), STATUS_OK);
    cr_assert(sample.check);
    cr_assert_str_eq(sample.name, "n");
    cr_assert_eq(request.num_positional, 4);
    cr_assert_str_eq(request.positional[0], "one");
    cr_assert_str_eq(request.positional[1], "two");
    cr_assert_str_eq(request.positional[2], "-");
    cr_assert_str_eq(request.positional[3], "--three");
    setting_clear(&sample_table, &sample);
}

Test(setting, tells_where_each_value_came_from)
{
    char path[32];
    char file_flag[] = "--config";
    char program[] = "sample";
    char check[] = "--check";
    char name[] = "SAMPLE_NAME=by-env";
    char *argv[] = {program, file_flag, path, check};
    char *environment[] = {name, NULL};
    struct setting_input input = {.argc = 4, .argv = argv, .environment = environment};
    static const char *const expected[][2] = {
        {"config", "flag"},         {"check", "flag"},   {"name", "environment"},
        {"drain_limit_ms", "file"}, {"skew", "default"}, {"drain-limit-ms", "file"},
    };
    struct sample sample = {0};
    struct setting_request request = {0};

    sample_file(path, "drain_limit_ms: 5s\nname: by-file\n");
    cr_assert_eq(setting_load(&sample_table, &input, &sample, &request, NULL), STATUS_OK);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const char *origin = setting_origin(&sample_table, &request, bytes_of(expected[i][0]));

        cr_assert_not_null(origin, "%s", expected[i][0]);
        cr_assert_str_eq(origin, expected[i][1], "%s", expected[i][0]);
    }
    cr_assert_null(setting_origin(&sample_table, &request, bytes_of("nonsense")));
    setting_clear(&sample_table, &sample);
    (void)unlink(path);
}

Test(setting, help_and_version_are_asked_for_whatever_else_is_wrong)
{
    char words[][16] = {"sample", "--nonsense", "--help"};
    char *argv[] = {words[0], words[1], words[2]};
    struct sample sample = {0};
    struct setting_request request = {0};
    struct setting_input input = {.argc = 3, .argv = argv};

    cr_assert_eq(setting_load(&sample_table, &input, &sample, &request, NULL), STATUS_OK);
    cr_assert(request.help);
    cr_assert_not(request.version);
}

Test(setting, help_tells_flag_range_default_and_variable)
{
    CLEARED(buffer) out = {.max = 65536};
    char text[8192];

    cr_assert_eq(setting_print_help(&sample_table, &out), STATUS_OK);
    cr_assert_lt(out.len, sizeof text);
    memcpy(text, out.at, out.len);
    text[out.len] = '\0';
    cr_assert_not_null(strstr(text, "usage: sample [--setting VALUE]... [--check FILE...]\n"));
    cr_assert_not_null(strstr(text, "\nData path\n  --outbound-port NUMBER\n"));
    cr_assert_not_null(strstr(text, "(1 to 65535; default 15001; SAMPLE_OUTBOUND_PORT)"));
    cr_assert_not_null(strstr(text, "SAMPLE_DRAIN_LIMIT_MS; taken up again on HUP)"));
    cr_assert_not_null(strstr(text, "(json or text; default json; SAMPLE_LOG_FORMAT"));
}

Test(setting, a_reload_tells_which_fixed_setting_changed)
{
    struct sample before = {0};
    struct sample after = {0};

    cr_assert_eq(sample_load("--inbound a", NULL, &before, NULL), STATUS_OK);
    cr_assert_eq(sample_load("--inbound a --drain-limit-ms 1s", NULL, &after, NULL), STATUS_OK);
    cr_assert_null(setting_fixed_change(&sample_table, &before, &after));
    setting_clear(&sample_table, &after);
    cr_assert_eq(sample_load("--inbound b", NULL, &after, NULL), STATUS_OK);
    cr_assert_str_eq(setting_fixed_change(&sample_table, &before, &after), "inbound");
    setting_clear(&sample_table, &after);
    setting_clear(&sample_table, &before);
}

/* What is printed may be read again, and means the same. */
Test(setting, printed_values_are_a_settings_file)
{
    CLEARED(buffer) out = {.max = 65536};
    struct sample before = {0};
    struct sample after = {0};

    cr_assert_eq(sample_load("--inbound a --inbound b --check --drain-limit-ms 7s --skew -5", NULL,
                             &before, NULL),
                 STATUS_OK);
    cr_assert_eq(setting_print_values(&sample_table, &before, &out), STATUS_OK);
    cr_assert_eq(setting_read_text(&sample_table, "F", buffer_bytes(&out), &after, NULL),
                 STATUS_OK);
    cr_assert_null(setting_fixed_change(&sample_table, &before, &after));
    cr_assert_eq(after.drain_limit_ms, 7000);
    cr_assert_eq(after.skew, -5);
    setting_clear(&sample_table, &before);
    setting_clear(&sample_table, &after);
}

/* What is wrong is said where it was written. */
Test(setting, the_place_of_a_value_is_its_line_flag_or_variable)
{
    char path[32];
    char config[48];
    char *argv[] = {"sample", config, "--log-format", "text"};
    char *environment[] = {"SAMPLE_SKEW=7", NULL};
    struct setting_input input = {.argc = 4, .argv = argv, .environment = environment};
    struct setting_request request = {0};
    struct sample sample = {0};
    char place[SETTING_PLACE_MAX];
    char expected[SETTING_PLACE_MAX];

    sample_file(path, "# first\nname: a\ninbound: x\n\ninbound: y\n");
    (void)snprintf(config, sizeof config, "--config=%s", path);
    cr_assert_eq(setting_load(&sample_table, &input, &sample, &request, NULL), STATUS_OK);
    (void)snprintf(expected, sizeof expected, "%s:2: name", path);
    cr_assert_str_eq(setting_place(&sample_table, &request, &sample, "name", 0, place), expected);
    (void)snprintf(expected, sizeof expected, "%s:3: inbound", path);
    cr_assert_str_eq(setting_place(&sample_table, &request, &sample, "inbound", 0, place),
                     expected);
    (void)snprintf(expected, sizeof expected, "%s:5: inbound", path);
    cr_assert_str_eq(setting_place(&sample_table, &request, &sample, "inbound", 1, place),
                     expected);
    cr_assert_str_eq(setting_place(&sample_table, &request, &sample, "log_format", 0, place),
                     "--log-format");
    cr_assert_str_eq(setting_place(&sample_table, &request, &sample, "skew", 0, place),
                     "SAMPLE_SKEW");
    cr_assert_str_eq(setting_place(&sample_table, &request, &sample, "outbound_port", 0, place),
                     "outbound_port");
    setting_clear(&sample_table, &sample);
    (void)unlink(path);
}

/* A list of a higher source forgets the lines of a lower one's. */
Test(setting, the_place_of_a_list_is_that_of_the_source_that_won)
{
    char path[32];
    char config[48];
    char *argv[] = {"sample", config, "--inbound", "z"};
    struct setting_input input = {.argc = 4, .argv = argv};
    struct setting_request request = {0};
    struct sample sample = {0};
    char place[SETTING_PLACE_MAX];

    sample_file(path, "inbound: x\ninbound: y\n");
    (void)snprintf(config, sizeof config, "--config=%s", path);
    cr_assert_eq(setting_load(&sample_table, &input, &sample, &request, NULL), STATUS_OK);
    cr_assert_eq(sample.inbound.num_items, 1);
    cr_assert_str_eq(setting_place(&sample_table, &request, &sample, "inbound", 0, place),
                     "--inbound");
    setting_clear(&sample_table, &sample);
    (void)unlink(path);
}
