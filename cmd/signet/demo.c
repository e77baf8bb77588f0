/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `signet demo`: a whole mesh on this machine, to look at. It sets it up, shows what it promises, with
 * what was measured, and takes it away again.
 *
 * The steps: demo_needs.h, demo_state.h, demo_story.h (over demo_net.h, demo_mesh.h, demo_wire.h,
 * demo_load.h), demo_report.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cmd/signet/commands.h"
#include "cmd/signet/demo_needs.h"
#include "cmd/signet/demo_process.h"
#include "cmd/signet/demo_story.h"
#include "cmd/signet/manual.h"
#include "cmd/signet/table.h"
#include "cmd/signet/words.h"
#include "core/runtime/base/clock.h"

#define DEMO_LOAD_S 25
#define DEMO_LOAD_LEAST_S 15 /* the control plane dies and comes back within it, and all renew */
#define DEMO_LOAD_MOST_S 3600
#define DEMO_INTERRUPTED 128 /* and the signal's number: as a shell says it */

struct demo_wishes {
    bool once;
    bool as_json;
    const char *seconds;
    const char *keep_logs;
};

static bool demo_read_seconds(const char *text, unsigned *out_seconds)
{
    uint64_t seconds = DEMO_LOAD_S;
    struct failure why = {0};

    if (text != NULL && words_read_span_s(text, &seconds, &why) != STATUS_OK) {
        (void)fprintf(stderr, "signet demo: --seconds: %s\n", why.detail);
        return false;
    }
    if (seconds < DEMO_LOAD_LEAST_S || seconds > DEMO_LOAD_MOST_S) {
        (void)fprintf(stderr, "signet demo: --seconds must be %d to %d\n", DEMO_LOAD_LEAST_S,
                      DEMO_LOAD_MOST_S);
        return false;
    }
    *out_seconds = (unsigned)seconds;
    return true;
}

/* Says what is missing; true when nothing is. */
static bool demo_can_run(struct demo_programs *programs)
{
    struct failure why = {0};
    FILE *out;
    char *text = NULL;
    size_t len = 0;
    unsigned num_missing;

    if (demo_mesh_find(programs, &why) != STATUS_OK) {
        (void)fprintf(stderr, "signet demo: %s\n", why.detail);
        return false;
    }
    out = open_memstream(&text, &len);
    if (out == NULL) {
        return false;
    }
    num_missing = demo_needs_check(programs, out);
    (void)fclose(out);
    if (num_missing > 0) {
        (void)fprintf(stderr,
                      "signet demo: this machine lacks what it needs. Nothing was changed.\n%s",
                      text);
    }
    free(text);
    return num_missing == 0;
}

static void demo_keep_logs(const struct demo_wishes *wishes)
{
    struct failure why = {0};

    if (wishes->keep_logs == NULL) {
        return;
    }
    if (demo_process_tool(DEMO_ARGUMENTS("mkdir", "-p", "--", wishes->keep_logs), &why) !=
            STATUS_OK ||
        demo_process_tool(DEMO_ARGUMENTS("cp", "-R", "--", DEMO_MESH_LOGS "/.", wishes->keep_logs),
                          &why) != STATUS_OK) {
        (void)fprintf(stderr, "signet demo: the logs could not be kept: %s\n", why.detail);
        return;
    }
    (void)printf("logs and captures are in %s\n", wishes->keep_logs);
}

/* A firewall that judges what a bridge carries is the likeliest reason on a machine with containers. */
static void demo_hint(void)
{
    CLEARED(buffer) judged = {.max = 16};

    if (buffer_read_file(&judged, "/proc/sys/net/bridge/bridge-nf-call-iptables", NULL) ==
            STATUS_OK &&
        judged.len > 0 && judged.at[0] == '1') {
        (void)fprintf(
            stderr, "  This machine's firewall judges what bridges carry\n"
                    "  (net.bridge.bridge-nf-call-iptables is 1), as container engines set it. If\n"
                    "  nothing passes: iptables -I FORWARD -i sgd-br0 -o sgd-br0 -j ACCEPT\n");
    }
}

static enum status demo_tell(struct demo_story *story, const struct demo_wishes *wishes,
                             struct failure *why)
{
    TRY(demo_story_set_up(story, why));
    TRY(demo_story_contact(story, why));
    TRY(demo_story_load(story, why));
    story->report.duration_ms = clock_mono_ms() - story->began_ms;
    (void)printf("\n");
    demo_report_print(&story->report, stdout, table_colour_wanted(stdout));
    if (!wishes->once) {
        demo_story_where(story);
        demo_story_stay(story);
    }
    return STATUS_OK;
}

/* The last words: the JSON object alone stands on the last line. */
static void demo_conclude(const struct demo_story *story, bool as_json)
{
    CLEARED(buffer) json = {.max = 65536};

    if (as_json && demo_report_json(&story->report, &json, NULL) == STATUS_OK) {
        (void)printf("%.*s\n", (int)json.len, (const char *)json.at);
    }
}

static int demo_run(struct demo_story *story, const struct demo_wishes *wishes)
{
    struct demo_state state;
    struct failure why = {0};
    size_t num_swept = 0, num_left;
    int asked;
    enum status status = demo_state_open(&state, &num_swept, &why);

    if (status != STATUS_OK) {
        (void)fprintf(stderr, "signet demo: %s\n", why.detail);
        return VERDICT_NO;
    }
    if (num_swept > 0) {
        demo_story_say(story, "took away %zu objects of an earlier run that was killed", num_swept);
    }
    status = demo_tell(story, wishes, &why);
    asked = demo_process_asked();
    demo_process_deafen();
    if (status != STATUS_OK && status != STATUS_CLOSED) {
        (void)fprintf(stderr, "signet demo: %s\n", why.detail);
        demo_hint();
    }
    demo_story_say(story, "%s, taking everything away",
                   status == STATUS_CLOSED ? "interrupted" : "ending");
    demo_mesh_stop(&story->mesh);
    demo_keep_logs(wishes);
    num_left = demo_state_close(&state);
    demo_story_say(story, num_left == 0 ? "nothing of it is left" : "not all of it would go");
    demo_conclude(story, wishes->as_json);
    if (status == STATUS_CLOSED) {
        return DEMO_INTERRUPTED + asked;
    }
    return status == STATUS_OK && num_left == 0 && demo_report_holds(&story->report) ? VERDICT_OK
                                                                                     : VERDICT_NO;
}

int demo_command(int count, char **arguments)
{
    struct demo_wishes wishes = {0};
    const struct manual_flag flags[] = {
        {"once", NULL, "end when everything was shown; the exit code says whether it held", NULL,
         &wishes.once},
        {"json", NULL, "the last line is one JSON object with all that was measured", NULL,
         &wishes.as_json},
        {"seconds", "N", "how long the load runs, 15 to 3600 (unless given: 25)", &wishes.seconds,
         NULL},
        {"keep-logs", "FOLDER", "copy logs and captures there at the end", &wishes.keep_logs, NULL},
    };
    const struct manual manual = {
        .synopsis = "signet demo [--once] [--json] [--seconds N] [--keep-logs FOLDER]",
        .purpose =
            "Runs a mesh on this machine: a control plane, and the workloads web, api and\n"
            "rogue, each in its own network namespace with its own sidecar. Shows that web\n"
            "reaches api in TLS 1.3, that nothing can be read on the wire, that rogue is\n"
            "refused, and that certificates rotate under load and the control plane can die\n"
            "without a request failing. Then it stays up until Ctrl-C, and takes everything\n"
            "away. Needs root. It touches only what it made: objects named sgd-*, and\n" DEMO_STATE
            ". Exit code 1: a claim did not hold. 3: this machine lacks\n"
            "something, which is named with its remedy.",
        .flags = flags,
        .num_flags = sizeof flags / sizeof flags[0],
        .examples = "  signet demo                     look at it, Ctrl-C ends it\n"
                    "  signet demo --once --json | tail -1 | jq .\n"
                    "  signet demo --once --seconds 120 --keep-logs /tmp/demo-logs",
    };
    struct manual_words words;
    static struct demo_story story; /* large, and there is one */
    int verdict;

    if (!manual_open(&manual, count, arguments, &words, &verdict)) {
        return verdict;
    }
    if (!demo_read_seconds(wishes.seconds, &story.load_s)) {
        return VERDICT_USAGE;
    }
    (void)umask(022);
    demo_process_watch();
    if (!demo_can_run(&story.mesh.programs)) {
        return VERDICT_UNREACHABLE;
    }
    story.began_ms = clock_mono_ms();
    return demo_run(&story, &wishes);
}
