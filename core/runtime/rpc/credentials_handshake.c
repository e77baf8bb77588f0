/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/rpc/credentials_handshake.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/base/list.h"
#include "core/runtime/base/memory.h"

struct credentials_handshake {
    struct list_link link;    /* in credentials_live */
    uint64_t number;          /* its own for ever: a question may outlive it */
    struct svid *svid;        /* reference: what is in force; NULL before the first */
    struct buffer root_der;   /* follows the chain */
    bool judges;              /* from the first credentials_handshake_ask() on */
    struct worker *home;      /* whose loop answers; NULL: nobody does */
    void (*stale)(void *user);
    void *user;
    bool asked;               /* a question is on its way */
    uint64_t num_answers;
};

/* A question on its way to the loop: what is shown is not valid. */
struct credentials_question {
    struct mail mail; /* first */
    uint64_t number;
};

/* Guards all below and the members above; held for moments only, and not while the loop's owner is asked. */
static pthread_mutex_t credentials_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t credentials_changed; /* on the monotonic clock */
static pthread_once_t credentials_once = PTHREAD_ONCE_INIT;
static struct list credentials_live;
static uint64_t credentials_made;

static void credentials_begin(void)
{
    pthread_condattr_t attributes;

    list_init(&credentials_live);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&credentials_changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

struct credentials_handshake *credentials_handshake_make(void)
{
    struct credentials_handshake *handshake = memory_make(sizeof *handshake);

    (void)pthread_once(&credentials_once, credentials_begin);
    buffer_init(&handshake->root_der, CERTIFICATE_MAX);
    (void)pthread_mutex_lock(&credentials_lock);
    handshake->number = ++credentials_made;
    list_add(&credentials_live, &handshake->link);
    (void)pthread_mutex_unlock(&credentials_lock);
    return handshake;
}

void credentials_handshake_set(struct credentials_handshake *handshake, struct svid *svid,
                               struct bytes root_der)
{
    struct svid *old;

    (void)pthread_mutex_lock(&credentials_lock);
    old = handshake->svid;
    handshake->svid = svid_ref(svid);
    buffer_reset(&handshake->root_der);
    if (buffer_add(&handshake->root_der, root_der) != STATUS_OK) {
        abort(); /* a certificate that was parsed is no longer than the bound */
    }
    (void)pthread_cond_broadcast(&credentials_changed);
    (void)pthread_mutex_unlock(&credentials_lock);
    svid_drop(&old);
}

void credentials_handshake_ask(struct credentials_handshake *handshake, struct worker *home,
                               void (*stale)(void *user), void *user)
{
    (void)pthread_mutex_lock(&credentials_lock);
    handshake->judges = true;
    handshake->home = home;
    handshake->stale = stale;
    handshake->user = user;
    (void)pthread_cond_broadcast(&credentials_changed);
    (void)pthread_mutex_unlock(&credentials_lock);
}

void credentials_handshake_drop(struct credentials_handshake **handshake)
{
    struct credentials_handshake *gone = TAKE(*handshake);

    if (gone == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&credentials_lock);
    list_remove(&gone->link);
    (void)pthread_cond_broadcast(&credentials_changed);
    (void)pthread_mutex_unlock(&credentials_lock);
    svid_drop(&gone->svid);
    buffer_clear(&gone->root_der);
    free(gone);
}

/* With the lock: who is called `number`, or judges what shows the identity `uri`; NULL: nobody. */
static struct credentials_handshake *credentials_find(uint64_t number, struct bytes uri)
{
    LIST_EACH(&credentials_live, link)
    {
        struct credentials_handshake *handshake =
            LIST_OF(link, struct credentials_handshake, link);

        if (number != 0 ? handshake->number == number
                        : handshake->judges && handshake->svid != NULL &&
                              bytes_equal(spiffe_id_text(svid_id(handshake->svid)), uri)) {
            return handshake;
        }
    }
    return NULL;
}

/* The loop's thread. */
static void credentials_answer(struct mail *mail)
{
    struct credentials_question *question = (struct credentials_question *)(void *)mail;
    struct credentials_handshake *handshake;
    void (*stale)(void *user) = NULL;
    void *user = NULL;

    (void)pthread_mutex_lock(&credentials_lock);
    handshake = credentials_find(question->number, (struct bytes){0});
    if (handshake != NULL) {
        stale = handshake->stale;
        user = handshake->user;
    }
    (void)pthread_mutex_unlock(&credentials_lock);
    if (stale != NULL) {
        stale(user); /* and within it credentials_handshake_set(), unless that failed */
    }
    (void)pthread_mutex_lock(&credentials_lock);
    handshake = credentials_find(question->number, (struct bytes){0});
    if (handshake != NULL) {
        handshake->asked = false;
        handshake->num_answers++;
    }
    (void)pthread_cond_broadcast(&credentials_changed);
    (void)pthread_mutex_unlock(&credentials_lock);
    free(question);
}

/* With the lock. One question at a time, however many handshakes wait. */
static void credentials_ask(struct credentials_handshake *handshake)
{
    struct credentials_question *question;

    if (handshake->asked) {
        return;
    }
    handshake->asked = true;
    question = memory_make(sizeof *question);
    question->mail.deliver = credentials_answer;
    question->number = handshake->number;
    mailbox_post(&handshake->home->mailbox, &question->mail);
}

static struct timespec credentials_until(void)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CREDENTIALS_HANDSHAKE_WAIT_MS / 1000;
    return until;
}

static bool credentials_is_valid(int64_t not_before, int64_t not_after)
{
    int64_t now_s = clock_unix_s();

    return now_s >= not_before && now_s < not_after;
}

/* With the lock: has it something to show now? */
static bool credentials_can_show(const struct credentials_handshake *handshake)
{
    return credentials_is_valid(svid_starts_at(handshake->svid), svid_expires_at(handshake->svid));
}

/*
 * With the lock: waits until what is in force is valid, the loop has answered that it cannot be, or the
 * time is over. NULL: there is nothing to show.
 */
static struct credentials_handshake *credentials_wait(struct credentials_handshake *handshake)
{
    struct timespec until = credentials_until();
    uint64_t number = handshake->number;
    uint64_t answers = handshake->num_answers;
    bool late = false;

    while (handshake != NULL && !credentials_can_show(handshake)) {
        /* A question that was on its way before us may have been asked before the clock was set. */
        if (late || handshake->home == NULL || handshake->num_answers >= answers + 2) {
            return NULL;
        }
        credentials_ask(handshake);
        late = pthread_cond_timedwait(&credentials_changed, &credentials_lock, &until) == ETIMEDOUT;
        handshake = credentials_find(number, (struct bytes){0});
    }
    return handshake;
}

/* Puts a chain and its root on one connection, in the place of what gRPC gave it. */
static bool credentials_show(SSL *ssl, const struct svid *svid, struct bytes root_der)
{
    CRYPTO_BUFFER *chain[SVID_CERTS_MAX + 1];
    size_t num_certs = svid_num_certs(svid);
    bool shown = true;

    for (size_t i = 0; i <= num_certs; i++) {
        struct bytes der = i < num_certs ? svid_cert_der(svid, i) : root_der;

        chain[i] = CRYPTO_BUFFER_new(der.at, der.len, NULL);
        shown = shown && chain[i] != NULL;
    }
    shown = shown && SSL_set_chain_and_key(ssl, chain, num_certs + 1, key_evp(svid_key(svid)),
                                           NULL) == 1;
    for (size_t i = 0; i <= num_certs; i++) {
        CRYPTO_BUFFER_free(chain[i]);
    }
    return shown;
}

/* The leaf that gRPC gave this connection is not valid: shows what is, or false. */
static bool credentials_show_another(SSL *ssl, struct bytes uri)
{
    struct credentials_handshake *handshake;
    bool shown = false;

    (void)pthread_once(&credentials_once, credentials_begin);
    (void)pthread_mutex_lock(&credentials_lock);
    handshake = credentials_find(0, uri);
    if (handshake == NULL) {
        shown = true; /* not a server of ours: it is judged elsewhere */
    } else {
        handshake = credentials_wait(handshake);
        shown = handshake != NULL &&
                credentials_show(ssl, handshake->svid, buffer_bytes(&handshake->root_der));
    }
    (void)pthread_mutex_unlock(&credentials_lock);
    return shown;
}

/* BoringSSL's callback, on any of gRPC's threads: 1 goes on, 0 ends the handshake with an alert. */
static int credentials_judge_shown(SSL *ssl, void *user)
{
    const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_chain(ssl);
    const CRYPTO_BUFFER *first;
    struct certificate leaf;
    struct bytes der;

    (void)user;
    if (chain == NULL || sk_CRYPTO_BUFFER_num(chain) == 0) {
        return 1; /* nothing to show */
    }
    first = sk_CRYPTO_BUFFER_value(chain, 0);
    der = bytes_make(CRYPTO_BUFFER_data(first), CRYPTO_BUFFER_len(first));
    if (certificate_parse(der, &leaf, NULL) != STATUS_OK ||
        credentials_is_valid(leaf.not_before, leaf.not_after)) {
        return 1;
    }
    return credentials_show_another(ssl, leaf.uri) ? 1 : 0;
}

static bool credentials_have_servers(void)
{
    bool have;

    (void)pthread_once(&credentials_once, credentials_begin);
    (void)pthread_mutex_lock(&credentials_lock);
    have = !list_is_empty(&credentials_live);
    (void)pthread_mutex_unlock(&credentials_lock);
    return have;
}

/* The linker's names: each call of SSL_set_accept_state() comes here first. */
void __real_SSL_set_accept_state(SSL *ssl);
void __wrap_SSL_set_accept_state(SSL *ssl);

void __wrap_SSL_set_accept_state(SSL *ssl)
{
    __real_SSL_set_accept_state(ssl);
    if (credentials_have_servers()) {
        SSL_set_cert_cb(ssl, credentials_judge_shown, NULL);
    }
}
