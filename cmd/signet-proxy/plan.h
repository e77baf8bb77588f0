/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the settings mean together: the identity's source, the listeners, the addresses. Judged before
 * anything is opened, so that --check and a start say the same.
 */
#ifndef SIGNET_CMD_SIGNET_PROXY_PLAN_H
#define SIGNET_CMD_SIGNET_PROXY_PLAN_H

#include "cmd/signet-proxy/settings.h"
#include "core/runtime/config/setting.h"
#include "core/sidecar/proxy/drain.h"

/* The settings in force and how they were found. All borrowed. */
struct sidecar_config {
    const struct proxy_settings *settings;
    const struct setting_table *table;
    const struct setting_request *request;
};

struct sidecar_plan {
    bool from_files;          /* identity from chain, key and bundle files; else from the agent */
    struct forward *forwards; /* owned; the explicit listeners */
    size_t num_forwards;
    struct posture posture;
    char *admin_address; /* owned; NULL: off */
    struct lane_options lane; /* its borrowed texts are the settings' */
    struct address inbound;
    struct address outbound;
    bool transparent;
    enum drain_until drain_until;
    unsigned num_workers;
    size_t memory_budget; /* bytes */
};

/*
 * sidecar_plan_make judges the settings, which outlive the plan. Give it back with sidecar_plan_clear().
 * STATUS_CONFIG "settings/…", "address/…", "posture/group", "spiffe-id/…"; what is wrong in the form of
 * one setting begins with its place (setting_place()).
 */
enum status sidecar_plan_make(const struct sidecar_config *config, struct sidecar_plan *out_plan,
                              struct failure *why) MUST_USE;

/* sidecar_plan_clear frees what it holds. A zeroed plan may be cleared. */
void sidecar_plan_clear(struct sidecar_plan *plan);

#endif
