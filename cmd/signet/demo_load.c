/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/demo_load.h"

#include <signal.h>
#include <stdio.h>

#include "cmd/signet/demo_process.h"
#include "core/runtime/json/json.h"

#define DEMO_LOAD_KEPT_LOG DEMO_MESH_LOGS "/wrk-kept.log"
#define DEMO_LOAD_FRESH_LOG DEMO_MESH_LOGS "/wrk-fresh.log"
#define DEMO_LOAD_LOG_MAX ((size_t)1 << 20)

/* wrk's own words are for people; these are for us. `errors.status` counts statuses above 399. */
static const char demo_load_script[] =
    "function done(summary, latency, requests)\n"
    "    local e = summary.errors\n"
    "    io.write(string.format('\\n{\"requests\":%d,\"connect\":%d,\"read\":%d,\"write\":%d,'\n"
    "        .. '\"status\":%d,\"timeout\":%d}\\n',\n"
    "        summary.requests, e.connect, e.read, e.write, e.status, e.timeout))\n"
    "end\n";

/* Some hundred new connections a second are a good many handshakes, and leave ports to others. */
static const char demo_load_pace[] = "function delay()\n"
                                     "    return 5\n"
                                     "end\n";

static enum status demo_load_start_one(const struct demo_mesh *mesh, const char *const *arguments,
                                       const char *log, pid_t *out_child, struct failure *why)
{
    const struct demo_program program = {
        .path = "wrk",
        .arguments = arguments,
        .room = DEMO_ROOM_NAMED,
        .netns = mesh->net.places[DEMO_NET_WEB].netns,
        .user = DEMO_MESH_NOBODY,
        .log = log,
    };

    return demo_process_start(&program, out_child, why);
}

enum status demo_load_start(const struct demo_mesh *mesh, unsigned seconds,
                            struct demo_load *out_load, struct failure *why)
{
    char lasts[16], url[64], word[80],
        fresh_script[sizeof demo_load_script + sizeof demo_load_pace];

    (void)snprintf(lasts, sizeof lasts, "-d%us", seconds);
    (void)snprintf(url, sizeof url, "http://%s:%d/load", mesh->net.places[DEMO_NET_API].address,
                   DEMO_MESH_PORT);
    (void)snprintf(word, sizeof word, "X-Demo-Word: %s", mesh->word);
    (void)snprintf(fresh_script, sizeof fresh_script, "%s%s", demo_load_pace, demo_load_script);
    TRY(demo_state_write("kept.lua", demo_load_script, 0644, 0, why));
    TRY(demo_state_write("fresh.lua", fresh_script, 0644, 0, why));
    TRY(demo_load_start_one(mesh,
                            DEMO_ARGUMENTS("wrk", "-t1", "-c8", lasts, "--timeout", "10s", "-s",
                                           DEMO_STATE "/kept.lua", "-H", word, url),
                            DEMO_LOAD_KEPT_LOG, &out_load->kept, why));
    return demo_load_start_one(mesh,
                               DEMO_ARGUMENTS("wrk", "-t1", "-c4", lasts, "--timeout", "10s", "-s",
                                              DEMO_STATE "/fresh.lua", "-H", word, "-H",
                                              "Connection: close", url),
                               DEMO_LOAD_FRESH_LOG, &out_load->fresh, why);
}

bool demo_load_lives(struct demo_load *load)
{
    bool kept = demo_process_lives(&load->kept);

    return demo_process_lives(&load->fresh) || kept;
}

void demo_load_stop(struct demo_load *load)
{
    demo_process_end(&load->kept, SIGTERM, 500);
    demo_process_end(&load->fresh, SIGTERM, 500);
}

enum status demo_load_read(struct bytes said, struct demo_load_result *out_result,
                           struct failure *why)
{
    static const char *const names[] = {"connect", "read", "write", "status", "timeout"};
    OWNED(json_value) *top = NULL;
    struct bytes rest = bytes_trim(said);
    struct bytes last = rest;
    int64_t count = 0;
    uint64_t failed = 0;

    while (rest.len > 0) {
        last = bytes_split(&rest, '\n');
    }
    if (json_read(last, DEMO_LOAD_LOG_MAX, &top, NULL) != STATUS_OK ||
        json_get_number(top, "requests", 0, INT64_MAX, &count, NULL) != STATUS_OK) {
        return fail(why, STATUS_PROTOCOL, "demo/wrk", "wrk did not come to its end: %.*s",
                    (int)(last.len < 120 ? last.len : 120),
                    last.len == 0 ? "it said nothing" : (const char *)last.at);
    }
    out_result->requests = (uint64_t)count;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        TRY(json_get_number(top, names[i], 0, INT64_MAX, &count, why));
        failed += (uint64_t)count;
    }
    out_result->failed = failed;
    return STATUS_OK;
}

static enum status demo_load_read_file(const char *path, struct demo_load_result *out_result,
                                       struct failure *why)
{
    CLEARED(buffer) said = {.max = DEMO_LOAD_LOG_MAX};

    TRY(buffer_read_file(&said, path, why));
    return demo_load_read(buffer_bytes(&said), out_result, why);
}

enum status demo_load_results(struct demo_load_result *out_kept, struct demo_load_result *out_fresh,
                              struct failure *why)
{
    TRY(demo_load_read_file(DEMO_LOAD_KEPT_LOG, out_kept, why));
    return demo_load_read_file(DEMO_LOAD_FRESH_LOG, out_fresh, why);
}
