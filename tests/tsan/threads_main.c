/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that threads share, used by many threads at once: mailbox, publish, metrics, log.
 *
 * A program of its own, without Criterion, whose process sandbox cannot live with ThreadSanitizer.
 * Under --config=tsan a race ends it with the sanitizer's report; without, it still checks that no
 * message is lost and that the last published value is the one that every worker has.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/loop/publish.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/loop/worker.h"
#include "core/runtime/telemetry/log.h"
#include "core/runtime/telemetry/metrics.h"

enum { WORKERS = 4, SENDERS = 3, MAILS = 2000, VALUES = 200 };

#define EXPECT(truth) expect((truth), #truth, __LINE__)

static void expect(bool truth, const char *text, int line)
{
    if (!truth) {
        (void)fprintf(stderr, "line %d: not so: %s\n", line, text);
        abort();
    }
}

/* A counted immutable value, as an identity set or a snapshot is one. */
struct value {
    atomic_uint references;
    int number;
};

static atomic_int values_alive;

static struct value *value_make(int number)
{
    struct value *value = memory_make(sizeof *value);

    atomic_init(&value->references, 1);
    value->number = number;
    atomic_fetch_add(&values_alive, 1);
    return value;
}

static void *value_ref(void *value)
{
    struct value *known = value;

    atomic_fetch_add_explicit(&known->references, 1, memory_order_relaxed);
    return known;
}

static void value_drop(void *value)
{
    struct value *known = value;

    if (atomic_fetch_sub_explicit(&known->references, 1, memory_order_acq_rel) == 1) {
        atomic_fetch_sub(&values_alive, 1);
        free(known);
    }
}

static const struct publish_type value_type = {.ref = value_ref, .drop = value_drop};

struct letter {
    struct mail mail;
    struct worker *to;
};

struct mesh {
    struct worker home;
    struct worker workers[WORKERS];
    struct value *slots[WORKERS]; /* each read and written by its worker's thread alone */
    unsigned received[WORKERS];   /* likewise */
    int published;                /* the main thread's */
    struct timer turn;
    struct log log;
};

static struct mesh mesh;
static atomic_uint senders_left;

static void letter_deliver(struct mail *mail)
{
    struct letter *letter = (struct letter *)(void *)mail; /* its first member */
    struct worker *worker = letter->to;

    mesh.received[worker->index - 1]++;
    metrics_gauge_add(worker->index, METRIC_CONNECTIONS_ACTIVE, LABEL_INBOUND, LABEL_MTLS, 1);
    log_event(&mesh.log, LOG_INFO, "letter.read", LOG_INT("worker", worker->index));
    free(letter);
}

/* One of the threads that only post, as gRPC's completion thread does. */
static void *sender_run(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < MAILS; i++) {
        struct letter *letter = memory_make(sizeof *letter);

        letter->to = &mesh.workers[i % WORKERS];
        letter->mail.deliver = letter_deliver;
        metrics_gauge_add(0, METRIC_CONNECTIONS_ACTIVE, LABEL_OUTBOUND, LABEL_MTLS, 1);
        mailbox_post(&letter->to->mailbox, &letter->mail);
    }
    atomic_fetch_sub(&senders_left, 1);
    return NULL;
}

static void mesh_apply(struct worker *worker, void *user, void *value)
{
    struct value **slot = &mesh.slots[worker->index - 1];

    (void)user;
    EXPECT(*slot == NULL || (*slot)->number < ((struct value *)value)->number);
    if (*slot != NULL) {
        value_drop(*slot);
    }
    *slot = value;
}

static void mesh_stop_worker(struct mail *mail)
{
    struct letter *letter = (struct letter *)(void *)mail;
    struct value **slot = &mesh.slots[letter->to->index - 1];

    EXPECT((*slot)->number == VALUES);
    value_drop(*slot);
    worker_stop(letter->to);
    free(letter);
}

static void mesh_stop(void)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        struct letter *letter = memory_make(sizeof *letter);

        letter->to = &mesh.workers[i];
        letter->mail.deliver = mesh_stop_worker;
        mailbox_post(&mesh.workers[i].mailbox, &letter->mail);
    }
    timer_close(&mesh.turn, NULL);
    worker_stop(&mesh.home);
}

static void mesh_all_have(void *user)
{
    (void)user;
    timer_start(&mesh.turn, 0, 0);
}

/* Each turn publishes the next value and reads what all threads write; the last waits for the senders. */
static void mesh_turn(struct timer *timer, void *user)
{
    CLEARED(buffer) page;

    (void)user;
    buffer_init(&page, (size_t)1 << 20);
    EXPECT(metrics_render(METRICS_BOTH, &page, NULL) == STATUS_OK);
    EXPECT(log_set_levels(mesh.published % 2 == 0 ? "info" : "warn", NULL) == STATUS_OK);
    if (mesh.published < VALUES) {
        struct value *value = value_make(++mesh.published);

        publish(&(struct publication){.home = &mesh.home,
                                      .workers = mesh.workers,
                                      .num_workers = WORKERS,
                                      .type = &value_type,
                                      .apply = mesh_apply,
                                      .all_have = mesh_all_have,
                                      .done_user = NULL},
                value);
        value_drop(value);
    } else if (atomic_load(&senders_left) > 0) {
        timer_start(timer, 1, 0);
    } else {
        mesh_stop();
    }
}

int main(void)
{
    pthread_t senders[SENDERS];
    unsigned received = 0;
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    EXPECT(nowhere >= 0);
    log_set_output(nowhere);
    log_start_writer();
    log_init(&mesh.log, "threads");
    worker_init_main(&mesh.home);
    for (unsigned i = 0; i < WORKERS; i++) {
        worker_start(&mesh.workers[i], i + 1, NULL, NULL);
    }
    atomic_init(&senders_left, SENDERS);
    for (unsigned i = 0; i < SENDERS; i++) {
        EXPECT(pthread_create(&senders[i], NULL, sender_run, NULL) == 0);
    }
    timer_init(&mesh.turn, &mesh.home.loop, mesh_turn, NULL);
    timer_start(&mesh.turn, 0, 0);
    worker_run_main(&mesh.home);
    for (unsigned i = 0; i < SENDERS; i++) {
        EXPECT(pthread_join(senders[i], NULL) == 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        worker_join(&mesh.workers[i]);
        received += mesh.received[i];
    }
    worker_clear(&mesh.home);
    EXPECT(received == SENDERS * MAILS);
    EXPECT(atomic_load(&values_alive) == 0);
    EXPECT(metrics_read(METRIC_CONNECTIONS_ACTIVE, LABEL_INBOUND, LABEL_MTLS) == SENDERS * MAILS);
    EXPECT(metrics_read(METRIC_CONNECTIONS_ACTIVE, LABEL_OUTBOUND, LABEL_MTLS) == SENDERS * MAILS);
    log_stop_writer(LOG_STOP_MS);
    metrics_clear();
    (void)close(nowhere);
    (void)printf("%u letters, %d values, %d workers\n", received, VALUES, WORKERS);
    return 0;
}
