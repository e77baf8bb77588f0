/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/loop/publish.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/runtime/base/list.h"
#include "core/runtime/base/memory.h"

struct publish_copy {
    struct mail mail;
    struct publish_job *job;
    struct worker *worker;
    void *value; /* reference, given to apply() */
};

struct publish_job {
    struct mail done;
    atomic_uint waiting; /* workers that do not have the value yet */
    struct worker *home;
    publish_apply_fn apply;
    void *user;
    void (*all_have)(void *done_user);
    void *done_user;
    struct publish_copy copies[];
};

static void publish_job_done(struct mail *mail)
{
    struct publish_job *job = LIST_OF(mail, struct publish_job, done);

    if (job->all_have != NULL) {
        job->all_have(job->done_user);
    }
    free(job);
}

static void publish_copy_deliver(struct mail *mail)
{
    struct publish_copy *copy = LIST_OF(mail, struct publish_copy, mail);
    struct publish_job *job = copy->job;

    job->apply(copy->worker, job->user, copy->value);
    if (atomic_fetch_sub_explicit(&job->waiting, 1, memory_order_acq_rel) == 1) {
        mailbox_post(&job->home->mailbox, &job->done);
    }
}

void publish(const struct publication *publication, void *value)
{
    unsigned count = publication->num_workers;
    struct publish_job *job = memory_make(sizeof *job + count * sizeof(struct publish_copy));

    job->done.deliver = publish_job_done;
    atomic_init(&job->waiting, count);
    job->home = publication->home;
    job->apply = publication->apply;
    job->user = publication->user;
    job->all_have = publication->all_have;
    job->done_user = publication->done_user;
    if (count == 0) {
        mailbox_post(&job->home->mailbox, &job->done);
    }
    for (unsigned i = 0; i < count; i++) {
        struct publish_copy *copy = &job->copies[i];

        copy->mail.deliver = publish_copy_deliver;
        copy->job = job;
        copy->worker = &publication->workers[i];
        copy->value = publication->type->ref(value);
        mailbox_post(&copy->worker->mailbox, &copy->mail);
    }
}
