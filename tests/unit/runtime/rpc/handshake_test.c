/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server shows is judged when it is shown: after a stop or a step of the clock no handshake shows a
 * leaf that is not valid. The client here is BoringSSL alone, which verifies nothing and looks.
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/base/clock.h"
#include "tests/support/suite.h"
#include "tests/unit/runtime/rpc/rig.h"

SUITE(rpc_handshake, .timeout = 60);

enum { LEAF_S = 60 };

static _Atomic int64_t ahead_ms;

static int64_t moved_unix_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + ahead_ms;
}

static uint64_t real_mono_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const struct clock_source moved = {real_mono_ms, real_mono_ms, moved_unix_ms};

/* A server whose leaf lives a minute, and whoever renews it. */
struct stage {
    struct rig rig;
    int renewals;
    bool fails; /* renewing does not work */
};

static struct identity_set *stage_set(const struct stage *stage, uint64_t generation)
{
    int64_t now = clock_unix_s();
    OWNED(test_ca) *leaf =
        test_ca_leaf_between(stage->rig.intermediate, RIG_CONTROL, now - 5, now + LEAF_S);
    OWNED(svid) *svid = test_ca_svid(leaf);
    struct identity_set *set = NULL;

    cr_assert_eq(identity_set_make(svid, stage->rig.bundle, generation, &set, NULL), STATUS_OK);
    return set;
}

static void stage_renew(void *user)
{
    struct stage *stage = user;
    OWNED(identity_set) *set = NULL;
    struct failure why = {0};

    stage->renewals++;
    if (!stage->fails) {
        set = stage_set(stage, (uint64_t)stage->renewals + 2);
        cr_assert_eq(rpc_server_credentials_set(stage->rig.server_credentials, set, &why),
                     STATUS_OK, "%s", why.detail);
    }
}

static void stage_open(struct stage *stage)
{
    OWNED(identity_set) *set = NULL;

    *stage = (struct stage){.renewals = 0};
    ahead_ms = 0;
    clock_replace(&moved);
    rig_open(&stage->rig, RIG_CONTROL);
    set = stage_set(stage, 2);
    cr_assert_eq(rpc_server_credentials_set(stage->rig.server_credentials, set, NULL), STATUS_OK);
    rpc_server_credentials_on_stale(stage->rig.server_credentials, &stage->rig.home, stage_renew,
                                    stage);
}

static void stage_close(struct stage *stage)
{
    rpc_server_credentials_on_stale(stage->rig.server_credentials, NULL, NULL, NULL);
    rig_close(&stage->rig);
    clock_replace(NULL);
}

/* A client that looks, on a thread of its own because the server's loop must turn. */
struct look {
    pthread_t thread;
    int port, fd;
    bool done, greeted; /* the handshake came to its end */
    bool saw;           /* a leaf */
    size_t num_certs;
    int64_t not_before, not_after;
};

static int look_connect(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static enum ssl_verify_result_t look_see(SSL *ssl, uint8_t *alert)
{
    struct look *look = SSL_get_app_data(ssl);
    const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(ssl);
    const CRYPTO_BUFFER *first = sk_CRYPTO_BUFFER_value(chain, 0);
    struct certificate leaf;

    (void)alert;
    cr_assert_eq(certificate_parse(
                     bytes_make(CRYPTO_BUFFER_data(first), CRYPTO_BUFFER_len(first)), &leaf, NULL),
                 STATUS_OK);
    look->saw = true;
    look->num_certs = sk_CRYPTO_BUFFER_num(chain);
    look->not_before = leaf.not_before;
    look->not_after = leaf.not_after;
    return ssl_verify_ok;
}

static void *look_run(void *user)
{
    static const uint8_t h2[] = {2, 'h', '2'};
    struct look *look = user;
    SSL_CTX *context = SSL_CTX_new(TLS_with_buffers_method());
    SSL *ssl = SSL_new(context);

    SSL_set_custom_verify(ssl, SSL_VERIFY_PEER, look_see);
    cr_assert_eq(SSL_set_alpn_protos(ssl, h2, sizeof h2), 0);
    SSL_set_app_data(ssl, look);
    cr_assert_eq(SSL_set_fd(ssl, look->fd), 1);
    look->greeted = SSL_connect(ssl) == 1;
    SSL_free(ssl);
    SSL_CTX_free(context);
    (void)close(look->fd);
    __atomic_store_n(&look->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static void look_begin(struct stage *stage, struct look *look)
{
    *look = (struct look){.port = rpc_server_port(stage->rig.server)};
    look->fd = look_connect(look->port);
}

static void look_end(struct stage *stage, struct look *look)
{
    cr_assert_eq(pthread_create(&look->thread, NULL, look_run, look), 0);
    rig_run(&stage->rig, &look->done);
    cr_assert_eq(pthread_join(look->thread, NULL), 0);
}

static void look_at(struct stage *stage, struct look *look)
{
    look_begin(stage, look);
    look_end(stage, look);
}

Test(rpc_handshake, a_valid_leaf_is_shown_and_nobody_is_asked)
{
    struct stage stage;
    struct look look;

    stage_open(&stage);
    look_at(&stage, &look);
    cr_assert(look.greeted && look.saw);
    cr_assert_eq(look.num_certs, 3, "leaf, intermediate, root");
    cr_assert_eq(stage.renewals, 0);
    stage_close(&stage);
}

Test(rpc_handshake, a_leaf_that_ended_in_a_stop_is_renewed_before_it_is_shown)
{
    struct stage stage;
    struct look look;

    stage_open(&stage);
    ahead_ms = 2 * LEAF_S * 1000;
    look_at(&stage, &look);
    cr_assert(look.greeted && look.saw);
    cr_assert_gt(look.not_after, clock_unix_s(), "an ended leaf was shown");
    cr_assert_eq(look.num_certs, 3);
    cr_assert_eq(stage.renewals, 1);
    look_at(&stage, &look);
    cr_assert_gt(look.not_after, clock_unix_s());
    cr_assert_eq(stage.renewals, 1);
    stage_close(&stage);
}

Test(rpc_handshake, a_leaf_of_the_future_is_renewed_before_it_is_shown)
{
    struct stage stage;
    struct look look;

    stage_open(&stage);
    ahead_ms = -30 * 1000;
    look_at(&stage, &look);
    cr_assert(look.greeted && look.saw);
    cr_assert_leq(look.not_before, clock_unix_s(), "a leaf of the future was shown");
    stage_close(&stage);
}

/* The connection was taken in before the stop; gRPC gave it the leaf of then. */
Test(rpc_handshake, a_connection_from_before_the_stop_does_not_see_the_old_leaf)
{
    struct stage stage;
    struct look look;

    stage_open(&stage);
    look_begin(&stage, &look);
    rig_turn(&stage.rig, 300);
    ahead_ms = 2 * LEAF_S * 1000;
    look_end(&stage, &look);
    cr_assert(look.greeted && look.saw);
    cr_assert_gt(look.not_after, clock_unix_s(), "an ended leaf was shown");
    stage_close(&stage);
}

Test(rpc_handshake, nothing_is_shown_when_nothing_valid_comes)
{
    struct stage stage;
    struct look look;

    stage_open(&stage);
    stage.fails = true;
    ahead_ms = 2 * LEAF_S * 1000;
    look_at(&stage, &look);
    cr_assert_not(look.greeted);
    cr_assert_not(look.saw);
    cr_assert_geq(stage.renewals, 1);
    stage.fails = false;
    look_at(&stage, &look);
    cr_assert(look.greeted && look.not_after > clock_unix_s());
    stage_close(&stage);
}

/* As while the server closes. */
Test(rpc_handshake, nothing_is_shown_when_nobody_renews_any_more)
{
    struct stage stage;
    struct look look;

    stage_open(&stage);
    rpc_server_credentials_on_stale(stage.rig.server_credentials, NULL, NULL, NULL);
    ahead_ms = 2 * LEAF_S * 1000;
    look_at(&stage, &look);
    cr_assert_not(look.greeted);
    cr_assert_not(look.saw);
    stage_close(&stage);
}

/* Eight at once ask one question, and the server may end while they wait. */
Test(rpc_handshake, many_wait_for_one_renewal)
{
    struct stage stage;
    struct look looks[8];

    stage_open(&stage);
    ahead_ms = 2 * LEAF_S * 1000;
    for (size_t i = 0; i < 8; i++) {
        look_begin(&stage, &looks[i]);
        cr_assert_eq(pthread_create(&looks[i].thread, NULL, look_run, &looks[i]), 0);
    }
    (void)usleep(200000); /* the loop stands still, as after a stop: they come first */
    for (size_t i = 0; i < 8; i++) {
        rig_run(&stage.rig, &looks[i].done);
        cr_assert_eq(pthread_join(looks[i].thread, NULL), 0);
        cr_assert(looks[i].greeted && looks[i].not_after > clock_unix_s());
    }
    cr_assert_leq(stage.renewals, 2);
    stage_close(&stage);
}
