/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gRPC server: services as tables of methods. A handler gets the request and who is asking, and
 * answers now or later, with a message or with a status and a reason word.
 *
 * Every answer carries the server's time and, on refusal, the reason in trailing metadata
 * (proto/README.md). gRPC's own limits lie behind ours, so that ours answer; what only gRPC can refuse
 * carries no word: a message or metadata beyond RPC_SERVER_SLACK times ours, a stream too many of
 * one connection, a call that comes while the server ends, a caller's own deadline, and whatever
 * does not get as far as a call (TCP, TLS, HTTP/2).
 *
 * Before a handler runs, the caller has been judged for this very call: a resumed session is refused,
 * a certificate is verified again against today's roots and clock, and a method that needs an identity
 * is not reached without one.
 *
 * Elsewhere: who the callers are (credentials.h gives `judge`), messages (codec.h).
 */
#ifndef SIGNET_CORE_RUNTIME_RPC_SERVER_H
#define SIGNET_CORE_RUNTIME_RPC_SERVER_H

#include <stdbool.h>

#include "core/runtime/rpc/event.h"
#include "core/runtime/rpc/queue.h"

/*
 * Calls that are open at once. When all places are taken, the oldest call that has sent nothing is
 * refused with "rpc/too-many-calls", else the oldest whose answer is not taken is cancelled; those
 * beyond wait in gRPC for room.
 */
#define RPC_SERVER_EXCHANGES_MAX 256

/* How much more than we take gRPC takes in, so that the refusal is ours. */
#define RPC_SERVER_SLACK 4

struct rpc_server;
struct rpc_exchange;
struct grpc_server_credentials;

/* One method of a service. The table must outlive the server. */
struct rpc_method {
    const char *name;    /* "/mesh.v1.Certificates/Renew" */
    bool needs_identity; /* refused with "rpc/no-identity" when the caller showed no certificate */
    bool streaming;      /* false: one MESSAGE, one answer */
    /*
     * May it be asked now, by this address? First of all, before a certificate shown costs us
     * anything; any status but STATUS_OK refuses the call with why->reason. May be NULL.
     */
    enum status (*admit)(void *service, struct rpc_exchange *exchange, struct failure *why);
    /* The caller has shown a certificate and it is good: rpc_exchange_peer(). May be NULL. */
    void (*proved)(void *service, struct rpc_exchange *exchange);
    /*
     * What the client does: unary calls give one MESSAGE; streams give MESSAGE*, HALF_CLOSE. END comes
     * once, last: after our own answer, or as CANCELLED when the client went away first. After END the
     * exchange is gone. Never from inside a function of this header.
     */
    void (*event)(void *service, struct rpc_exchange *exchange, const struct rpc_event *event);
    void *service; /* first argument of all three; outlives the server */
};

/* What a caller presented in the TLS handshake. Borrowed for the judgement. */
struct rpc_presented {
    const char *leaf_pem; /* NULL: no certificate */
    size_t leaf_pem_len;
    const char *chain_pem; /* what else it sent; may hold the leaf again; may be NULL */
    size_t chain_pem_len;
};

/* Who callers are; rpc_server_credentials_judge() gives one. */
struct rpc_judge {
    /*
     * judge verifies what a caller presented, at this moment. STATUS_OK with *out_peer NULL: nobody (no
     * certificate). Any other status refuses the call with why->reason. On the server's loop.
     */
    enum status (*judge)(void *user, const struct rpc_presented *presented, void **out_peer,
                         struct failure *why);
    void (*peer_drop)(void *peer);
    void *user; /* outlives the server */
};

struct rpc_server_options {
    const char *address; /* "0.0.0.0:15012", "[::]:0"; borrowed for the start */
    struct grpc_server_credentials *credentials; /* borrowed for the start */
    struct rpc_judge judge;
    const struct rpc_method *methods; /* borrowed: outlives the server */
    size_t num_methods;
};

/*
 * rpc_server_start listens and serves on the queue's home loop.
 * STATUS_IO "rpc/listen" (address in use, not ours, malformed). Home's thread.
 */
enum status rpc_server_start(struct rpc_queue *queue, const struct rpc_server_options *options,
                             struct rpc_server **out_server, struct failure *why) MUST_USE;

/* rpc_server_port is the port that it listens on. */
uint16_t rpc_server_port(const struct rpc_server *server);

/* rpc_server_open_calls is how many exchanges are open now. */
size_t rpc_server_open_calls(const struct rpc_server *server);

/*
 * rpc_server_close stops listening, lets open calls finish for `grace_ms`, refuses the rest with
 * "rpc/shutting-down", frees itself and then calls closed(user) on the loop (closed may be NULL).
 * Home's thread.
 */
void rpc_server_close(struct rpc_server *server, uint32_t grace_ms, void (*closed)(void *user),
                      void *user);

/* rpc_exchange_peer is what judge() gave for this caller, or NULL; lives as long as the exchange. */
void *rpc_exchange_peer(const struct rpc_exchange *exchange);

/* rpc_exchange_address is gRPC's text of the caller's address ("ipv4:10.0.0.7:41234"); never NULL. */
const char *rpc_exchange_address(const struct rpc_exchange *exchange);

/* rpc_exchange_method is the method that was called. */
const struct rpc_method *rpc_exchange_method(const struct rpc_exchange *exchange);

/* rpc_exchange_hold keeps a pointer of the handler's own at the exchange; rpc_exchange_held gives it back. */
void rpc_exchange_hold(struct rpc_exchange *exchange, void *held);
void *rpc_exchange_held(const struct rpc_exchange *exchange);

/*
 * rpc_exchange_reply answers with one message (copied) and OK, and ends the call. A message longer than
 * RPC_MESSAGE_MAX is our own mistake: the call ends with INTERNAL "rpc/message-too-long".
 */
void rpc_exchange_reply(struct rpc_exchange *exchange, struct bytes message);

/*
 * rpc_exchange_refuse ends the call with a status other than OK. `reason` is a stable literal; `detail`
 * is copied, and must hold nothing secret: the caller reads it.
 */
void rpc_exchange_refuse(struct rpc_exchange *exchange, enum rpc_code code, const char *reason,
                         const char *detail);

/* rpc_exchange_refuse_why is refuse with the code that fits `status`: rpc_code_of_status() (event.h). */
void rpc_exchange_refuse_why(struct rpc_exchange *exchange, enum status status,
                             const struct failure *why);

/*
 * rpc_exchange_send sends one message (copied) of a stream; SENT follows. STATUS_WAIT while the last one
 * is not sent; STATUS_LIMIT "rpc/message-too-long"; STATUS_CLOSED after the answer.
 */
enum status rpc_exchange_send(struct rpc_exchange *exchange, struct bytes message,
                              struct failure *why) MUST_USE;

/* rpc_exchange_finish ends a stream with OK. */
void rpc_exchange_finish(struct rpc_exchange *exchange);

#endif
