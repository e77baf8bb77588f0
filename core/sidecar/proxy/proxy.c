/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/proxy.h"

#include <limits.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/telemetry/metrics.h"
#include "core/sidecar/proxy/connection_page.h"
#include "core/sidecar/proxy/inbound.h"
#include "core/sidecar/proxy/outbound.h"

/* One listening socket of one worker, and what its connections are. */
struct proxy_port {
    struct lane *lane;
    const struct forward *forward; /* NULL: captured */
    bool inbound;
    int fd; /* until the worker takes it over; then -1 */
    struct listener *listener;
};

struct proxy_lane {
    struct lane lane;
    struct proxy *proxy;
    struct proxy_port *ports;
    struct mail stop;
};

struct proxy {
    struct worker *home;
    struct proxy_options options;
    struct worker *workers;   /* num_workers of them */
    struct proxy_lane *lanes; /* one each */
    struct proxy_port *ports; /* num_workers * num_ports */
    size_t num_ports;         /* per worker */
    atomic_uint num_live;     /* connections of all lanes */
};

static void proxy_accepted(void *user, int fd, const struct address *peer)
{
    struct proxy_port *port = user;

    if (port->forward != NULL && port->inbound) {
        inbound_forwarded(port->lane, port->forward, fd, peer);
    } else if (port->forward != NULL) {
        outbound_forwarded(port->lane, port->forward, fd, peer);
    } else if (port->inbound) {
        inbound_accepted(port->lane, fd, peer);
    } else {
        outbound_accepted(port->lane, fd, peer);
    }
}

static const char *proxy_held(void *user)
{
    const struct proxy_port *port = user;

    return lane_held(port->lane);
}

/* On the worker's thread, before its loop runs. */
static void proxy_lane_begin(struct worker *worker, void *user)
{
    static const struct listener_events events = {.accepted = proxy_accepted, .held = proxy_held};
    struct proxy_lane *own = user;

    lane_init(&own->lane, worker, &own->proxy->options.lane);
    for (size_t i = 0; i < own->proxy->num_ports; i++) {
        own->ports[i].listener =
            listener_start(worker, own->ports[i].fd, &events, &own->ports[i]);
        own->ports[i].fd = -1;
    }
}

static void proxy_free(struct proxy *proxy)
{
    for (size_t i = 0; i < proxy->num_ports * proxy->options.num_workers; i++) {
        if (proxy->ports[i].fd >= 0) {
            (void)close(proxy->ports[i].fd);
        }
    }
    free(proxy->ports);
    free(proxy->lanes);
    free(proxy->workers);
    free(proxy);
}

/* The sockets are bound here, on the main thread, so that a port in use is an error of the start. */
static enum status proxy_bind(struct proxy *proxy, struct failure *why)
{
    const struct proxy_options *options = &proxy->options;

    for (unsigned i = 0; i < options->num_workers; i++) {
        struct proxy_lane *own = &proxy->lanes[i];
        size_t used = 0;

        own->proxy = proxy;
        own->ports = proxy->ports + i * proxy->num_ports;
        if (options->transparent) {
            own->ports[0].inbound = true;
            TRY(listener_bind(&options->inbound, i == 0, &own->ports[0].fd, why));
            TRY(listener_bind(&options->outbound, i == 0, &own->ports[1].fd, why));
            used = 2;
        }
        for (size_t k = 0; k < options->num_forwards; k++) {
            own->ports[used + k].forward = &options->forwards[k];
            own->ports[used + k].inbound = options->forwards[k].inbound;
            TRY(listener_bind(&options->forwards[k].listen, i == 0, &own->ports[used + k].fd,
                              why));
        }
    }
    return STATUS_OK;
}

/*
 * A connection needs two descriptors, its own and the one to be dialled. Those that listener_spare_fds()
 * names are kept for renewals, the admin and what else we need ourselves.
 */
static unsigned proxy_most_live(void)
{
    struct rlimit files;
    unsigned spare = listener_spare_fds();

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > INT_MAX) {
        return 0;
    }
    return files.rlim_cur > spare + 2 ? (unsigned)(files.rlim_cur - spare) / 2 : 1;
}

enum status proxy_start(struct worker *home, const struct proxy_options *options,
                        struct proxy **out_proxy, struct failure *why)
{
    struct proxy *proxy = memory_make(sizeof *proxy);
    enum status status;

    proxy->home = home;
    proxy->options = *options;
    proxy->options.lane.admission =
        admission_share(&options->lane.admission, options->num_workers);
    proxy->options.lane.num_live = &proxy->num_live;
    proxy->options.lane.most_live = proxy_most_live();
    proxy->num_ports = options->num_forwards + (options->transparent ? 2 : 0);
    proxy->workers = memory_make(options->num_workers * sizeof *proxy->workers);
    proxy->lanes = memory_make(options->num_workers * sizeof *proxy->lanes);
    proxy->ports = memory_make(options->num_workers * proxy->num_ports * sizeof *proxy->ports);
    for (size_t i = 0; i < options->num_workers * proxy->num_ports; i++) {
        proxy->ports[i].fd = -1;
    }
    status = proxy_bind(proxy, why);
    if (status != STATUS_OK) {
        proxy_free(proxy);
        return status;
    }
    for (unsigned i = 0; i < options->num_workers; i++) {
        for (size_t k = 0; k < proxy->num_ports; k++) {
            proxy->lanes[i].ports[k].lane = &proxy->lanes[i].lane;
        }
        worker_start(&proxy->workers[i], i + 1, proxy_lane_begin, &proxy->lanes[i]);
    }
    metrics_gauge_set(METRIC_WORKERS, LABEL_NONE, LABEL_NONE, options->num_workers);
    *out_proxy = proxy;
    return STATUS_OK;
}

static struct lane *proxy_lane_of(struct proxy *proxy, struct worker *worker)
{
    return &proxy->lanes[worker - proxy->workers].lane;
}

static void proxy_publish(struct proxy *proxy, const struct publish_type *type,
                          publish_apply_fn apply, void *value)
{
    publish(&(struct publication){.home = proxy->home,
                                  .workers = proxy->workers,
                                  .num_workers = proxy->options.num_workers,
                                  .type = type,
                                  .apply = apply,
                                  .user = proxy},
            value);
}

static void proxy_apply_context(struct worker *worker, void *user, void *value)
{
    lane_take_context(proxy_lane_of(user, worker), value);
}

enum status proxy_take_identity(struct proxy *proxy, struct identity_set *set, struct failure *why)
{
    OWNED(tls_context) *context = NULL;

    TRY(tls_context_make(set, &proxy->options.posture, &context, why));
    proxy_publish(proxy, &slot_type, proxy_apply_context, context);
    return STATUS_OK;
}

static void *proxy_snapshot_ref(void *value)
{
    return snapshot_ref(value);
}

static void proxy_snapshot_drop(void *value)
{
    struct snapshot *snapshot = value;

    snapshot_drop(&snapshot);
}

static void proxy_apply_snapshot(struct worker *worker, void *user, void *value)
{
    lane_take_snapshot(proxy_lane_of(user, worker), value);
}

void proxy_take_snapshot(struct proxy *proxy, struct snapshot *snapshot)
{
    static const struct publish_type type = {.ref = proxy_snapshot_ref,
                                             .drop = proxy_snapshot_drop};

    proxy_publish(proxy, &type, proxy_apply_snapshot, snapshot);
}

unsigned proxy_num_live(const struct proxy *proxy)
{
    return atomic_load_explicit(&proxy->num_live, memory_order_relaxed);
}

unsigned proxy_num_workers(const struct proxy *proxy)
{
    return proxy->options.num_workers;
}

/* ---- the admin's questions ---- */

struct proxy_question {
    struct mail mail;
    struct lane *lane;
    struct connection_page *page;
    uint32_t from;
    sem_t answered;
};

static void proxy_question_answer(struct mail *mail)
{
    struct proxy_question *question = LIST_OF(mail, struct proxy_question, mail);

    connection_page_fill(question->lane, question->from, question->page);
    (void)sem_post(&question->answered);
}

static void proxy_ask(struct proxy *proxy, unsigned worker, uint32_t from,
                      struct connection_page *page)
{
    struct proxy_question question = {
        .lane = &proxy->lanes[worker].lane, .page = page, .from = from};

    question.mail.deliver = proxy_question_answer;
    if (sem_init(&question.answered, 0, 0) != 0) {
        abort();
    }
    mailbox_post(&proxy->workers[worker].mailbox, &question.mail);
    while (sem_wait(&question.answered) != 0) {
    }
    (void)sem_destroy(&question.answered);
}

/* A cursor is the number of a worker, and a place of its table. */
bool proxy_describe(struct proxy *proxy, uint64_t from, size_t most, struct json_writer *json,
                    uint64_t *out_next)
{
    struct connection_page *page = memory_make(sizeof *page);
    uint64_t worker = from >> 32;
    uint32_t place = (uint32_t)from;
    size_t left = most;

    while (worker < proxy->options.num_workers && left > 0) {
        page->most = left < CONNECTION_PAGE_MOST ? left : CONNECTION_PAGE_MOST;
        proxy_ask(proxy, (unsigned)worker, place, page);
        left -= page->count;
        connection_page_describe(page, json); /* while the worker goes on */
        place = page->more ? page->next : 0;
        worker += page->more ? 0 : 1;
        connection_page_clear(page);
    }
    free(page);
    *out_next = worker << 32 | place;
    return worker < proxy->options.num_workers;
}

/* ---- the drain's wishes ---- */

struct proxy_errand {
    struct mail mail;
    struct lane *lane;
    uint64_t idle_ms;
};

static void proxy_errand_deliver(struct mail *mail)
{
    struct proxy_errand *errand = LIST_OF(mail, struct proxy_errand, mail);

    lane_end_idle(errand->lane, errand->idle_ms);
    free(errand);
}

void proxy_end_idle(struct proxy *proxy, uint64_t idle_ms)
{
    for (unsigned i = 0; i < proxy->options.num_workers; i++) {
        struct proxy_errand *errand = memory_make(sizeof *errand);

        errand->mail.deliver = proxy_errand_deliver;
        errand->lane = &proxy->lanes[i].lane;
        errand->idle_ms = idle_ms;
        mailbox_post(&proxy->workers[i].mailbox, &errand->mail);
    }
}

unsigned proxy_num_idle_ended(const struct proxy *proxy)
{
    unsigned ended = 0;

    for (unsigned i = 0; i < proxy->options.num_workers; i++) {
        ended += atomic_load_explicit(&proxy->lanes[i].lane.num_idle_ended, memory_order_relaxed);
    }
    return ended;
}

static void proxy_lane_stop(struct mail *mail)
{
    struct proxy_lane *own = LIST_OF(mail, struct proxy_lane, stop);

    for (size_t i = 0; i < own->proxy->num_ports; i++) {
        listener_close(&own->ports[i].listener);
    }
    lane_close(&own->lane);
    worker_stop(own->lane.worker);
}

void proxy_stop(struct proxy **proxy)
{
    struct proxy *gone = TAKE(*proxy);

    if (gone == NULL) {
        return;
    }
    for (unsigned i = 0; i < gone->options.num_workers; i++) {
        gone->lanes[i].stop.deliver = proxy_lane_stop;
        mailbox_post(&gone->workers[i].mailbox, &gone->lanes[i].stop);
    }
    for (unsigned i = 0; i < gone->options.num_workers; i++) {
        worker_join(&gone->workers[i]);
    }
    proxy_free(gone);
}
