/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/loop/worker.h"

#include <sched.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/loop/cgroup.h"

/* A worker's own code is shallow; the resident part of a stack is what was touched, not this. */
enum { WORKER_STACK_SIZE = 512 * 1024 };

static void worker_open(struct worker *worker, unsigned index)
{
    memset(worker, 0, sizeof *worker);
    worker->index = index;
    if (uv_loop_init(&worker->loop) != 0) {
        abort();
    }
    worker->loop.data = worker;
    mailbox_start(&worker->mailbox, &worker->loop);
    slabs_open(&worker->slabs, &worker->loop, index);
    rounds_open(&worker->rounds, &worker->loop);
}

void worker_clear(struct worker *worker)
{
    if (uv_loop_close(&worker->loop) != 0) {
        uv_print_all_handles(&worker->loop, stderr);
        abort(); /* somebody forgot a handle: our own mistake */
    }
    slabs_clear(&worker->slabs);
    for (size_t i = 0; i < sizeof worker->scratch / sizeof worker->scratch[0]; i++) {
        free(worker->scratch[i]);
        worker->scratch[i] = NULL;
    }
}

void worker_init_main(struct worker *worker)
{
    worker_open(worker, 0);
    worker->thread = pthread_self();
}

void worker_run_main(struct worker *worker)
{
    (void)uv_run(&worker->loop, UV_RUN_DEFAULT);
}

static void *worker_thread(void *argument)
{
    struct worker *worker = argument;

    if (worker->begin != NULL) {
        worker->begin(worker, worker->user);
    }
    (void)uv_run(&worker->loop, UV_RUN_DEFAULT);
    return NULL;
}

void worker_start(struct worker *worker, unsigned index,
                  void (*begin)(struct worker *worker, void *user), void *user)
{
    pthread_attr_t attributes;

    worker_open(worker, index);
    worker->begin = begin;
    worker->user = user;
    if (pthread_attr_init(&attributes) != 0 ||
        pthread_attr_setstacksize(&attributes, WORKER_STACK_SIZE) != 0 ||
        pthread_create(&worker->thread, &attributes, worker_thread, worker) != 0) {
        abort();
    }
    (void)pthread_attr_destroy(&attributes);
}

void worker_stop(struct worker *worker)
{
    mailbox_close(&worker->mailbox);
    slabs_close(&worker->slabs);
    rounds_close(&worker->rounds);
}

void worker_join(struct worker *worker)
{
    (void)pthread_join(worker->thread, NULL);
    worker_clear(worker);
}

uint8_t *worker_scratch(struct worker *worker, unsigned which)
{
    if (worker->scratch[which] == NULL) {
        worker->scratch[which] = memory_make(WORKER_SCRATCH_SIZE);
    }
    return worker->scratch[which];
}

uint64_t worker_now_ms(struct worker *worker)
{
    return uv_now(&worker->loop);
}

struct worker *worker_of(uv_loop_t *loop)
{
    return loop->data;
}

/* The quota of one cgroup folder in CPUs, rounded up; 0 where there is none. */
static unsigned worker_quota_of(const char *folder)
{
    char path[512];
    char text[64] = "";
    unsigned long quota = 0;
    unsigned long period = 0;
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/cpu.max", folder);
    file = fopen(path, "re");
    if (file != NULL) {
        bool given = fgets(text, sizeof text, file) != NULL &&
                     sscanf(text, "%lu %lu", &quota, &period) == 2;

        (void)fclose(file);
        return given && period > 0 ? (unsigned)((quota + period - 1) / period) : 0;
    }
    (void)snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    long signed_quota = -1;
    bool limited = fscanf(file, "%ld", &signed_quota) == 1 && signed_quota > 0;
    (void)fclose(file);
    if (!limited) {
        return 0;
    }
    (void)snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    limited = fscanf(file, "%lu", &period) == 1 && period > 0;
    (void)fclose(file);
    return limited ? (unsigned)(((unsigned long)signed_quota + period - 1) / period) : 0;
}

static void worker_quota_seen(const char *folder, void *user)
{
    unsigned *least = user;
    unsigned quota = worker_quota_of(folder);

    if (quota > 0 && (*least == 0 || quota < *least)) {
        *least = quota;
    }
}

unsigned worker_count_of(unsigned quota, unsigned cpus)
{
    unsigned most = quota > 0 ? quota : WORKER_UNLIMITED_MAX;

    return most < cpus ? most : cpus;
}

unsigned worker_count_default(void)
{
    cpu_set_t allowed;
    unsigned cpus = 1;
    unsigned quota = 0;

    cgroup_each("cpu", worker_quota_seen, &quota);
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0) {
        cpus = (unsigned)CPU_COUNT(&allowed);
    }
    return worker_count_of(quota, cpus);
}
