/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rotation agent: keeps a workload's certificate alive for the process's whole life.
 *
 * A state machine on the main loop (agent.c holds its table): wait → key and CSR → ask the control
 * plane → check → publish → wait. With a live leaf it renews over mutual TLS; without one it attests with
 * its token file, which it reads at every attempt and watches while it waits for a better token. A failure
 * never ends it and never takes a valid identity away: it backs off (0.5 s to 60 s, full jitter) and goes on.
 * A new certificate that our own clock calls one of another time does not replace one that works: it is kept for
 * its time, in memory, and another is asked for. gRPC lives only while it asks.
 *
 * Elsewhere: when (schedule.h), whom to trust at first (bootstrap.h), who gets the result (current.h),
 * identities from files instead (files.h).
 */
#ifndef SIGNET_CORE_SIDECAR_ROTATION_AGENT_H
#define SIGNET_CORE_SIDECAR_ROTATION_AGENT_H

#include "core/runtime/base/status.h"
#include "core/runtime/loop/worker.h"
#include "core/sidecar/rotation/current.h"

struct agent;

/* Longest token that is read, and the mode that it needs: nobody but its owner, and group to read. */
#define AGENT_TOKEN_MAX ((size_t)16 * 1024)

/* What the agent has to say, once each time it happens. The text is for one log line. */
enum agent_news {
    AGENT_NEWS_ISSUED, /* a new certificate is in force */
    AGENT_NEWS_SWAPPED, /* the other one that we hold is in force: its time has come, or a clock was set */
    AGENT_NEWS_FAILED, /* an attempt failed; view.last_error says why, and the old identity stays */
    AGENT_NEWS_WORRY,  /* three quarters of life are gone without a renewal */
    AGENT_NEWS_EXPIRED, /* the certificate has ended */
    AGENT_NEWS_CLOCK,   /* the wall clock was stepped; deadlines were judged again */
};

/* All that a person or a page wants to know of an agent. Copied: valid on its own. */
struct agent_view {
    const char *state;             /* "waiting", "asking", …; a literal */
    const char *method;            /* of the last attempt: "bootstrap", "renew", or "" */
    char serial[48];               /* of the leaf in force, hex; "" without one */
    int64_t issued_at;             /* Unix s; 0 without a certificate */
    int64_t next_renewal;          /* Unix s on our clock; 0 without a certificate */
    int64_t not_after;             /* Unix s */
    char kept_serial[48];          /* of a newer leaf that waits for its time; "" without one */
    int64_t kept_begins_at;        /* Unix s; 0 without one */
    int64_t outage_budget_s;       /* seconds until we can no longer prove ourselves */
    int64_t next_attempt_ms;       /* ms from now; -1 while one is running */
    uint64_t attempts;             /* since start */
    uint64_t issued;               /* good certificates received since start, kept ones too */
    uint32_t failures;             /* attempts failed since the last success */
    const char *last_error_reason; /* "" when there was none; a stable word */
    char last_error_detail[FAILURE_DETAIL_MAX];
    int64_t last_error_at;    /* Unix s */
    bool skew_known;          /* the server has told us its time */
    int64_t skew_ms;          /* our clock minus the server's: negative, we are behind */
    uint64_t bundle_sequence; /* of the roots in force */
};

typedef void (*agent_news_fn)(void *user, enum agent_news news, const struct agent_view *view);

struct agent_options {
    const char *control_address; /* "host:port" */
    const char *trust_domain;    /* ours and the control plane's */
    const char *token_file;      /* NULL: none, only a live leaf can renew */
    const char *bundle_file;     /* PEM of the first roots, or NULL */
    const char *bundle_sha256; /* 64 hex digits: the root's pin, or NULL. Exactly one of the two */
    uint32_t call_limit_ms;    /* longest attempt; 0: 15000 */
    agent_news_fn news;        /* may be NULL */
    void *user;
};

/*
 * agent_start begins at once with a first attempt. Strings are copied. `current` must outlive the agent.
 * STATUS_CONFIG "agent/first-bundle" (none or both of the two, or a pin that is not 64 hex digits),
 * "agent/trust-domain", "agent/control-address". A missing file is not an error here: it is looked for at
 * each attempt. Home's thread.
 */
enum status agent_start(struct worker *home, struct current *current,
                        const struct agent_options *options, struct agent **out_agent,
                        struct failure *why) MUST_USE;

/*
 * agent_close gives up what is running, frees the agent and then calls closed(user) on the loop (NULL:
 * nobody). The identity in `current` stays. No news comes after this call.
 */
void agent_close(struct agent *agent, void (*closed)(void *user), void *user);

/* agent_hurry makes the next attempt now, unless one is running: for HUP, and for a person. */
void agent_hurry(struct agent *agent);

/*
 * agent_reconsider judges the deadlines against both clocks now, and asks at once when they have passed: for a
 * handshake that finds its own leaf old. The agent does the same each second and at each step of the clock.
 */
void agent_reconsider(struct agent *agent);

/* agent_look copies the present state. */
void agent_look(const struct agent *agent, struct agent_view *out_view);

#endif
