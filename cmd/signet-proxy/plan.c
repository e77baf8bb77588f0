/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet-proxy/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/loop/memory_ledger.h"
#include "core/trust/identity/spiffe_id.h"
#include "core/trust/tls/tls_stream.h"

/* One explicit listener, where it was given. */
struct sidecar_plan_item {
    const char *text;
    char place[SETTING_PLACE_MAX];
    bool inbound;
};

/* Says where the mistake `cause` stands: "proxy.conf:3: inbound: peer=: …". */
static enum status sidecar_plan_blame(const char *place, const char *part,
                                      const struct failure *cause, struct failure *why)
{
    return fail(why, STATUS_CONFIG, cause->reason, "%s: %s%s", place, part, cause->detail);
}

static enum status sidecar_plan_address(const char *place, const char *part, struct bytes text,
                                        struct address *out_address, struct failure *why)
{
    struct failure cause = {0};

    return address_parse(text, out_address, &cause) == STATUS_OK
               ? STATUS_OK
               : sidecar_plan_blame(place, part, &cause, why);
}

/* "LISTEN=FORWARD[,peer=SPIFFE_ID]" */
static enum status sidecar_plan_forward(const struct sidecar_plan_item *item, struct forward *out,
                                        struct failure *why)
{
    static const char peer_word[] = ",peer=";
    struct bytes rest = bytes_of(item->text);
    struct bytes listen = bytes_split(&rest, '=');
    const char *peer = rest.at == NULL ? NULL : strstr((const char *)rest.at, peer_word);
    struct spiffe_id id;
    struct failure cause = {0};

    if (rest.at == NULL) {
        return fail(why, STATUS_CONFIG, "settings/listener", "%s: \"%s\": write LISTEN=FORWARD%s",
                    item->place, item->text,
                    item->inbound ? "[,peer=SPIFFE_ID]" : ",peer=SPIFFE_ID");
    }
    if (peer != NULL) {
        if (spiffe_id_parse(bytes_of(peer + sizeof peer_word - 1), &id, &cause) != STATUS_OK) {
            return sidecar_plan_blame(item->place, "peer=: ", &cause, why);
        }
        rest.len = (size_t)((const uint8_t *)peer - rest.at);
    } else if (!item->inbound) {
        return fail(why, STATUS_CONFIG, "settings/listener",
                    "%s: \"%s\": who must be at the other end? Add ,peer=SPIFFE_ID", item->place,
                    item->text);
    }
    *out = (struct forward){.inbound = item->inbound};
    TRY(sidecar_plan_address(item->place, "LISTEN: ", listen, &out->listen, why));
    TRY(sidecar_plan_address(item->place, "FORWARD: ", rest, &out->to, why));
    if (address_is_unix(&out->listen)) {
        return fail(why, STATUS_CONFIG, "settings/listener",
                    "%s: \"%s\": listen on ADDRESS:PORT (forwarding to unix:PATH is possible)",
                    item->place, item->text);
    }
    out->peer_id = peer == NULL ? NULL : memory_text(id.text);
    return STATUS_OK;
}

/* Where a setting's value was given. */
static const char *sidecar_plan_place(const struct sidecar_config *config, const char *name,
                                      size_t index, char out[SETTING_PLACE_MAX])
{
    return setting_place(config->table, config->request, config->settings, name, index, out);
}

static enum status sidecar_plan_forwards(const struct sidecar_config *config,
                                         struct sidecar_plan *plan, struct failure *why)
{
    const struct proxy_settings *settings = config->settings;
    size_t count = settings->inbound.num_items + settings->outbound.num_items;

    plan->forwards = memory_make(count * sizeof *plan->forwards);
    for (size_t i = 0; i < count; i++) {
        bool inbound = i < settings->inbound.num_items;
        size_t index = inbound ? i : i - settings->inbound.num_items;
        const struct setting_list *list = inbound ? &settings->inbound : &settings->outbound;
        struct sidecar_plan_item item = {.text = list->items[index], .inbound = inbound};

        (void)sidecar_plan_place(config, inbound ? "inbound" : "outbound", index, item.place);
        TRY(sidecar_plan_forward(&item, &plan->forwards[i], why));
        plan->num_forwards++;
    }
    plan->transparent = strcmp(settings->capture, "transparent") == 0;
    if (!plan->transparent && count == 0) {
        return fail(why, STATUS_CONFIG, "settings/listener",
                    "capture is explicit, but there is no --inbound and no --outbound");
    }
    return STATUS_OK;
}

static enum status sidecar_plan_identity(const struct sidecar_config *config,
                                         struct sidecar_plan *plan, struct failure *why)
{
    const struct proxy_settings *settings = config->settings;
    char place[SETTING_PLACE_MAX];
    struct failure cause = {0};
    struct spiffe_id domain;
    int files = (settings->chain_file != NULL) + (settings->key_file != NULL) +
                (settings->bundle_file != NULL);

    if (spiffe_id_of_domain(bytes_of(settings->trust_domain), &domain, &cause) != STATUS_OK) {
        return sidecar_plan_blame(sidecar_plan_place(config, "trust_domain", 0, place), "", &cause,
                                  why);
    }
    if (files != 0 && files != 3) {
        return fail(why, STATUS_CONFIG, "settings/identity",
                    "chain_file, key_file and bundle_file belong together; %d of them are set",
                    files);
    }
    plan->from_files = files == 3;
    if (plan->from_files && settings->control_address != NULL) {
        return fail(why, STATUS_CONFIG, "settings/identity",
                    "an identity comes from files or from control_address, not from both");
    }
    if (plan->from_files) {
        return STATUS_OK;
    }
    if (settings->control_address == NULL) {
        return fail(why, STATUS_CONFIG, "settings/identity",
                    "who am I? Set control_address and token_file, or chain_file, key_file and "
                    "bundle_file");
    }
    if ((settings->bootstrap_bundle != NULL) == (settings->bundle_sha256 != NULL)) {
        return fail(
            why, STATUS_CONFIG, "settings/first-bundle",
            "set bootstrap_bundle (a PEM file) or bundle_sha256 (a pin), one of them: without "
            "it anybody could pose as the control plane");
    }
    return STATUS_OK;
}

static enum status sidecar_plan_mesh(const struct proxy_settings *settings,
                                     struct sidecar_plan *plan, struct failure *why)
{
    if (plan->transparent && (settings->mesh == NULL || settings->workload == NULL)) {
        return fail(
            why, STATUS_CONFIG, "settings/mesh",
            "capture is transparent: mesh (the mesh file) and workload (\"namespace/name\") "
            "are needed");
    }
    if ((settings->mesh == NULL) != (settings->workload == NULL)) {
        return fail(why, STATUS_CONFIG, "settings/mesh", "mesh and workload belong together");
    }
    if (settings->workload != NULL && strchr(settings->workload, '/') == NULL) {
        return fail(why, STATUS_CONFIG, "settings/workload", "\"%s\": write namespace/name",
                    settings->workload);
    }
    return STATUS_OK;
}

static bool sidecar_plan_is_off(const char *address)
{
    return strcmp(address, "off") == 0;
}

static void sidecar_plan_admin(const struct proxy_settings *settings, struct sidecar_plan *plan)
{
    if (settings->admin_address == NULL) {
        plan->admin_address = settings->name == NULL
                                  ? memory_text("127.0.0.1:15000")
                                  : memory_format("unix:/run/signet/%s/admin.sock", settings->name);
    } else if (!sidecar_plan_is_off(settings->admin_address)) {
        plan->admin_address = memory_text(settings->admin_address);
    }
}

/* An address setting that may be "off" or not set; *out_address stays as it was then. */
static enum status sidecar_plan_given(const struct sidecar_config *config, const char *name,
                                      const char *text, struct address *out_address,
                                      struct failure *why)
{
    char place[SETTING_PLACE_MAX];

    return text == NULL || sidecar_plan_is_off(text)
               ? STATUS_OK
               : sidecar_plan_address(sidecar_plan_place(config, name, 0, place), "",
                                      bytes_of(text), out_address, why);
}

static enum status sidecar_plan_servers(const struct sidecar_config *config,
                                        const struct sidecar_plan *plan, struct failure *why)
{
    const struct proxy_settings *settings = config->settings;
    struct address at = {.len = 0};
    char place[SETTING_PLACE_MAX];

    TRY(sidecar_plan_given(config, "admin_address", plan->admin_address, &at, why));
    if (at.len > 0 && !address_is_unix(&at) && !address_is_loopback(&at)) {
        return fail(why, STATUS_CONFIG, "settings/admin-address",
                    "%s is %s: only loopback or unix:PATH",
                    sidecar_plan_place(config, "admin_address", 0, place), plan->admin_address);
    }
    TRY(sidecar_plan_given(config, "metrics_address", settings->metrics_address, &at, why));
    return sidecar_plan_given(config, "health_address", settings->health_address, &at, why);
}

static enum status sidecar_plan_addresses(const struct sidecar_config *config,
                                          struct sidecar_plan *plan, struct failure *why)
{
    const struct proxy_settings *settings = config->settings;
    struct ip any = {0};

    if (settings->name != NULL &&
        (strchr(settings->name, '/') != NULL || settings->name[0] == '.')) {
        return fail(
            why, STATUS_CONFIG, "settings/name",
            "name is \"%s\": it becomes a folder's name, without / and not beginning with a dot",
            settings->name);
    }
    sidecar_plan_admin(settings, plan);
    TRY(sidecar_plan_servers(config, plan, why));
    plan->inbound = address_of_ip(&any, (uint16_t)settings->inbound_port);
    plan->outbound = address_of_ip(&any, (uint16_t)settings->outbound_port);
    if (plan->transparent && settings->inbound_port == settings->outbound_port) {
        return fail(why, STATUS_CONFIG, "settings/ports",
                    "inbound_port and outbound_port are both %lld",
                    (long long)settings->inbound_port);
    }
    return STATUS_OK;
}

/* Some hundred handshakes must fit in. */
enum { SIDECAR_PLAN_BUDGET_LEAST_MIB = 8 };

/*
 * Who is half-open is counted against the budget: if all of those could fill it, the listeners would
 * stop before sources take turns.
 */
enum { SIDECAR_PLAN_HALF_OPEN_PART = 4 };

static unsigned sidecar_plan_half_open(const struct sidecar_plan *plan, int64_t wanted)
{
    size_t fit = plan->memory_budget / SIDECAR_PLAN_HALF_OPEN_PART / TLS_STREAM_COST_HALF_OPEN;

    return (size_t)wanted < fit ? (unsigned)wanted : (unsigned)fit;
}

static enum status sidecar_plan_memory(const struct sidecar_config *config,
                                       struct sidecar_plan *plan, struct failure *why)
{
    const struct proxy_settings *settings = config->settings;
    char place[SETTING_PLACE_MAX];

    if (settings->memory_budget > 0 && settings->memory_budget < SIDECAR_PLAN_BUDGET_LEAST_MIB) {
        return fail(why, STATUS_CONFIG, "settings/memory-budget",
                    "%s is %lld MiB: give %d or more, or 0 for half of the cgroup's limit",
                    sidecar_plan_place(config, "memory_budget", 0, place),
                    (long long)settings->memory_budget, SIDECAR_PLAN_BUDGET_LEAST_MIB);
    }
    plan->memory_budget = settings->memory_budget > 0
                              ? (size_t)settings->memory_budget * 1024 * 1024
                              : memory_ledger_default_budget();
    return STATUS_OK;
}

static enum status sidecar_plan_fill(const struct sidecar_config *config,
                                     struct sidecar_plan *plan, struct failure *why)
{
    const struct proxy_settings *settings = config->settings;

    TRY(sidecar_plan_forwards(config, plan, why));
    TRY(sidecar_plan_identity(config, plan, why));
    TRY(sidecar_plan_mesh(settings, plan, why));
    TRY(sidecar_plan_addresses(config, plan, why));
    TRY(sidecar_plan_memory(config, plan, why));
    TRY(posture_parse_groups(bytes_of(settings->tls_groups), &plan->posture, why));
    plan->lane.limit_ms[LANE_LIMIT_IDENTITY] = (uint32_t)settings->first_identity_limit_ms;
    plan->lane.limit_ms[LANE_LIMIT_SNIFF] = (uint32_t)settings->sniff_limit_ms;
    plan->lane.limit_ms[LANE_LIMIT_HANDSHAKE] = (uint32_t)settings->handshake_limit_ms;
    plan->lane.limit_ms[LANE_LIMIT_DIAL] = (uint32_t)settings->dial_limit_ms;
    plan->lane.admission = (struct admission_limits){
        .half_open = sidecar_plan_half_open(plan, settings->half_open_limit),
        .of_source = (unsigned)settings->half_open_source_limit,
    };
    plan->lane.workload = settings->workload;
    plan->lane.has_mesh = settings->mesh != NULL;
    plan->drain_until = strcmp(settings->drain_until, "idle") == 0 ||
                                (strcmp(settings->drain_until, "auto") == 0 && !plan->transparent)
                            ? DRAIN_UNTIL_IDLE
                            : DRAIN_UNTIL_SOCKETS;
    plan->num_workers =
        settings->workers > 0 ? (unsigned)settings->workers : worker_count_default();
    plan->num_workers = plan->num_workers > 64 ? 64 : plan->num_workers;
    return STATUS_OK;
}

enum status sidecar_plan_make(const struct sidecar_config *config, struct sidecar_plan *out_plan,
                              struct failure *why)
{
    CLEARED(sidecar_plan) plan = {0};

    TRY(sidecar_plan_fill(config, &plan, why));
    *out_plan = plan;
    plan = (struct sidecar_plan){0};
    return STATUS_OK;
}

void sidecar_plan_clear(struct sidecar_plan *plan)
{
    for (size_t i = 0; i < plan->num_forwards; i++) {
        free(plan->forwards[i].peer_id);
    }
    free(plan->forwards);
    free(plan->admin_address);
    *plan = (struct sidecar_plan){0};
}
