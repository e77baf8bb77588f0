/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's struct and what its files do for each other. Inside this folder only.
 *
 *   agent.c         the states and the clocks      agent_ask.c     the request, and gRPC's short life
 *   agent_judge.c   the reply, to a certificate    agent_leaves.c  which certificate is in force
 *   agent_explain.c why a call failed, in words    agent_report.c  what people see: view, log, metrics
 */
#ifndef SIGNET_CORE_SIDECAR_ROTATION_AGENT_PARTS_H
#define SIGNET_CORE_SIDECAR_ROTATION_AGENT_PARTS_H

#include "core/runtime/base/buffer.h"
#include "core/runtime/loop/backoff.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/rpc/call.h"
#include "core/runtime/rpc/channel.h"
#include "core/runtime/rpc/credentials.h"
#include "core/runtime/telemetry/log.h"
#include "core/sidecar/rotation/agent.h"
#include "core/sidecar/rotation/bootstrap.h"
#include "core/sidecar/rotation/clock_watch.h"
#include "core/sidecar/rotation/clocks.h"
#include "core/sidecar/rotation/leaf.h"
#include "core/sidecar/rotation/schedule.h"
#include "core/sidecar/rotation/token_watch.h"

enum agent_state {
    AGENT_WAITING, /* for the moment of renewal, or the end of a back-off; gRPC is off */
    AGENT_ASKING,  /* key and request are made, the call runs */
    AGENT_JUDGING, /* the reply is here */
    AGENT_LEAVING, /* gRPC is going */
    AGENT_CLOSED,  /* waiting for the last handles */
    AGENT_STATES,
};

enum agent_method {
    AGENT_BOOTSTRAP, /* with the token, no certificate of ours */
    AGENT_RENEW,     /* with the leaf in force */
};

/* One attempt: everything here is made for it and gone after it. */
struct agent_attempt {
    enum agent_method method;
    struct key *key;         /* reference; the new certificate's, never another's (I3) */
    struct rpc_queue *queue; /* gRPC's life */
    struct rpc_client_credentials *credentials;
    struct rpc_channel *channel;
    struct rpc_call *call;
    struct buffer reply;
    int64_t server_time_ms; /* 0: the server did not answer */
    enum rpc_code code;
};

struct agent {
    struct worker *home;     /* borrowed; the one thread that may touch this struct */
    struct current *current; /* borrowed; outlives us */
    struct log log;
    char *control_address;       /* owned */
    char *trust_domain;          /* owned */
    struct spiffe_id control_id; /* who the control plane must be */
    struct bootstrap bootstrap;
    char instance_id[33]; /* drawn at start */
    uint32_t call_limit_ms;
    agent_news_fn news; /* NULL once closed */
    void *user;

    enum agent_state state;        /* only agent_enter() writes it */
    uint64_t next_attempt_boot_ms; /* in WAITING: on the boot clock */
    uint64_t earliest_boot_ms;     /* no renewal before this, whatever the schedule says */
    bool hurried;                  /* somebody wants the next attempt now */
    struct timer tick;
    struct clock_watch clock_watch;
    struct schedule_now last_seen; /* both clocks at the last tick */
    int open_handles;              /* libuv's, not yet closed; 0 in CLOSED frees us */
    bool watching_clock;
    bool closing;
    void (*closed)(void *user);
    void *closed_user;

    struct agent_attempt attempt;
    struct failure why; /* of the running attempt; reason NULL: it did not fail */
    struct backoff backoff;
    struct key *retry_key; /* reference: of a bootstrap that brought nothing that works; or NULL */
    bool key_is_spent;     /* the server will not have that key again: ask with another one now */
    bool refused;          /* the server took neither leaf nor token: show it the other one */
    struct token_watch token_watch;
    bool token_changed;  /* the next attempt is with the token, whatever the leaf is */
    bool token_settling; /* the file changes: look at it again soon */
    uint64_t token_look_boot_ms; /* no look at it before this */

    struct leaf leaf;      /* in force; its svid is NULL before the first */
    struct leaf spare;     /* one more at most: kept for its time, or the predecessor */
    struct bundle *bundle; /* reference: the newest roots that we have seen */
    uint64_t generation;   /* of the last identity set */
    enum schedule_verdict told; /* the worst that people were told of this certificate */

    bool tried; /* there was an attempt: attempt.method means something */
    uint64_t attempts, issued;
    struct failure last_error;
    int64_t last_error_at; /* Unix s */
    bool skew_known;
    int64_t skew_ms;
    struct clocks clocks;
    char clock_words[CLOCKS_TEXT_MAX]; /* whose clock is wrong, of the last attempt; or "" */
};

/* agent_now reads both clocks. */
struct schedule_now agent_now(void);

/* agent_draw is 32 random bits of the kernel. */
uint32_t agent_draw(void);

/*
 * agent_ask makes key, request and connection, and starts the call; agent_asked() comes when it has ended.
 * Any failure leaves what there is to agent_leave().
 */
enum status agent_ask(struct agent *agent, struct failure *why) MUST_USE;

/* agent_asked: the call has ended; agent->attempt and agent->why say how. In agent.c. */
void agent_asked(struct agent *agent);

/*
 * agent_explain fills agent->why from a call that failed: whether the control plane cannot be reached, is not
 * trusted or refuses, in its whole text, with whose clock is wrong and what to do.
 */
void agent_explain(struct agent *agent, const struct rpc_event *end);

/* agent_leave gives back all of the attempt; true when gRPC is still going and agent_left() will come. */
bool agent_leave(struct agent *agent);

/* agent_left: gRPC has gone. In agent.c. */
void agent_left(struct agent *agent);

/*
 * agent_judge reads the reply and hands the new certificate to agent_take(), whose refusals it passes on. Nothing
 * changes on another refusal:
 * "agent/reply", "agent/bundle-domain", "agent/bundle-empty", "agent/bundle-went-back", "agent/bundle-changed",
 * "agent/other-domain", "agent/not-trusted", "agent/dates", and what codec, svid, bundle and identity_set refuse.
 */
enum status agent_judge(struct agent *agent, struct failure *why) MUST_USE;

/*
 * agent_take puts a certificate that the roots vouch for in force, or keeps it for its time while a better one
 * serves. STATUS_UNTRUSTED "agent/not-yet-valid" and "agent/expired": it is held, but by our own clock it does not
 * work now, and another should be asked for.
 */
enum status agent_take(struct agent *agent, struct svid *svid, struct bundle *bundle,
                       const struct schedule *schedule, struct failure *why) MUST_USE;

/* agent_swap_leaves puts the other certificate in force when by now it is the better one. */
void agent_swap_leaves(struct agent *agent, struct schedule_now now);

/* agent_vouched: would peers accept `svid` at `at_s`, in both directions? "agent/not-trusted". */
enum status agent_vouched(const struct svid *svid, const struct bundle *bundle, int64_t at_s,
                          struct failure *why) MUST_USE;

/* agent_hear_time notes the server's time, and whose clock is wrong. 0: it did not say. */
void agent_hear_time(struct agent *agent, int64_t server_time_ms);

/* agent_report tells log, metrics and agent->news. */
void agent_report(struct agent *agent, enum agent_news news);

/* agent_gauge brings the gauges that move by themselves up to date. */
void agent_gauge(const struct agent *agent, struct schedule_now now);

/* agent_reason gives a literal for a reason word that came from a peer; a bounded number of different ones. */
const char *agent_reason(const char *word);

/* agent_state_word is the state's name. In agent.c. */
const char *agent_state_word(enum agent_state state);

#endif
