/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop with a control plane of the test's own on it (real gRPC, real TLS), which can be told to err, to
 * go away and to come back; and time that the test moves. It holds tokens to the real one's rule (I6): a use
 * belongs to one key, which may ask again until its instance has renewed; another key is another use. Its clock
 * may differ from the agent's: it judges, signs and answers by its own.
 */
#ifndef SIGNET_TESTS_UNIT_SIDECAR_ROTATION_CONTROL_RIG_H
#define SIGNET_TESTS_UNIT_SIDECAR_ROTATION_CONTROL_RIG_H

#include "core/control/ca/signer.h"
#include "core/runtime/rpc/credentials.h"
#include "core/runtime/rpc/server.h"
#include "core/sidecar/rotation/agent.h"
#include "tests/support/test_ca.h"

#define CONTROL_ID "spiffe://example.org/ns/signet-system/sa/signet-control"
#define WEB_ID "spiffe://example.org/ns/shop/sa/web"
#define TOKEN "canary-token-51c0ffee"
#define KEYS_MAX 256

struct control_rig {
    struct worker home;
    char folder[64]; /* for token and bundle files; removed at the end */
    char token_file[96], bundle_file[96];
    struct test_ca *root, *intermediate;
    struct bundle *bundle;
    struct signer signer; /* the intermediate's */

    struct rpc_queue *queue; /* NULL while the control plane is away */
    struct rpc_server_credentials *credentials;
    struct rpc_server *server;
    uint16_t port;
    char address[32];

    /* what it shall do */
    const char *own_id;      /* its identity; CONTROL_ID */
    int64_t own_shift_s;     /* of its own certificate's dates, at the next coming back */
    const char *workload_id; /* whom it makes of callers; WEB_ID */
    const char *token;       /* that it takes; another text is another token, unused */
    unsigned token_uses;     /* how often a token may be used; 1 */
    int64_t life_s;
    uint64_t sequence;         /* of the bundle it tells */
    const char *domain;        /* of the bundle it tells */
    struct test_ca *told_root; /* NULL: the real one */
    struct key *foreign_key;   /* the leaf is made for this key instead of the caller's */
    bool no_bundle, garbage, silent, wrong_dates;
    enum rpc_code refuse; /* RPC_OK: do not */
    const char *refuse_reason;
    int64_t refuse_renew_only;
    bool refuse_late;        /* a refused bootstrap has spent its use, as when signing fails */
    int64_t server_ahead_ms; /* its clock against ours: it judges, issues and answers by it */

    /* what it saw */
    unsigned bootstraps, renews;
    uint8_t keys[KEYS_MAX][128]; /* public keys, in order of arrival */
    size_t key_lens[KEYS_MAX];
    size_t num_keys;
    char caller[128]; /* of the last Renew */

    /* the token: which keys have used it, as indices into `keys`, and whether they have renewed */
    char used_token[64];
    size_t users[KEYS_MAX];
    bool renewed[KEYS_MAX];
    unsigned uses;
    enum status judged; /* the caller's certificate, by the server's clock */
    struct failure judged_why;

    /* the agent under test */
    struct current current;
    struct agent *agent;
    unsigned issued, swapped, failed, worried, expired, stepped;
    struct agent_view last; /* of the last news */
};

/* control_rig_open makes all but the agent; control_rig_close ends all, the agent too. */
void control_rig_open(struct control_rig *rig);
void control_rig_close(struct control_rig *rig);

/* control_rig_go_away ends the control plane; control_rig_come_back starts it on the same port. */
void control_rig_go_away(struct control_rig *rig);
void control_rig_come_back(struct control_rig *rig);

/* control_rig_agent_options are those of an ordinary agent: mounted bundle, token file. */
struct agent_options control_rig_agent_options(struct control_rig *rig);

/* control_rig_start starts the agent with them, or with `options`. */
void control_rig_start(struct control_rig *rig, const struct agent_options *options);

/*
 * control_rig_attempt turns the loop until the agent has finished one more attempt, and gRPC with it. A back-off
 * that is drawn as nothing can make two of one: count with >=.
 */
void control_rig_attempt(struct control_rig *rig);

/* control_rig_turn turns the loop for `ms` of real time. */
void control_rig_turn(struct control_rig *rig, unsigned ms);

/* control_rig_pass lets `s` seconds pass on boot and wall clock; control_rig_step sets the wall clock only. */
void control_rig_pass(int64_t s);
void control_rig_step(int64_t s);

/* control_rig_new_token makes it take `text` instead, and puts that into the agent's file. */
void control_rig_new_token(struct control_rig *rig, const char *text);

/* control_rig_write replaces a file's content. */
void control_rig_write(const char *path, struct bytes content);

/* control_rig_files counts what is in the rig's folder, and ordinary files that this process may write. */
unsigned control_rig_files(const struct control_rig *rig);
unsigned control_rig_writable(void);

/* control_rig_threads counts the threads of this process. */
unsigned control_rig_threads(void);

#endif
