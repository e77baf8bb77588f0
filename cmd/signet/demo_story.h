/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the demo shows, step by step, in words, with what each step measured. The steps go in this
 * order; each fills its part of the report. A claim that does not hold is no failure of a step: the
 * report says it at the end.
 */
#ifndef SIGNET_CMD_SIGNET_DEMO_STORY_H
#define SIGNET_CMD_SIGNET_DEMO_STORY_H

#include "cmd/signet/demo_mesh.h"
#include "cmd/signet/demo_report.h"

struct demo_story {
    struct demo_mesh mesh;
    struct demo_report report;
    uint64_t began_ms; /* monotonic */
    unsigned load_s;   /* how long wrk shall run */
};

/* demo_story_say prints a line with the time since the start before it. */
void demo_story_say(const struct demo_story *story, const char *format, ...) PRINTF_LIKE(2, 3);

/* demo_story_set_up makes the network and starts the mesh. Errors: of demo_net.h and demo_mesh.h. */
enum status demo_story_set_up(struct demo_story *story, struct failure *why) MUST_USE;

/*
 * demo_story_contact lets web call api, and rogue too, while their link and the application's loopback
 * are watched. Errors: of demo_wire.h, demo_mesh.h.
 */
enum status demo_story_contact(struct demo_story *story, struct failure *why) MUST_USE;

/*
 * demo_story_load runs wrk while certificates rotate, and kills the control plane in the midst of it.
 * Errors: of demo_load.h, demo_mesh.h.
 */
enum status demo_story_load(struct demo_story *story, struct failure *why) MUST_USE;

/* demo_story_where says where to look while the mesh stays up. */
void demo_story_where(const struct demo_story *story);

/* demo_story_stay keeps the mesh up until a signal asks us to leave, with a table now and then. */
void demo_story_stay(struct demo_story *story);

#endif
