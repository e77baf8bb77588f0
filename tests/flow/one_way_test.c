/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our outbound side against a server that shows a sound certificate and asks for none: refused before
 * a byte of the application leaves, unless the mesh says `tls: one-way` for it; then it is logged as
 * what it is.
 */
#include <openssl/pool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"
#include "tests/flow/proxy_rig.h"
#include "tests/support/suite.h"

SUITE(one_way, .timeout = 60);

/* The outbound listener of the rig that leads to `silent`, which the test answers itself. */
enum { ONE_WAY_LISTENER = 3 };

static const char one_way_mesh[] = "trustDomain: example.org\n"
                                   "workloads:\n"
                                   "- {name: pay, namespace: shop, serviceAccount: pay,\n"
                                   "   addresses: [127.0.0.1]%s}\n";

struct one_way_server {
    SSL_CTX *library;
    SSL *ssl;
    int fd;
    bool up;
};

/* Takes the connection that the proxy opens to `silent`, and shakes hands without asking for anything. */
static void one_way_answer(struct one_way_server *server, struct proxy_rig *rig)
{
    struct test_ca *leaf = test_ca_leaf(rig->root, PROXY_RIG_ID);
    struct bytes der = test_ca_der(leaf);
    CRYPTO_BUFFER *shown = CRYPTO_BUFFER_new(der.at, der.len, NULL);

    *server = (struct one_way_server){.library = SSL_CTX_new(TLS_with_buffers_method())};
    cr_assert_eq(SSL_CTX_set_chain_and_key(server->library, &shown, 1, key_evp(test_ca_key(leaf)),
                                           NULL),
                 1);
    CRYPTO_BUFFER_free(shown);
    test_ca_drop(&leaf);
    server->fd = accept(rig->silent, NULL, NULL);
    cr_assert_geq(server->fd, 0);
    server->ssl = SSL_new(server->library);
    (void)SSL_set_fd(server->ssl, server->fd);
    server->up = SSL_accept(server->ssl) == 1;
}

static void one_way_close(struct one_way_server *server)
{
    (void)SSL_shutdown(server->ssl);
    SSL_free(server->ssl);
    SSL_CTX_free(server->library);
    (void)close(server->fd);
}

Test(one_way, a_server_that_does_not_ask_who_we_are_gets_no_byte)
{
    char *mesh = memory_format(one_way_mesh, "");
    struct proxy_rig rig;
    struct one_way_server server;
    char *log;
    int fd;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.mesh = mesh});
    fd = proxy_rig_dial(&rig, ONE_WAY_LISTENER);
    proxy_rig_send(fd, "secret", 6);
    one_way_answer(&server, &rig);
    cr_assert_not(server.up, "the handshake with a one-way server was finished");
    cr_assert(proxy_rig_ends(fd));
    (void)close(fd);
    one_way_close(&server);
    cr_assert(proxy_rig_idle(&rig));
    log = proxy_rig_log(&rig);
    cr_assert_not_null(strstr(log, "\"reason\":\"tls/not-mutual\""), "%s", log);
    cr_assert_null(strstr(log, "\"event\":\"open\""), "%s", log);
    free(log);
    free(mesh);
    proxy_rig_close(&rig);
}

Test(one_way, where_the_mesh_says_so_it_is_taken_and_not_called_mutual)
{
    char *mesh = memory_format(one_way_mesh, ", tls: one-way");
    struct proxy_rig rig;
    struct one_way_server server;
    char word[8] = "";
    char *log;
    int fd;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.mesh = mesh});
    fd = proxy_rig_dial(&rig, ONE_WAY_LISTENER);
    proxy_rig_send(fd, "hello", 5);
    one_way_answer(&server, &rig);
    cr_assert(server.up);
    cr_assert_eq(SSL_read(server.ssl, word, 5), 5);
    cr_assert_str_eq(word, "hello");
    one_way_close(&server);
    (void)close(fd);
    cr_assert(proxy_rig_idle(&rig));
    log = proxy_rig_log(&rig);
    cr_assert_not_null(strstr(log, "\"transport\":\"tls-one-way\""), "%s", log);
    cr_assert_null(strstr(log, "\"transport\":\"mtls\""), "%s", log);
    free(log);
    free(mesh);
    proxy_rig_close(&rig);
}
