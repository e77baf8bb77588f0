/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A main loop, gRPC, a mesh of two identities and an echo server, for the tests of runtime/rpc.
 */
#ifndef SIGNET_TESTS_UNIT_RUNTIME_RPC_RIG_H
#define SIGNET_TESTS_UNIT_RUNTIME_RPC_RIG_H

#include "core/runtime/base/buffer.h"
#include "core/runtime/rpc/call.h"
#include "core/runtime/rpc/channel.h"
#include "core/runtime/rpc/credentials.h"
#include "core/runtime/rpc/server.h"
#include "tests/support/test_ca.h"

#define RIG_CONTROL "spiffe://example.org/ns/signet-system/sa/signet-control"
#define RIG_WEB "spiffe://example.org/ns/shop/sa/web"

struct rig {
    struct worker home;
    struct rpc_queue *queue;
    struct test_ca *root, *intermediate;
    struct identity_set *control, *web;
    struct bundle *bundle;
    struct rpc_server_credentials *server_credentials;
    struct rpc_server *server;
    char address[32];
    /* what the echo server saw */
    unsigned messages, half_closes, ends, cancels;
    struct buffer last;
    struct rpc_exchange *kept; /* of /test.Echo/Never */
    struct rpc_judge judge;    /* the credentials'; what is shown goes through the rig */
    unsigned judged, proved;   /* callers of all methods; those of /test.Echo/Closed */
    bool closed;               /* /test.Echo/Closed is not to be asked now */
};

/* What one client call came to. */
struct rig_end {
    bool ended, was_sent;
    unsigned events, messages, sent;
    enum rpc_code code;
    char reason[80];
    char detail[FAILURE_DETAIL_MAX];
    int64_t server_time_ms;
    struct buffer reply;             /* the last message */
    struct rpc_call **drop_in_event; /* drop this call from within its first event */
};

/* rig_open starts loop, gRPC and a server that is `server_id`; rig_close ends all: nothing may hang. */
void rig_open(struct rig *rig, const char *server_id);
void rig_close(struct rig *rig);

/* rig_run turns the loop until *flag, or fails the test after ten seconds. rig_turn turns it for `ms`. */
void rig_run(struct rig *rig, const bool *flag);
void rig_turn(struct rig *rig, unsigned ms);

/* rig_trust is what a client of this mesh expects: the control plane, by the mesh's roots. */
struct rpc_client_trust rig_trust(const struct rig *rig, struct svid *svid);

/* rig_event is the callback of a call; its user is a struct rig_end. */
void rig_event(void *user, const struct rpc_event *event);

/* rig_call makes one unary call over a fresh channel with these credentials and waits for its end. */
void rig_call(struct rig *rig, struct rpc_client_credentials *credentials, const char *method,
              const char *request, struct rig_end *out_end);

/* rig_ask is rig_call with credentials of its own, and gives the verifier's refusal ("" when there was none). */
void rig_ask(struct rig *rig, const struct rpc_client_trust *trust, const char *method,
             const char *request, struct rig_end *out_end, char out_refusal[80]);

/* rig_call_on makes one unary call over a channel that stays. */
void rig_call_on(struct rig *rig, struct rpc_channel *channel, const char *method,
                 struct bytes request, struct rig_end *out_end);

void rig_end_clear(struct rig_end *end);

/* rig_threads counts the threads of this process. */
unsigned rig_threads(void);

#endif
