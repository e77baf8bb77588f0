/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole data plane on loopback for a test: application -> outbound listener -> inbound listener ->
 * application, with workers of their own. The test's thread is the main loop and speaks with plain
 * blocking sockets, each with a limit of some seconds.
 */
#ifndef SIGNET_TESTS_FLOW_PROXY_RIG_H
#define SIGNET_TESTS_FLOW_PROXY_RIG_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "core/sidecar/proxy/proxy.h"
#include "tests/support/test_ca.h"

#define PROXY_RIG_FORWARDS 4
#define PROXY_RIG_ID "spiffe://example.org/ns/shop/sa/pay"

/* The application: a thread that accepts, counts, and echoes each connection until its end. */
struct proxy_rig_app {
    pthread_t thread;
    int listening;
    struct address at;
    atomic_int accepted;
};

struct proxy_rig {
    struct worker home;
    struct proxy *proxy;
    struct test_ca *root;
    struct proxy_rig_app app;
    /* 0: inbound, 1: outbound that expects us, 2: outbound that expects another, 3: to `silent` */
    struct forward forwards[PROXY_RIG_FORWARDS];
    int held[PROXY_RIG_FORWARDS]; /* sockets that keep the ports ours */
    int silent;                   /* listens and never accepts; no room for a second connection */
    struct access_sink sink;
    char log_path[64];
    uint64_t generation;
};

/* What a test chooses. */
struct proxy_rig_plan {
    const char *only_peer; /* the inbound listener's only caller; NULL: any */
    const char *mesh;      /* YAML that every lane gets, and a mesh is expected; NULL: none */
    bool no_identity;      /* the first identity is the test's business */
    uint32_t limit_ms;     /* of every state; 0: 5000 */
    bool no_app;           /* nobody listens where the application should */
    struct admission_limits admission; /* zeroed: the defaults */
};

void proxy_rig_open(struct proxy_rig *rig, const struct proxy_rig_plan *plan);

/* proxy_rig_close stops the proxy and frees everything; nothing may be alive by then. */
void proxy_rig_close(struct proxy_rig *rig);

/* proxy_rig_rotate puts a new leaf of the same identity in force; waits until every worker has it. */
void proxy_rig_rotate(struct proxy_rig *rig);

/* proxy_rig_mesh publishes a mesh. */
void proxy_rig_mesh(struct proxy_rig *rig, const char *yaml);

/* proxy_rig_dial connects to a listener of the proxy: index of `forwards`. */
int proxy_rig_dial(struct proxy_rig *rig, unsigned which);

/* proxy_rig_dial_from does so from another address of loopback, such as 127.0.0.2. */
int proxy_rig_dial_from(struct proxy_rig *rig, unsigned which, const char *source);

/* proxy_rig_turns lets the main loop turn `count` times, a millisecond apart. */
void proxy_rig_turns(struct proxy_rig *rig, int count);

/* proxy_rig_reason is how many connections ended for that reason, ever. */
int64_t proxy_rig_reason(const char *reason);

/* proxy_rig_idle waits until no connection is alive; false after five seconds. */
bool proxy_rig_idle(struct proxy_rig *rig);

/* proxy_rig_echo sends `len` bytes of a pattern, ends, and reads them back. False when not all came. */
bool proxy_rig_echo(int fd, size_t len);

/* proxy_rig_send writes all of it, or fails the test. proxy_rig_ends reads until the end or an error. */
void proxy_rig_send(int fd, const void *at, size_t len);
bool proxy_rig_ends(int fd);

/* proxy_rig_log is the access log so far; free() it. */
char *proxy_rig_log(struct proxy_rig *rig);

/* A blocking TLS client of the library alone: `leaf` NULL: without a certificate. */
struct proxy_rig_client {
    SSL_CTX *library;
    SSL *ssl;
    int fd;
};

/* proxy_rig_tls makes one on `fd` (taken over) and shakes hands; false when that fails. */
bool proxy_rig_tls(struct proxy_rig_client *client, int fd, const struct test_ca *leaf);
void proxy_rig_tls_close(struct proxy_rig_client *client);

#endif
