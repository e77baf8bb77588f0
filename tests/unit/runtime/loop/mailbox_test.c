/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/base/list.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/loop/worker.h"
#include "tests/support/suite.h"

SUITE(mailbox, .timeout = 30);

enum { MAILBOX_TEST_SENDERS = 4, MAILBOX_TEST_MAILS = 5000 };

struct mailbox_letter {
    struct mail mail;
    int sender;
    int number;
};

static struct worker mailbox_home;
static int mailbox_next[MAILBOX_TEST_SENDERS]; /* the receiving thread's */
static int mailbox_wrong;
static int mailbox_total;

static void mailbox_test_deliver(struct mail *mail)
{
    struct mailbox_letter *letter = LIST_OF(mail, struct mailbox_letter, mail);

    mailbox_wrong += letter->number != mailbox_next[letter->sender];
    mailbox_wrong += !pthread_equal(pthread_self(), mailbox_home.thread);
    mailbox_next[letter->sender]++;
    mailbox_total++;
    free(letter);
    if (mailbox_total == MAILBOX_TEST_SENDERS * MAILBOX_TEST_MAILS) {
        worker_stop(&mailbox_home);
    }
}

static void *mailbox_test_send(void *sender)
{
    for (int i = 0; i < MAILBOX_TEST_MAILS; i++) {
        struct mailbox_letter *letter = memory_make(sizeof *letter);

        letter->mail.deliver = mailbox_test_deliver;
        letter->sender = (int)(intptr_t)sender;
        letter->number = i;
        mailbox_post(&mailbox_home.mailbox, &letter->mail);
    }
    return NULL;
}

Test(mailbox, keeps_the_order_of_each_of_four_threads)
{
    pthread_t senders[MAILBOX_TEST_SENDERS];

    worker_init_main(&mailbox_home);
    for (intptr_t i = 0; i < MAILBOX_TEST_SENDERS; i++) {
        cr_assert_eq(pthread_create(&senders[i], NULL, mailbox_test_send, (void *)i), 0);
    }
    worker_run_main(&mailbox_home);
    for (int i = 0; i < MAILBOX_TEST_SENDERS; i++) {
        (void)pthread_join(senders[i], NULL);
    }
    worker_clear(&mailbox_home);
    cr_assert_eq(mailbox_total, MAILBOX_TEST_SENDERS * MAILBOX_TEST_MAILS);
    cr_assert_eq(mailbox_wrong, 0);
}

static void mailbox_test_count(struct mail *mail)
{
    (void)mail;
    mailbox_total++;
}

Test(mailbox, close_delivers_what_is_still_there)
{
    struct mail mail = {.deliver = mailbox_test_count};

    worker_init_main(&mailbox_home);
    mailbox_post(&mailbox_home.mailbox, &mail);
    worker_stop(&mailbox_home);
    cr_assert_eq(mailbox_total, 1);
    worker_run_main(&mailbox_home);
    worker_clear(&mailbox_home);
    cr_assert_eq(mailbox_total, 1);
}
