/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt: a new key, the request, and gRPC for as long as it takes. The token is read here, for this
 * attempt, and leaves only over a connection whose server has proved to be the control plane (I8).
 *
 * A use of a join token belongs to the key that it was first shown with (I6). So from the first bootstrap on its key
 * is kept until a certificate that works is in force: whatever was lost on the way, the same key asks again
 * free of charge.
 */
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/rpc/codec.h"
#include "core/sidecar/rotation/agent_parts.h"
#include "core/trust/identity/csr.h"
#include "mesh/v1/certificates.pb-c.h"

static ProtobufCBinaryData agent_binary(struct bytes from)
{
    return (ProtobufCBinaryData){.len = from.len,
                                 .data = (uint8_t *)(uintptr_t)from.at}; /* only read */
}

static enum status agent_pack_bootstrap(struct agent *agent, struct bytes csr_der,
                                        struct buffer *out_request, struct failure *why)
{
    Mesh__V1__BootstrapRequest request = MESH__V1__BOOTSTRAP_REQUEST__INIT;
    CLEARED(secret) token = {0};

    TRY(bootstrap_read_token(&agent->bootstrap, &token, why));
    token_watch_tried(&agent->token_watch, &token);
    request.token = agent_binary(secret_bytes(&token));
    request.csr_der = agent_binary(csr_der);
    request.instance_id = agent->instance_id;
    return codec_pack(&request.base, out_request, why);
}

static enum status agent_choose_key(struct agent *agent, struct failure *why)
{
    if (agent->attempt.method == AGENT_BOOTSTRAP && agent->retry_key != NULL) {
        agent->attempt.key = key_ref(agent->retry_key);
        return STATUS_OK;
    }
    return key_make(&agent->attempt.key, why);
}

/* After an attempt. Whether the server has bound the key, only the server knows: any failure keeps it. */
static void agent_keep_key(struct agent *agent)
{
    const struct agent_attempt *attempt = &agent->attempt;

    if (agent->why.reason == NULL) {
        key_drop(&agent->retry_key);
    } else if (strcmp(agent->why.reason, "bootstrap/key-renewed") == 0) {
        key_drop(&agent->retry_key);
        agent->key_is_spent = true;
    } else if (attempt->method == AGENT_BOOTSTRAP && attempt->key != NULL &&
               agent->retry_key == NULL) {
        agent->retry_key = key_ref(attempt->key);
    }
}

static enum status agent_pack(struct agent *agent, struct buffer *out_request, struct failure *why)
{
    CLEARED(buffer) csr_der = {0};
    Mesh__V1__RenewRequest renew = MESH__V1__RENEW_REQUEST__INIT;

    buffer_init(&csr_der, CSR_MAX);
    TRY(agent_choose_key(agent, why));
    TRY(csr_make(agent->attempt.key, &csr_der, why));
    if (agent->attempt.method == AGENT_BOOTSTRAP) {
        return agent_pack_bootstrap(agent, buffer_bytes(&csr_der), out_request, why);
    }
    renew.csr_der = agent_binary(buffer_bytes(&csr_der));
    return codec_pack(&renew.base, out_request, why);
}

/*
 * Whom we expect and who we are. Once the control plane has told us its roots, the first ones count no more:
 * a mounted file could bring back a root that was removed (I9).
 */
static enum status agent_connect(struct agent *agent, struct bundle *first_roots,
                                 struct failure *why)
{
    struct agent_attempt *attempt = &agent->attempt;
    struct rpc_client_trust trust = {.expected = agent->control_id};

    trust.bundle = agent->bundle != NULL ? agent->bundle : first_roots;
    trust.pin = trust.bundle == NULL ? agent->bootstrap.pin : NULL;
    trust.svid = attempt->method == AGENT_RENEW ? agent->leaf.svid : NULL;
    attempt->queue = rpc_queue_start(agent->home);
    TRY(rpc_client_credentials_make(attempt->queue, &trust, &attempt->credentials, why));
    return rpc_channel_make(attempt->queue, agent->control_address,
                            rpc_client_credentials_raw(attempt->credentials), &attempt->channel,
                            why);
}

static void agent_call_event(void *user, const struct rpc_event *event)
{
    struct agent *agent = user;

    switch (event->kind) {
    case RPC_EVENT_MESSAGE:
        buffer_reset(&agent->attempt.reply);
        if (buffer_add(&agent->attempt.reply, event->message) != STATUS_OK) {
            (void)fail(&agent->why, STATUS_LIMIT, "agent/reply", "the reply is too long");
        }
        break;
    case RPC_EVENT_END:
        agent->attempt.code = event->code;
        agent->attempt.server_time_ms = event->server_time_ms;
        agent_hear_time(agent, event->server_time_ms);
        if (event->code != RPC_OK) {
            agent_explain(agent, event);
        }
        agent_asked(agent);
        break;
    default:
        break;
    }
}

enum status agent_ask(struct agent *agent, struct failure *why)
{
    struct agent_attempt *attempt = &agent->attempt;
    CLEARED(buffer) request = {0};
    OWNED(bundle) *first_roots = NULL;
    struct rpc_call_options options = {
        .method = attempt->method == AGENT_BOOTSTRAP ? "/mesh.v1.Certificates/Bootstrap"
                                                     : "/mesh.v1.Certificates/Renew",
        .limit_ms = agent->call_limit_ms,
    };
    enum status status;

    buffer_init(&request, RPC_MESSAGE_MAX);
    buffer_init(&attempt->reply, RPC_MESSAGE_MAX);
    if (agent->bundle == NULL && !agent->bootstrap.pinned) {
        TRY(bootstrap_read_bundle(&agent->bootstrap, agent->trust_domain, &first_roots, why));
    }
    status = agent_pack(agent, &request, why);
    if (status == STATUS_OK) {
        status = agent_connect(agent, first_roots, why);
    }
    if (status == STATUS_OK) {
        options.request = buffer_bytes(&request);
        status = rpc_call_start(attempt->channel, &options, agent_call_event, agent, &attempt->call,
                                why);
    }
    memory_wipe(request.at, request.room); /* it may hold the token */
    return status;
}

static void agent_queue_closed(void *user)
{
    agent_left(user);
}

bool agent_leave(struct agent *agent)
{
    struct agent_attempt *attempt = &agent->attempt;
    struct rpc_queue *queue = TAKE(attempt->queue);

    agent_keep_key(agent);
    rpc_call_drop(&attempt->call);
    rpc_channel_drop(&attempt->channel);
    rpc_client_credentials_drop(&attempt->credentials);
    key_drop(&attempt->key);
    buffer_clear(&attempt->reply);
    if (queue == NULL) {
        return false;
    }
    rpc_queue_close(queue, agent_queue_closed, agent);
    return true;
}
