/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/certificates.h"

#include <stdlib.h>
#include <string.h>

#include "core/control/registry/token.h"
#include "core/control/serve/caller.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/rpc/codec.h"
#include "core/runtime/rpc/credentials.h"
#include "core/runtime/telemetry/metrics.h"
#include "core/trust/identity/csr.h"
#include "mesh/v1/certificates.pb-c.h"

/* One request on its way through the service. */
struct certificates_job {
    struct certificates *service;
    struct rpc_exchange *exchange;
    enum metrics_label method;
    const char *method_name;
    struct bytes instance_id; /* what the caller calls itself: for the log only */
    struct issue_request request;
    uint64_t began_ms; /* monotonic */
};

static struct bytes certificates_slice(ProtobufCBinaryData field)
{
    return bytes_make(field.data, field.len);
}

static ProtobufCBinaryData certificates_field(struct bytes from)
{
    /* protobuf-c does not write through it when it packs. */
    return (ProtobufCBinaryData){.len = from.len, .data = (uint8_t *)(uintptr_t)from.at};
}

static void certificates_count(const struct certificates_job *job, enum status status,
                               const char *reason)
{
    enum metrics_label outcome = status == STATUS_OK   ? LABEL_OK
                                 : status == STATUS_IO ? LABEL_FAILED
                                                       : LABEL_REFUSED;

    metrics_add_reason(0, METRIC_ISSUED, job->method, outcome, reason, 1);
    metrics_observe(0, METRIC_ISSUE_DURATION, job->method, LABEL_NONE,
                    (clock_mono_ms() - job->began_ms) * 1000);
    if (job->method == LABEL_BOOTSTRAP && job->request.attestor != NULL) {
        metrics_add_reason(0, METRIC_TOKENS_REDEEMED, outcome, LABEL_NONE, reason, 1);
    }
    if (reason != NULL && strncmp(reason, "store/", 6) == 0) {
        metrics_add_reason(0, METRIC_STORE_ERRORS, LABEL_NONE, LABEL_NONE, reason, 1);
    }
}

/* The one place where a refused request is logged. */
static void certificates_note_refusal(const struct certificates_job *job, enum status status,
                                      const struct failure *why)
{
    const struct verified_peer *leaf = job->request.proof.leaf;
    char token_id[TOKEN_ID_SIZE] = "";
    struct digest hash;

    (void)token_identify(job->request.proof.token, token_id, &hash);

    log_event(&job->service->log, status == STATUS_IO ? LOG_ERROR : LOG_WARN, "certificate.refused",
              LOG_TEXT("method", job->method_name),
              LOG_TEXT("peer", rpc_exchange_address(job->exchange)),
              LOG_TEXT("peer_id", leaf == NULL ? NULL : leaf->id.text),
              LOG_TEXT("token_id", token_id[0] == '\0' ? NULL : token_id),
              LOG_BYTES("instance", job->instance_id), LOG_FAILURE(why));
    certificates_count(job, status, why->reason);
}

/* What the system said stays in our own log. */
static void certificates_refuse(const struct certificates_job *job, enum status status,
                                const struct failure *why)
{
    struct failure told = *why;

    certificates_note_refusal(job, status, why);
    if (status == STATUS_IO) {
        (void)fail(&told, status, why->reason, "the control plane failed; its log says why");
    }
    rpc_exchange_refuse_why(job->exchange, status, &told);
}

static enum status certificates_pack(const struct certificates_job *job,
                                     const struct issued *issued, struct buffer *out_message,
                                     struct failure *why)
{
    struct bundle *bundle = authority_bundle(job->service->issuer.authority);
    const struct bundle_domain *domain = bundle_domain(bundle, 0);
    struct bytes rest = buffer_bytes(&issued->certificate.chain_der);
    char *trust_domain = bytes_text(bundle_domain_name(domain));
    ProtobufCBinaryData chain[SVID_CERTS_MAX];
    ProtobufCBinaryData roots[BUNDLE_ROOTS_MAX];
    Mesh__V1__TrustBundle trust = MESH__V1__TRUST_BUNDLE__INIT;
    Mesh__V1__IssueReply reply = MESH__V1__ISSUE_REPLY__INIT;
    struct bytes der;
    enum status status;

    while (reply.n_chain_der < SVID_CERTS_MAX && certificate_next(&rest, &der)) {
        chain[reply.n_chain_der++] = certificates_field(der);
    }
    for (trust.n_root_der = 0; trust.n_root_der < bundle_num_roots(domain); trust.n_root_der++) {
        roots[trust.n_root_der] = certificates_field(bundle_root(domain, trust.n_root_der)->der);
    }
    trust.trust_domain = trust_domain;
    trust.root_der = roots;
    trust.sequence = bundle_sequence(bundle);
    reply.chain_der = chain;
    reply.bundle = &trust;
    reply.issued_at = issued->certificate.issued_at;
    reply.renew_at = issued->renew_at;
    reply.not_after = issued->certificate.not_after;
    reply.server_time_ms = clock_unix_ms();
    status = codec_pack(&reply.base, out_message, why);
    free(trust_domain);
    return status;
}

/* What a first certificate cost: which token, and how often it is still good. */
static void certificates_log_token(const struct certificates_job *job,
                                   const struct attested *attested)
{
    const struct token *token = &attested->token;

    log_event(&job->service->log, LOG_INFO, "token.used", LOG_TEXT("token_id", token->id),
              LOG_TEXT("entry", token->entry), LOG_TEXT("holder", attested->instance),
              LOG_TEXT("peer", rpc_exchange_address(job->exchange)),
              LOG_BOOL("repeated", attested->repeated),
              LOG_INT("uses_left", token_uses_left(token)),
              LOG_DATE("expires_at", token->expires_at));
    if (attested->second_key) {
        log_event(&job->service->log, LOG_WARN, "token.second-key",
                  LOG_TEXT("token_id", token->id), LOG_TEXT("entry", token->entry),
                  LOG_TEXT("holder", attested->instance),
                  LOG_TEXT("peer", rpc_exchange_address(job->exchange)),
                  LOG_BYTES("instance", job->instance_id),
                  LOG_TEXT("detail", "the same process has used this token with another key "
                                     "before: a defect of it, or a thief who names himself so"));
    }
}

static void certificates_log_issued(const struct certificates_job *job, const struct issued *issued)
{
    if (issued->attested.token.id[0] != '\0') {
        certificates_log_token(job, &issued->attested);
    }
    log_event(
        &job->service->log, LOG_INFO, "certificate.issued", LOG_TEXT("method", job->method_name),
        LOG_TEXT("attestor", job->request.attestor->name),
        LOG_TEXT("peer", rpc_exchange_address(job->exchange)),
        LOG_TEXT("entry", issued->attested.entry.name),
        LOG_TEXT("id", issued->attested.entry.spiffe_id.text),
        LOG_TEXT("holder", issued->attested.instance), LOG_BYTES("instance", job->instance_id),
        LOG_TEXT("serial", issued->certificate.serial_hex),
        LOG_DATE("not_after", issued->certificate.not_after),
        LOG_DATE("renew_at", issued->renew_at));
    if (issued->attested.adopted) {
        log_event(&job->service->log, LOG_WARN, "instance.adopted",
                  LOG_TEXT("entry", issued->attested.entry.name),
                  LOG_TEXT("holder", issued->attested.instance),
                  LOG_TEXT("detail", "a live leaf of no known instance: a copy, or our store was "
                                     "restored from a backup"));
    }
}

static void certificates_finish(struct certificates_job *job)
{
    CLEARED(issued) issued = {0};
    CLEARED(buffer) message = {.max = RPC_MESSAGE_MAX};
    struct failure why = {0};
    enum status status;

    job->request.proof.now = clock_unix_s();
    status = issue(&job->service->issuer, &job->request, &issued, &why);
    if (status == STATUS_OK) {
        status = certificates_pack(job, &issued, &message, &why);
    }
    if (status != STATUS_OK) {
        certificates_refuse(job, status, &why);
        return;
    }
    certificates_log_issued(job, &issued);
    certificates_count(job, STATUS_OK, NULL);
    rpc_exchange_reply(job->exchange, buffer_bytes(&message));
}

static enum status certificates_check_bounds(struct bytes csr, struct bytes token,
                                             struct failure *why)
{
    if (csr.len > CSR_MAX) {
        return fail(why, STATUS_LIMIT, "csr/too-long", "a request has at most %d bytes, not %zu",
                    CSR_MAX, csr.len);
    }
    if (token.len > TOKEN_MAX) {
        return fail(why, STATUS_LIMIT, "bootstrap/token-form",
                    "a token has at most %d bytes, not %zu", TOKEN_MAX, token.len);
    }
    return STATUS_OK;
}

/* Nothing of the call has been looked at yet: this is all that a stranger costs us. */
static enum status certificates_admit(struct certificates_job *job, struct strangers *strangers,
                                      struct failure *why)
{
    enum status status =
        strangers_admit(strangers, rpc_exchange_address(job->exchange), job->began_ms, why);

    if (status != STATUS_OK) {
        certificates_note_refusal(job, status, why);
    }
    return status;
}

static enum status certificates_admit_newcomer(void *user, struct rpc_exchange *exchange,
                                               struct failure *why)
{
    struct certificates *service = user;
    struct certificates_job job = {.service = service,
                                   .exchange = exchange,
                                   .method = LABEL_BOOTSTRAP,
                                   .method_name = "bootstrap",
                                   .began_ms = clock_mono_ms()};

    return certificates_admit(&job, &service->newcomers, why);
}

static enum status certificates_admit_unproved(void *user, struct rpc_exchange *exchange,
                                               struct failure *why)
{
    struct certificates *service = user;
    struct certificates_job job = {.service = service,
                                   .exchange = exchange,
                                   .method = LABEL_RENEW,
                                   .method_name = "renew",
                                   .began_ms = clock_mono_ms()};

    return certificates_admit(&job, &service->unproved, why);
}

/* The certificate was good: whoever shows such a one is no stranger, and has a limit of his own. */
static void certificates_proved(void *user, struct rpc_exchange *exchange)
{
    struct certificates *service = user;

    strangers_forgive(&service->unproved, rpc_exchange_address(exchange), clock_mono_ms());
}

static enum status certificates_read_bootstrap(struct certificates_job *job,
                                               const Mesh__V1__BootstrapRequest *message,
                                               struct failure *why)
{
    struct bytes token = certificates_slice(message->token);
    struct bytes csr = certificates_slice(message->csr_der);
    struct bytes instance_id = bytes_of(message->instance_id);

    TRY(certificates_check_bounds(csr, token, why));
    if (instance_id.len > CERTIFICATES_INSTANCE_ID_MAX) {
        return fail(why, STATUS_LIMIT, "bootstrap/instance-id",
                    "an instance id has at most %d bytes, not %zu", CERTIFICATES_INSTANCE_ID_MAX,
                    instance_id.len);
    }
    job->instance_id = instance_id;
    job->request.csr_der = csr;
    job->request.proof.token = token;
    job->request.proof.process = instance_id;
    (void)caller_ip(bytes_of(rpc_exchange_address(job->exchange)), &job->request.proof.address);
    job->request.attestor = &attest_join_token;
    return STATUS_OK;
}

static void certificates_bootstrap(void *user, struct rpc_exchange *exchange,
                                   const struct rpc_event *event)
{
    struct certificates_job job = {.service = user,
                                   .exchange = exchange,
                                   .method = LABEL_BOOTSTRAP,
                                   .method_name = "bootstrap",
                                   .began_ms = clock_mono_ms()};
    Mesh__V1__BootstrapRequest *request = NULL;
    ProtobufCMessage *message = NULL;
    struct failure why = {0};
    enum status status;

    if (event->kind != RPC_EVENT_MESSAGE) {
        return;
    }
    status = codec_unpack(&mesh__v1__bootstrap_request__descriptor, event->message, CODEC_BUDGET,
                          &message, &why);
    if (status == STATUS_OK) {
        request = (Mesh__V1__BootstrapRequest *)message;
        status = certificates_read_bootstrap(&job, request, &why);
    }
    if (status == STATUS_OK) {
        certificates_finish(&job);
    } else {
        certificates_refuse(&job, status, &why);
    }
    if (request != NULL && request->token.len > 0) {
        memory_wipe(request->token.data, request->token.len);
    }
    codec_free(message);
}

static enum status certificates_read_renew(struct certificates_job *job,
                                           const Mesh__V1__RenewRequest *message,
                                           struct failure *why)
{
    const struct verified_peer *peer = rpc_credentials_peer(job->exchange);

    job->request.csr_der = certificates_slice(message->csr_der);
    TRY(certificates_check_bounds(job->request.csr_der, (struct bytes){0}, why));
    job->request.attestor = &attest_leaf;
    job->request.proof.leaf = peer;
    if (peer != NULL &&
        !limit_take(&job->service->identities, spiffe_id_text(&peer->id), job->began_ms)) {
        return fail(why, STATUS_LIMIT, "renew/rate", "more than %d renewals a second as %.150s",
                    CERTIFICATES_IDENTITY_PER_SECOND, peer->id.text);
    }
    return STATUS_OK;
}

static void certificates_renew(void *user, struct rpc_exchange *exchange,
                               const struct rpc_event *event)
{
    struct certificates_job job = {.service = user,
                                   .exchange = exchange,
                                   .method = LABEL_RENEW,
                                   .method_name = "renew",
                                   .began_ms = clock_mono_ms()};
    ProtobufCMessage *message = NULL;
    struct failure why = {0};
    enum status status;

    if (event->kind != RPC_EVENT_MESSAGE) {
        return;
    }
    status = codec_unpack(&mesh__v1__renew_request__descriptor, event->message, CODEC_BUDGET,
                          &message, &why);
    if (status == STATUS_OK) {
        status = certificates_read_renew(&job, (const Mesh__V1__RenewRequest *)message, &why);
    }
    if (status == STATUS_OK) {
        certificates_finish(&job);
    } else {
        certificates_refuse(&job, status, &why);
    }
    codec_free(message);
}

void certificates_init(struct certificates *service, const struct issuer *issuer)
{
    static const struct strangers_plan newcomers = {
        .per_second = CERTIFICATES_ADDRESS_PER_SECOND,
        .burst = CERTIFICATES_ADDRESS_BURST,
        .all_per_second = CERTIFICATES_ALL_PER_SECOND,
        .all_burst = CERTIFICATES_ALL_BURST,
        .reason = "bootstrap/rate",
    };
    static const struct strangers_plan unproved = {
        .per_second = CERTIFICATES_ADDRESS_PROOFS_PER_SECOND,
        .burst = CERTIFICATES_ADDRESS_PROOFS_BURST,
        .all_per_second = CERTIFICATES_PROOFS_PER_SECOND,
        .all_burst = CERTIFICATES_PROOFS_BURST,
        .reason = "renew/rate",
    };
    uint64_t now_ms = clock_mono_ms();

    memset(service, 0, sizeof *service);
    log_init(&service->log, "control");
    service->issuer = *issuer;
    strangers_init(&service->newcomers, &newcomers, now_ms);
    strangers_init(&service->unproved, &unproved, now_ms);
    limit_init(&service->identities, CERTIFICATES_IDENTITY_PER_SECOND, CERTIFICATES_IDENTITY_BURST,
               now_ms);
    service->methods[0] = (struct rpc_method){.name = "/mesh.v1.Certificates/Bootstrap",
                                              .admit = certificates_admit_newcomer,
                                              .event = certificates_bootstrap,
                                              .service = service};
    service->methods[1] = (struct rpc_method){.name = "/mesh.v1.Certificates/Renew",
                                              .needs_identity = true,
                                              .admit = certificates_admit_unproved,
                                              .proved = certificates_proved,
                                              .event = certificates_renew,
                                              .service = service};
}

void certificates_clear(struct certificates *service)
{
    strangers_clear(&service->newcomers);
    strangers_clear(&service->unproved);
    limit_clear(&service->identities);
}
