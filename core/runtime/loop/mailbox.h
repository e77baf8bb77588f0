/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages from any thread to one loop. The only way threads speak here (with publish.h above it).
 *
 * A mail is embedded in what it is about, so posting allocates nothing; its owner may not touch or
 * free it between mailbox_post() and deliver().
 */
#ifndef SIGNET_CORE_RUNTIME_LOOP_MAILBOX_H
#define SIGNET_CORE_RUNTIME_LOOP_MAILBOX_H

#include <pthread.h>
#include <uv.h>

struct mail {
    void (*deliver)(struct mail *mail); /* runs on the loop's thread; may free what holds the mail */
    struct mail *next;                  /* the mailbox's, while posted */
};

struct mailbox {
    uv_async_t wake;
    pthread_mutex_t lock; /* guards first and last */
    struct mail *first;
    struct mail *last;
};

/* mailbox_start opens a mailbox on `loop`, on whose thread it must be called. It keeps the loop alive. */
void mailbox_start(struct mailbox *mailbox, uv_loop_t *loop);

/*
 * mailbox_close delivers what is still there, then closes. Call on the loop's thread, when no other
 * thread can post any more; the struct must live until the loop has run its close callbacks.
 */
void mailbox_close(struct mailbox *mailbox);

/* mailbox_post hands `mail` over; deliver() runs on the loop's thread, in order of posting. Any thread. */
void mailbox_post(struct mailbox *mailbox, struct mail *mail);

#endif
