/* SPDX-License-Identifier: Apache-2.0 */
/* Under load: certificates rotate, the control plane dies and comes back, no request fails. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd/signet/demo_load.h"
#include "cmd/signet/demo_process.h"
#include "cmd/signet/demo_story.h"
#include "core/runtime/base/clock.h"

#define DEMO_ROTATION_WIRE DEMO_MESH_LOGS "/wire-load.pcap"
#define DEMO_ROTATION_LOOK_MS 200u  /* between two looks at the certificates */
#define DEMO_ROTATION_WIRE_MS 1000u /* of the load's beginning is watched on the link */
#define DEMO_ROTATION_TELL_MS 5000u /* between two words about the requests */
#define DEMO_ROTATION_OUTAGE_MS 3000u   /* how long the control plane is away, at least */
#define DEMO_ROTATION_LEFT_S 4          /* a certificate with less life than this ends the outage */
#define DEMO_ROTATION_RENEWED_MS 20000u /* longest wait for all to renew after that */
#define DEMO_ROTATION_END_MS 30000u     /* longest wait for wrk after its time */

enum demo_rotation_phase {
    DEMO_ROTATION_BEFORE, /* the control plane has not been killed yet */
    DEMO_ROTATION_OUTAGE,
    DEMO_ROTATION_AFTER,
};

struct demo_rotation {
    struct demo_story *story; /* borrowed */
    struct demo_load load;
    pid_t capture; /* 0: over */
    uint64_t began_ms, told_ms, killed_ms;
    enum demo_rotation_phase phase;
    uint64_t requests_at_kill;
    uint64_t failed_at_kill[DEMO_NET_PLACES]; /* attempts to renew, until then */
    uint64_t rotations[DEMO_NET_PLACES];
    char serials[DEMO_NET_PLACES][64]; /* in force at the last look; empty: none yet */
    int64_t not_after[DEMO_NET_PLACES]; /* of these, Unix s */
    bool renewed[DEMO_NET_PLACES];      /* since the control plane is back */
};

static void demo_rotation_look_at(struct demo_rotation *rotation, enum demo_net_place place)
{
    struct demo_story *story = rotation->story;
    struct demo_leaf leaf = {0};

    if (demo_mesh_leaf(&story->mesh, place, &leaf, NULL) != STATUS_OK ||
        strcmp(leaf.serial, rotation->serials[place]) == 0) {
        return;
    }
    if (rotation->serials[place][0] != '\0') {
        rotation->rotations[place]++;
        if (rotation->phase == DEMO_ROTATION_AFTER && !rotation->renewed[place]) {
            rotation->renewed[place] = true;
            story->report.renewed_after_restart++;
        }
        demo_story_say(story,
                       "  %-5s has certificate %.8s…, number %" PRIu64
                       " under this load, good for %" PRId64 " s",
                       story->mesh.net.places[place].name, leaf.serial, rotation->rotations[place],
                       leaf.not_after - clock_unix_s());
    }
    memcpy(rotation->serials[place], leaf.serial, sizeof leaf.serial);
    rotation->not_after[place] = leaf.not_after;
}

static void demo_rotation_look(struct demo_rotation *rotation)
{
    for (int place = DEMO_NET_WEB; place < DEMO_NET_PLACES; place++) {
        demo_rotation_look_at(rotation, place);
    }
    rotation->story->report.web_rotations = rotation->rotations[DEMO_NET_WEB];
    rotation->story->report.api_rotations = rotation->rotations[DEMO_NET_API];
}

/* Attempts to renew that failed so far, by sidecar. */
static enum status demo_rotation_count_failed(const struct demo_story *story,
                                              uint64_t out_failed[DEMO_NET_PLACES],
                                              struct failure *why)
{
    for (int place = DEMO_NET_WEB; place < DEMO_NET_PLACES; place++) {
        TRY(demo_mesh_count(&story->mesh, place, "signet_renewals_total", "outcome=\"failed\"",
                            &out_failed[place], why));
    }
    return STATUS_OK;
}

static enum status demo_rotation_kill(struct demo_rotation *rotation, struct failure *why)
{
    struct demo_story *story = rotation->story;
    struct demo_app_counts counts;

    TRY(demo_mesh_app_counts(&counts, why));
    TRY(demo_rotation_count_failed(story, rotation->failed_at_kill, why));
    rotation->requests_at_kill = counts.requests;
    rotation->killed_ms = clock_mono_ms();
    rotation->phase = DEMO_ROTATION_OUTAGE;
    demo_story_say(story, "kill -9 of signet-control (process %d). Nobody can renew now",
                   (int)story->mesh.control);
    demo_process_end(&story->mesh.control, SIGKILL, 0);
    return STATUS_OK;
}

/*
 * The outage lasts past a renewal: until each sidecar has tried in vain, or a certificate nears its end.
 * Renewals fall due by half of a life, so whichever comes first, somebody has tried.
 */
static enum status demo_rotation_is_past_renewal(struct demo_rotation *rotation, bool *out_past,
                                                 struct failure *why)
{
    struct demo_report *report = &rotation->story->report;
    uint64_t failed[DEMO_NET_PLACES] = {0};
    int64_t now_s = clock_unix_s();
    bool ending = false;

    TRY(demo_rotation_count_failed(rotation->story, failed, why));
    report->outage_failed_renewals = 0;
    report->outage_sidecars_tried = 0;
    for (int place = DEMO_NET_WEB; place < DEMO_NET_PLACES; place++) {
        uint64_t since = failed[place] - rotation->failed_at_kill[place];

        report->outage_failed_renewals += since;
        report->outage_sidecars_tried += since > 0;
        ending = ending || rotation->not_after[place] - now_s < DEMO_ROTATION_LEFT_S;
    }
    *out_past = ending || report->outage_sidecars_tried == DEMO_NET_PLACES - DEMO_NET_WEB;
    return STATUS_OK;
}

static enum status demo_rotation_restart(struct demo_rotation *rotation, struct failure *why)
{
    struct demo_story *story = rotation->story;
    struct demo_report *report = &story->report;
    struct demo_app_counts counts;

    TRY(demo_mesh_app_counts(&counts, why));
    report->outage_requests = counts.requests - rotation->requests_at_kill;
    report->outage_ms = clock_mono_ms() - rotation->killed_ms;
    TRY(demo_mesh_start_control(&story->mesh, why));
    report->control_plane_restarts++;
    rotation->phase = DEMO_ROTATION_AFTER;
    demo_story_say(story,
                   "signet-control is back (process %d) after %.1f s, with the same data; "
                   "meanwhile %" PRIu64 " requests were answered, and %" PRIu64
                   " attempts to renew failed (%" PRIu64 " of 3 sidecars had to wait)",
                   (int)story->mesh.control, (double)report->outage_ms / 1000,
                   report->outage_requests, report->outage_failed_renewals,
                   report->outage_sidecars_tried);
    return STATUS_OK;
}

static enum status demo_rotation_tell(struct demo_rotation *rotation, struct failure *why)
{
    struct demo_app_counts counts;

    TRY(demo_mesh_app_counts(&counts, why));
    rotation->told_ms = clock_mono_ms();
    demo_story_say(rotation->story, "  the application has answered %" PRIu64 " requests",
                   counts.requests);
    return STATUS_OK;
}

/* Everyone has renewed once under load: their certificates are young, and outlast what comes now. */
static bool demo_rotation_all_turned(const struct demo_rotation *rotation)
{
    for (int place = DEMO_NET_WEB; place < DEMO_NET_PLACES; place++) {
        if (rotation->rotations[place] == 0) {
            return false;
        }
    }
    return true;
}

/* What is due at this moment of the load. */
static enum status demo_rotation_step(struct demo_rotation *rotation, struct failure *why)
{
    uint64_t now = clock_mono_ms();
    if (rotation->capture != 0 && now - rotation->began_ms > DEMO_ROTATION_WIRE_MS) {
        demo_wire_stop(&rotation->capture);
    }
    if (rotation->phase == DEMO_ROTATION_BEFORE && demo_rotation_all_turned(rotation)) {
        TRY(demo_rotation_kill(rotation, why));
    }
    if (rotation->phase == DEMO_ROTATION_OUTAGE &&
        now - rotation->killed_ms > DEMO_ROTATION_OUTAGE_MS) {
        bool past = false;

        TRY(demo_rotation_is_past_renewal(rotation, &past, why));
        if (past) {
            TRY(demo_rotation_restart(rotation, why));
        }
    }
    if (now - rotation->told_ms > DEMO_ROTATION_TELL_MS) {
        TRY(demo_rotation_tell(rotation, why));
    }
    demo_rotation_look(rotation);
    if (!demo_process_wait(DEMO_ROTATION_LOOK_MS)) {
        return fail(why, STATUS_CLOSED, "demo/interrupted", "interrupted");
    }
    return STATUS_OK;
}

static bool demo_rotation_goes_on(struct demo_rotation *rotation)
{
    uint64_t now = clock_mono_ms();
    uint64_t load_ms = (uint64_t)rotation->story->load_s * 1000;

    if (demo_load_lives(&rotation->load)) {
        return now - rotation->began_ms < load_ms + DEMO_ROTATION_END_MS;
    }
    return rotation->phase != DEMO_ROTATION_AFTER ||
           (rotation->story->report.renewed_after_restart < DEMO_NET_PLACES - 1 &&
            now - rotation->began_ms < load_ms + DEMO_ROTATION_RENEWED_MS);
}

static enum status demo_rotation_sum_up(struct demo_rotation *rotation, struct failure *why)
{
    struct demo_report *report = &rotation->story->report;
    struct demo_load_result kept = {0}, fresh = {0};
    CLEARED(buffer) capture = {.max = 2 * DEMO_WIRE_FILE_MAX};

    TRY(demo_load_results(&kept, &fresh, why));
    report->load_s = rotation->story->load_s;
    report->keep_alive_requests = kept.requests;
    report->new_connection_requests = fresh.requests;
    report->requests = kept.requests + fresh.requests;
    report->failed_requests = kept.failed + fresh.failed;
    demo_story_say(rotation->story,
                   "the load is over: %" PRIu64 " requests (%" PRIu64 " of them each on a "
                   "connection of its own), %" PRIu64 " failed; %" PRIu64 " new certificates",
                   report->requests, fresh.requests, report->failed_requests,
                   demo_report_rotations(report));
    TRY(buffer_read_file(&capture, DEMO_ROTATION_WIRE, why));
    return demo_wire_judge(buffer_bytes(&capture), DEMO_MESH_PORT,
                           bytes_of(rotation->story->mesh.word), &report->wire_load, why);
}

static enum status demo_rotation_run(struct demo_rotation *rotation, struct failure *why)
{
    struct demo_story *story = rotation->story;

    TRY(demo_wire_start(story->mesh.net.places[DEMO_NET_API].netns, "eth0", DEMO_ROTATION_WIRE,
                        &rotation->capture, why));
    demo_rotation_look(rotation);
    rotation->began_ms = clock_mono_ms();
    rotation->told_ms = rotation->began_ms;
    TRY(demo_load_start(&story->mesh, story->load_s, &rotation->load, why));
    demo_story_say(story,
                   "two wrk in %s for %u s: 8 connections kept alive, 4 that open a new one "
                   "for each request",
                   story->mesh.net.places[DEMO_NET_WEB].netns, story->load_s);
    while (demo_rotation_goes_on(rotation)) {
        TRY(demo_rotation_step(rotation, why));
    }
    return demo_rotation_sum_up(rotation, why);
}

enum status demo_story_load(struct demo_story *story, struct failure *why)
{
    struct demo_rotation rotation = {.story = story};
    enum status status = demo_rotation_run(&rotation, why);

    demo_wire_stop(&rotation.capture);
    demo_load_stop(&rotation.load);
    story->report.processes_died += demo_mesh_dead(&story->mesh) != NULL;
    return status;
}
