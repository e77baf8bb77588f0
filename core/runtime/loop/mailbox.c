/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/loop/mailbox.h"

#include <stdlib.h>

static struct mail *mailbox_take_all(struct mailbox *mailbox)
{
    struct mail *first;

    (void)pthread_mutex_lock(&mailbox->lock);
    first = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = NULL;
    (void)pthread_mutex_unlock(&mailbox->lock);
    return first;
}

static void mailbox_deliver(struct mailbox *mailbox)
{
    struct mail *mail = mailbox_take_all(mailbox);

    while (mail != NULL) {
        struct mail *next = mail->next; /* deliver may free the mail */

        mail->next = NULL;
        mail->deliver(mail);
        mail = next;
    }
}

static void mailbox_woken(uv_async_t *wake)
{
    mailbox_deliver(wake->data);
}

void mailbox_start(struct mailbox *mailbox, uv_loop_t *loop)
{
    mailbox->first = NULL;
    mailbox->last = NULL;
    if (pthread_mutex_init(&mailbox->lock, NULL) != 0 ||
        uv_async_init(loop, &mailbox->wake, mailbox_woken) != 0) {
        abort();
    }
    mailbox->wake.data = mailbox;
}

static void mailbox_closed(uv_handle_t *wake)
{
    struct mailbox *mailbox = wake->data;

    (void)pthread_mutex_destroy(&mailbox->lock);
}

void mailbox_close(struct mailbox *mailbox)
{
    mailbox_deliver(mailbox);
    uv_close((uv_handle_t *)&mailbox->wake, mailbox_closed);
}

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    mail->next = NULL;
    (void)pthread_mutex_lock(&mailbox->lock);
    if (mailbox->last == NULL) {
        mailbox->first = mail;
    } else {
        mailbox->last->next = mail;
    }
    mailbox->last = mail;
    /* Under the lock: the loop cannot take this mail, and close the handle, before the wake-up is sent. */
    (void)uv_async_send(&mailbox->wake);
    (void)pthread_mutex_unlock(&mailbox->lock);
}
