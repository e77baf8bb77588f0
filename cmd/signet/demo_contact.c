/* SPDX-License-Identifier: Apache-2.0 */
/* First contact: web is let in, rogue is not, and the link between them is watched. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/signet/demo_process.h"
#include "cmd/signet/demo_story.h"
#include "core/redirect/process.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/json/json.h"

#define DEMO_CONTACT_WIRE DEMO_MESH_LOGS "/wire.pcap"
#define DEMO_CONTACT_APP DEMO_MESH_LOGS "/api-loopback.pcap"
#define DEMO_CONTACT_LOG_MS 3000u /* how long a log line may take to appear */
#define DEMO_CONTACT_LINE_MAX 65536

/* curl as an application would call: the same for web and rogue. */
static enum status demo_contact_curl(const struct demo_story *story, enum demo_net_place place,
                                     struct buffer *said, struct failure *why)
{
    char url[64], word[80];
    const struct demo_program program = {
        .path = "curl",
        .arguments = DEMO_ARGUMENTS("curl", "-sS", "--noproxy", "*", "--max-time", "10", "-w",
                                    "\n%{http_code}", "-H", word, url),
        .room = DEMO_ROOM_NAMED,
        .netns = story->mesh.net.places[place].netns,
        .user = DEMO_MESH_NOBODY,
        .apart = true,
    };

    (void)snprintf(url, sizeof url, "http://%s:%d/", story->mesh.net.places[DEMO_NET_API].address,
                   DEMO_MESH_PORT);
    (void)snprintf(word, sizeof word, "X-Demo-Word: %s", story->mesh.word);
    return demo_process_run(&program, 15000, said, why);
}

/* Connections that the application took between two looks; the second look is one itself. */
static uint64_t demo_contact_taken(const struct demo_app_counts *before,
                                   const struct demo_app_counts *after)
{
    uint64_t taken = after->accepts - before->accepts;

    return taken > 0 ? taken - 1 : 0;
}

static enum status demo_contact_web(struct demo_story *story, struct failure *why)
{
    struct demo_report *report = &story->report;
    struct demo_app_counts before, after;
    CLEARED(buffer) said = {0};
    struct failure inner = {0};
    uint64_t began_ms = clock_mono_ms();
    uint64_t status = 0;
    struct bytes rest, last;
    enum status ran;

    TRY(demo_mesh_app_counts(&before, why));
    ran = demo_contact_curl(story, DEMO_NET_WEB, &said, &inner);
    if (ran == STATUS_CLOSED) {
        return fail(why, ran, inner.reason, "%s", inner.detail);
    }
    rest = bytes_trim(buffer_bytes(&said));
    for (last = rest; rest.len > 0;) {
        last = bytes_split(&rest, '\n');
    }
    (void)bytes_to_number(last, 999, &status);
    report->first_status = (unsigned)status;
    TRY(demo_mesh_app_counts(&after, why));
    report->web_app_accepts = demo_contact_taken(&before, &after);
    demo_story_say(story,
                   "web → api: HTTP %u after %" PRIu64 " ms. The application took %" PRIu64
                   " connection%s%s%s",
                   report->first_status, clock_mono_ms() - began_ms, report->web_app_accepts,
                   report->web_app_accepts == 1 ? "" : "s", ran == STATUS_OK ? "" : "; ",
                   ran == STATUS_OK ? "" : inner.detail);
    return STATUS_OK;
}

/*
 * demo_contact_find_reason looks for the newest line of a place's log that holds all of `marks`, and
 * copies its "reason". False when there is none.
 */
static bool demo_contact_find_reason(const char *place, const char *const marks[2], char out[64])
{
    CLEARED(buffer) log = {.max = (size_t)64 << 20};
    char path[128];
    struct bytes rest;
    bool found = false;

    (void)snprintf(path, sizeof path, DEMO_MESH_LOGS "/%s.log", place);
    if (buffer_read_file(&log, path, NULL) != STATUS_OK) {
        return false;
    }
    rest = buffer_bytes(&log);
    while (rest.len > 0) {
        struct bytes line = bytes_split(&rest, '\n');
        OWNED(json_value) *top = NULL;
        struct bytes reason = {0};

        if (memmem(line.at, line.len, marks[0], strlen(marks[0])) == NULL ||
            memmem(line.at, line.len, marks[1], strlen(marks[1])) == NULL ||
            json_read(line, DEMO_CONTACT_LINE_MAX, &top, NULL) != STATUS_OK ||
            json_get_text(top, "reason", 63, &reason, NULL) != STATUS_OK) {
            continue;
        }
        (void)snprintf(out, 64, "%.*s", (int)reason.len, (const char *)reason.at);
        found = true;
    }
    return found;
}

static void demo_contact_read_reasons(struct demo_story *story)
{
    struct demo_report *report = &story->report;
    uint64_t until = clock_mono_ms() + DEMO_CONTACT_LOG_MS;
    static const char *const refused[2] = {"\"event\":\"refused\"", "/sa/rogue\""};
    static const char *const told[2] = {"\"event\":\"close\"", "/sa/api\""};

    do {
        if (demo_contact_find_reason("api", refused, report->api_reason) &&
            demo_contact_find_reason("rogue", told, report->rogue_reason)) {
            return;
        }
    } while (demo_process_wait(50) && clock_mono_ms() < until);
}

static enum status demo_contact_rogue(struct demo_story *story, struct failure *why)
{
    struct demo_report *report = &story->report;
    static const char metric[] = "signet_denied_connections_total";
    static const char inbound[] = "direction=\"inbound\"";
    struct demo_app_counts before, after;
    uint64_t denied_before = 0, denied_after = 0;
    CLEARED(buffer) said = {0};
    struct failure inner = {0};
    enum status ran;

    TRY(demo_mesh_count(&story->mesh, DEMO_NET_API, metric, inbound, &denied_before, why));
    TRY(demo_mesh_app_counts(&before, why));
    ran = demo_contact_curl(story, DEMO_NET_ROGUE, &said, &inner);
    if (ran == STATUS_CLOSED) {
        return fail(why, ran, inner.reason, "%s", inner.detail);
    }
    report->rogue_failed = ran == STATUS_DENIED;
    (void)snprintf(report->rogue_words, sizeof report->rogue_words, "%.159s", inner.detail);
    demo_contact_read_reasons(story);
    TRY(demo_mesh_app_counts(&after, why));
    TRY(demo_mesh_count(&story->mesh, DEMO_NET_API, metric, inbound, &denied_after, why));
    report->denied_connections = denied_after - denied_before;
    report->denied_app_accepts = demo_contact_taken(&before, &after);
    demo_story_say(story, "rogue → api: %s",
                   report->rogue_failed ? report->rogue_words : "was answered!");
    demo_story_say(story,
                   "  api's sidecar denied %" PRIu64 " (%s), rogue's was told so (%s); the "
                   "application took %" PRIu64 " connections",
                   report->denied_connections, report->api_reason, report->rogue_reason,
                   report->denied_app_accepts);
    return STATUS_OK;
}

static uint64_t demo_contact_lines(struct bytes text, const char *mark)
{
    uint64_t count = 0;

    while (text.len > 0) {
        struct bytes line = bytes_trim(bytes_split(&text, '\n'));

        count += line.len > 0 && memmem(line.at, line.len, mark, strlen(mark)) != NULL;
    }
    return count;
}

/* A second judge who does not know our code. What it cannot say is left out. */
static enum status demo_contact_ask_tshark(struct demo_story *story, struct failure *why)
{
    struct demo_report *report = &story->report;
    char decode[32], contains[96];
    struct demo_program program = {.path = "tshark", .user = DEMO_MESH_NOBODY, .apart = true};
    CLEARED(buffer) version = {0};
    CLEARED(buffer) hellos = {0};
    CLEARED(buffer) readable = {0};

    (void)snprintf(decode, sizeof decode, "tcp.port==%d,tls", DEMO_MESH_PORT);
    (void)snprintf(contains, sizeof contains, "frame contains \"%s\"", story->mesh.word);
    program.arguments = DEMO_ARGUMENTS("tshark", "--version");
    TRY(demo_process_run(&program, 30000, &version, why));
    program.arguments = DEMO_ARGUMENTS("tshark", "-r", DEMO_CONTACT_WIRE, "-d", decode, "-Y",
                                       "tls.handshake.type==2", "-T", "fields", "-e",
                                       "tls.handshake.extensions.supported_version");
    TRY(demo_process_run(&program, 60000, &hellos, why));
    program.arguments = DEMO_ARGUMENTS("tshark", "-r", DEMO_CONTACT_WIRE, "-Y", contains, "-T",
                                       "fields", "-e", "frame.number");
    TRY(demo_process_run(&program, 60000, &readable, why));
    report->tshark_hellos = demo_contact_lines(buffer_bytes(&hellos), "");
    report->tshark_hellos_13 = demo_contact_lines(buffer_bytes(&hellos), "0x0304");
    report->tshark_readable = demo_contact_lines(buffer_bytes(&readable), "");
    (void)sscanf((const char *)version.at, "TShark (Wireshark) %63[0-9.]", report->tshark);
    return STATUS_OK;
}

static enum status demo_contact_judge(const char *path, const char *word,
                                      struct demo_wire_verdict *out_verdict, struct failure *why)
{
    CLEARED(buffer) capture = {.max = 2 * DEMO_WIRE_FILE_MAX};

    TRY(buffer_read_file(&capture, path, why));
    return demo_wire_judge(buffer_bytes(&capture), DEMO_MESH_PORT, bytes_of(word), out_verdict,
                           why);
}

static enum status demo_contact_tell(struct demo_story *story, struct failure *why)
{
    struct demo_report *report = &story->report;
    const struct demo_wire_verdict *wire = &report->wire;
    char path[PROCESS_PATH_MAX];

    TRY(demo_contact_judge(DEMO_CONTACT_WIRE, story->mesh.word, &report->wire, why));
    TRY(demo_contact_judge(DEMO_CONTACT_APP, story->mesh.word, &report->app_side, why));
    demo_story_say(story,
                   "the wire at api: %" PRIu64 " packets, %" PRIu64 " bytes, of them %" PRIu64
                   " in TLS records; %" PRIu64 " of %" PRIu64 " handshakes are TLS 1.3",
                   wire->packets, wire->tcp_bytes, wire->record_bytes, wire->tls13_hellos,
                   wire->server_hellos);
    demo_story_say(story,
                   "  readable bytes: %" PRIu64 ". The same search at the application's loopback "
                   "finds %" PRIu64,
                   wire->outside_bytes + wire->word_bytes, report->app_side.word_bytes);
    if (!process_find("tshark", path)) {
        return STATUS_OK;
    }
    TRY(demo_contact_ask_tshark(story, why));
    demo_story_say(story,
                   "  tshark %s agrees: TLS 1.3 in %" PRIu64 " of %" PRIu64
                   " ServerHellos, the word in %" PRIu64 " packets",
                   report->tshark, report->tshark_hellos_13, report->tshark_hellos,
                   report->tshark_readable);
    return STATUS_OK;
}

enum status demo_story_contact(struct demo_story *story, struct failure *why)
{
    const char *api = story->mesh.net.places[DEMO_NET_API].netns;
    pid_t wire = 0, loopback = 0;
    enum status status;

    TRY(demo_wire_start(api, "eth0", DEMO_CONTACT_WIRE, &wire, why));
    status = demo_wire_start(api, "lo", DEMO_CONTACT_APP, &loopback, why);
    if (status == STATUS_OK) {
        status = demo_contact_web(story, why);
    }
    if (status == STATUS_OK) {
        status = demo_contact_rogue(story, why);
    }
    demo_wire_stop(&wire);
    demo_wire_stop(&loopback);
    TRY(status);
    return demo_contact_tell(story, why);
}
