/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reply, checked as a whole before anything of it counts: what it holds → the roots (they never go back,
 * I9) → the chain (our key, our trust domain) → that peers will accept it → its dates. What then becomes of the
 * certificate is agent_leaves.c.
 */
#include <stdlib.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/rpc/codec.h"
#include "core/sidecar/rotation/agent_parts.h"
#include "mesh/v1/certificates.pb-c.h"

static struct bytes agent_slice(ProtobufCBinaryData from)
{
    return bytes_make(from.data, from.len);
}

void agent_hear_time(struct agent *agent, int64_t server_time_ms)
{
    struct schedule_now now = agent_now();

    clocks_say(&agent->clocks, now, server_time_ms, agent->clock_words);
    if (server_time_ms > 0) {
        clocks_hear(&agent->clocks, now, server_time_ms);
        agent->skew_known = true;
        agent->skew_ms = now.unix_ms - server_time_ms;
    }
}

static enum status agent_join(const ProtobufCBinaryData *parts, size_t num_parts,
                              struct buffer *out, struct failure *why)
{
    for (size_t i = 0; i < num_parts; i++) {
        if (buffer_add(out, agent_slice(parts[i])) != STATUS_OK) {
            return fail(why, STATUS_LIMIT, "agent/reply", "certificates of more than %zu bytes",
                        out->max);
        }
    }
    return STATUS_OK;
}

/* The roots in force after this reply. A sequence never goes back, and stands for one set of roots. */
static enum status agent_judge_bundle(struct agent *agent, const Mesh__V1__TrustBundle *told,
                                      struct bundle **out_bundle, struct failure *why)
{
    CLEARED(buffer) roots_der = {0};
    OWNED(bundle) *bundle = NULL;

    if (!bytes_equal_text(bytes_of(told->trust_domain), agent->trust_domain)) {
        return fail(why, STATUS_UNTRUSTED, "agent/bundle-domain",
                    "roots for \"%.80s\"; we are of \"%.80s\"", told->trust_domain,
                    agent->trust_domain);
    }
    if (told->n_root_der == 0) {
        return fail(why, STATUS_UNTRUSTED, "agent/bundle-empty", "the reply names no root");
    }
    buffer_init(&roots_der, RPC_MESSAGE_MAX);
    TRY(agent_join(told->root_der, told->n_root_der, &roots_der, why));
    TRY(bundle_parse_der(bytes_of(agent->trust_domain), buffer_bytes(&roots_der), told->sequence,
                         &bundle, why));
    if (agent->bundle != NULL && told->sequence < bundle_sequence(agent->bundle)) {
        return fail(why, STATUS_UNTRUSTED, "agent/bundle-went-back",
                    "roots number %llu after number %llu: the control plane may have been restored "
                    "from an old "
                    "backup; restart this sidecar to accept it",
                    (unsigned long long)told->sequence,
                    (unsigned long long)bundle_sequence(agent->bundle));
    }
    if (agent->bundle != NULL && told->sequence == bundle_sequence(agent->bundle)) {
        if (!bundle_same_roots(agent->bundle, bundle)) {
            return fail(why, STATUS_UNTRUSTED, "agent/bundle-changed",
                        "other roots under the same number %llu",
                        (unsigned long long)told->sequence);
        }
        *out_bundle = bundle_ref(agent->bundle); /* nobody need look at it again */
        return STATUS_OK;
    }
    *out_bundle = TAKE(bundle);
    return STATUS_OK;
}

enum status agent_vouched(const struct svid *svid, const struct bundle *bundle, int64_t at_s,
                          struct failure *why)
{
    static const enum verify_use uses[] = {VERIFY_CLIENT, VERIFY_SERVER};
    struct bytes chain[SVID_CERTS_MAX];
    struct verified_peer self;
    struct failure cause = {0};

    for (size_t i = 0; i < svid_num_certs(svid); i++) {
        chain[i] = svid_cert_der(svid, i);
    }
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        if (verify_peer(bundle, chain, svid_num_certs(svid), uses[i], at_s, &self, &cause) !=
            STATUS_OK) {
            return fail(why, STATUS_UNTRUSTED, "agent/not-trusted",
                        "the new certificate would be refused: %s: %s", cause.reason, cause.detail);
        }
    }
    return STATUS_OK;
}

static enum status agent_judge_svid(struct agent *agent, const Mesh__V1__IssueReply *reply,
                                    const struct bundle *bundle, struct svid **out_svid,
                                    struct failure *why)
{
    CLEARED(buffer) chain_der = {0};
    OWNED(svid) *svid = NULL;

    buffer_init(&chain_der, SVID_CHAIN_MAX);
    TRY(agent_join(reply->chain_der, reply->n_chain_der, &chain_der, why));
    TRY(svid_parse(buffer_bytes(&chain_der), agent->attempt.key, &svid, why));
    if (!bytes_equal_text(spiffe_id_trust_domain(svid_id(svid)), agent->trust_domain)) {
        return fail(why, STATUS_UNTRUSTED, "agent/other-domain",
                    "a certificate for %.120s; we are of \"%.60s\"", svid_id(svid)->text,
                    agent->trust_domain);
    }
    /* At the server's time: whom the roots vouch for. What our own clock says is the next question. */
    TRY(agent_vouched(svid, bundle, reply->server_time_ms / 1000, why));
    *out_svid = TAKE(svid);
    return STATUS_OK;
}

static enum status agent_judge_dates(const Mesh__V1__IssueReply *reply, const struct svid *svid,
                                     struct schedule *out_schedule, struct failure *why)
{
    struct schedule_told told = {
        .issued_at = reply->issued_at,
        .renew_at = reply->renew_at,
        .not_after = reply->not_after,
        .server_ms = reply->server_time_ms,
    };

    if (svid_expires_at(svid) < told.not_after) {
        told.not_after = svid_expires_at(svid);
    }
    if (!schedule_make(&told, agent_now(), agent_draw(), out_schedule)) {
        return fail(why, STATUS_PROTOCOL, "agent/dates",
                    "the control plane contradicts itself: issued %s, ends %s, told at %s",
                    clock_utc(told.issued_at).text, clock_utc(told.not_after).text,
                    clock_utc(told.server_ms / 1000).text);
    }
    return STATUS_OK;
}

static enum status agent_judge_reply(struct agent *agent, const Mesh__V1__IssueReply *reply,
                                     struct failure *why)
{
    OWNED(bundle) *bundle = NULL;
    OWNED(svid) *svid = NULL;
    struct schedule schedule;

    if (reply->bundle == NULL || reply->n_chain_der == 0 || reply->n_chain_der > SVID_CERTS_MAX) {
        return fail(why, STATUS_PROTOCOL, "agent/reply",
                    "the reply holds %zu certificates and %s roots", reply->n_chain_der,
                    reply->bundle == NULL ? "no" : "some");
    }
    agent_hear_time(agent, reply->server_time_ms);
    TRY(agent_judge_bundle(agent, reply->bundle, &bundle, why));
    TRY(agent_judge_svid(agent, reply, bundle, &svid, why));
    TRY(agent_judge_dates(reply, svid, &schedule, why));
    return agent_take(agent, svid, bundle, &schedule, why);
}

enum status agent_judge(struct agent *agent, struct failure *why)
{
    ProtobufCMessage *message = NULL;
    enum status status;

    TRY(codec_unpack(&mesh__v1__issue_reply__descriptor, buffer_bytes(&agent->attempt.reply),
                     CODEC_BUDGET, &message, why));
    status = agent_judge_reply(agent, (const Mesh__V1__IssueReply *)(const void *)message, why);
    codec_free(message);
    return status;
}
