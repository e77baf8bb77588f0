/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's struct and what its files do for each other. Inside this folder only.
 *
 *   agent.c         the states and the clocks      agent_ask.c    the request, and gRPC's short life
 *   agent_judge.c   the reply, to an identity set  agent_report.c what people see: view, log, metrics
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
#include "core/sidecar/rotation/schedule.h"

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
    struct key *retry_key;            /* reference: of a bootstrap whose answer was lost, or NULL */
    uint64_t retry_key_until_boot_ms; /* after that it is a new request with a new key */
    bool renewal_refused;             /* the server would not take our leaf: attest again */

    struct svid *svid;          /* reference: ours, in force */
    struct bundle *bundle;      /* reference: the newest roots that we have seen */
    struct schedule schedule;   /* of svid */
    uint64_t generation;        /* of the last identity set */
    enum schedule_verdict told; /* the worst that people were told of this certificate */

    bool tried; /* there was an attempt: attempt.method means something */
    uint64_t attempts, issued;
    struct failure last_error;
    int64_t last_error_at; /* Unix s */
    bool skew_known;
    int64_t skew_ms;
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

/* agent_leave gives back all of the attempt; true when gRPC is still going and agent_left() will come. */
bool agent_leave(struct agent *agent);

/* agent_left: gRPC has gone. In agent.c. */
void agent_left(struct agent *agent);

/*
 * agent_judge reads the reply and puts the new identity in force. Nothing changes on a refusal.
 * "agent/reply", "agent/bundle-domain", "agent/bundle-empty", "agent/bundle-went-back", "agent/bundle-changed",
 * "agent/other-domain", "agent/not-trusted", "agent/dates", and what codec, svid, bundle and identity_set refuse.
 */
enum status agent_judge(struct agent *agent, struct failure *why) MUST_USE;

/* agent_hear_time notes the server's time. */
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
