/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet-proxy/scrape.h"

#include <stdlib.h>
#include <string.h>

#include "core/runtime/web/metrics_page.h"

enum { SCRAPE_METRICS, SCRAPE_HEALTH, SCRAPE_SERVERS };

static const uint16_t scrape_ports[SCRAPE_SERVERS] = {
    [SCRAPE_METRICS] = SCRAPE_METRICS_PORT,
    [SCRAPE_HEALTH] = SCRAPE_HEALTH_PORT,
};

static bool scrape_is_of(const struct snapshot_workload *self, const struct ip *ip)
{
    for (size_t i = 0; self != NULL && i < self->num_addresses; i++) {
        if (ip_equal(&self->addresses[i], ip)) {
            return true;
        }
    }
    return false;
}

size_t scrape_choose(const struct snapshot_workload *self, const struct interface_address *here,
                     size_t num_here, struct ip *out)
{
    size_t count = 0;

    for (size_t i = 0; i < num_here; i++) {
        if (scrape_is_of(self, &here[i].ip)) {
            out[count++] = here[i].ip;
        }
    }
    if (count > 0) {
        return count;
    }
    for (size_t i = 0; i < num_here; i++) {
        if (!here[i].is_loopback) {
            out[count++] = here[i].ip;
        }
    }
    return count;
}

static size_t scrape_wanted(const struct scrape *scrape, const struct snapshot_workload *self,
                            struct ip out[SCRAPE_ADDRESSES_MAX])
{
    struct interface_address here[SCRAPE_ADDRESSES_MAX];

    if (!scrape->transparent) {
        out[0] = ip_of_v4((const uint8_t[4]){127, 0, 0, 1});
        out[1] = (struct ip){.at = {[15] = 1}};
        return 2;
    }
    return scrape_choose(self, here, interface_addresses(here, SCRAPE_ADDRESSES_MAX), out);
}

static enum status scrape_listen(struct scrape *scrape, const struct snapshot_workload *self,
                                 struct failure *why)
{
    struct ip wanted[SCRAPE_ADDRESSES_MAX];
    size_t count = scrape_wanted(scrape, self, wanted);
    enum status worst = STATUS_OK;

    for (int i = 0; i < SCRAPE_SERVERS; i++) {
        struct address addresses[SCRAPE_ADDRESSES_MAX];
        enum status status;

        for (size_t j = 0; j < count; j++) {
            addresses[j] = address_of_ip(&wanted[j], scrape_ports[i]);
        }
        if (scrape->follows[i]) {
            status = web_server_listen(scrape->servers[i], addresses, count,
                                       worst == STATUS_OK ? why : NULL);
            worst = worst == STATUS_OK ? status : worst;
        }
    }
    return worst;
}

/* One line when it changes: whoever looks for the port finds it there. */
static void scrape_tell(struct scrape *scrape)
{
    CLEARED(buffer) text = {.max = SCRAPE_SERVERS * SCRAPE_ADDRESSES_MAX * ADDRESS_TEXT_MAX};

    for (int i = 0; i < SCRAPE_SERVERS; i++) {
        if (scrape->servers[i] != NULL) {
            (void)!web_server_addresses(scrape->servers[i], &text); /* its bound fits them */
        }
    }
    if (scrape->listening != NULL &&
        bytes_equal_text(buffer_bytes(&text), scrape->listening)) {
        return;
    }
    free(scrape->listening);
    scrape->listening = bytes_text(buffer_bytes(&text));
    log_event(&scrape->log, text.len > 0 ? LOG_INFO : LOG_WARN, "scrape.listening",
              LOG_TEXT("addresses", scrape->listening));
}

static enum status scrape_start_one(struct scrape *scrape, struct worker *worker, int which,
                                    const char *address, struct failure *why)
{
    struct web_server_options options = {.address = address,
                                         .routes = which == SCRAPE_METRICS ? &scrape->routes[0]
                                                                           : &scrape->routes[1],
                                         .num_routes = which == SCRAPE_METRICS ? 1 : 2};

    if (address != NULL && strcmp(address, "off") == 0) {
        return STATUS_OK;
    }
    TRY(web_server_start(worker, &options, &scrape->servers[which], why));
    scrape->follows[which] = address == NULL;
    return STATUS_OK;
}

enum status scrape_start(struct scrape *scrape, struct worker *worker,
                         const struct scrape_options *options, struct failure *why)
{
    *scrape = (struct scrape){.transparent = options->transparent};
    log_init(&scrape->log, "sidecar");
    scrape->routes[0] = metrics_page_route(METRICS_PROXY);
    scrape->routes[1] = health_livez_route(options->health);
    scrape->routes[2] = health_readyz_route(options->health);
    TRY(scrape_start_one(scrape, worker, SCRAPE_METRICS, options->metrics_address, why));
    TRY(scrape_start_one(scrape, worker, SCRAPE_HEALTH, options->health_address, why));
    TRY(scrape_listen(scrape, NULL, why));
    scrape_tell(scrape);
    return STATUS_OK;
}

void scrape_follow(struct scrape *scrape, const struct snapshot_workload *self)
{
    struct failure why = {0};

    if (!scrape->follows[SCRAPE_METRICS] && !scrape->follows[SCRAPE_HEALTH]) {
        return;
    }
    if (scrape_listen(scrape, self, &why) == STATUS_OK) {
        scrape->failing = false;
    } else if (!scrape->failing) {
        scrape->failing = true;
        log_event(&scrape->log, LOG_ERROR, "scrape.not-listening", LOG_FAILURE(&why));
    }
    scrape_tell(scrape);
}

void scrape_close(struct scrape *scrape)
{
    for (int i = 0; i < SCRAPE_SERVERS; i++) {
        web_server_close(TAKE(scrape->servers[i]));
        scrape->follows[i] = false;
    }
    free(TAKE(scrape->listening));
}
