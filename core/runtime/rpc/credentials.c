/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's half: gRPC's TLS credentials with our verifier. The server's is credentials_server.c.
 *
 * The verifier is called on one of gRPC's threads, posts the question home, and answers from our loop.
 * The struct of the credentials therefore lives until we and gRPC have both let go of it.
 */
#include "core/runtime/rpc/credentials.h"

#include <grpc/credentials.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/rpc/credentials_tls.h"
#include "core/trust/identity/pem.h"

struct rpc_client_credentials {
    grpc_tls_certificate_verifier_external external; /* gRPC's way back to us */
    grpc_channel_credentials *raw;                   /* owned; NULL once dropped */
    struct rpc_queue *queue;                         /* held until gRPC has let go of us */
    struct spiffe_id expected;
    struct bundle *bundle; /* reference, or NULL with a pin */
    uint8_t pin[RPC_PIN_SIZE];
    struct buffer root;     /* DER of the pinned root, once a server has proved it */
    struct failure refusal; /* reason NULL: none */
    struct mail let_go;     /* gRPC will not call us again */
    bool dropped, free_of_grpc;
};

/* One server to judge: from the verifier's thread to the loop. gRPC keeps the request until we answer. */
struct rpc_question {
    struct mail mail;
    struct rpc_client_credentials *credentials;
    grpc_tls_custom_verification_check_request *request;
    grpc_tls_on_custom_verification_check_done_cb answer;
    void *answer_user;
};

/* The roots to judge by: the given ones, or the pinned root that is in the chain. */
static enum status rpc_credentials_roots(const struct rpc_client_credentials *credentials,
                                         const struct credentials_chain *chain,
                                         struct bundle **out_bundle, struct failure *why)
{
    struct bytes domain = spiffe_id_trust_domain(&credentials->expected);

    if (credentials->bundle != NULL) {
        *out_bundle = bundle_ref(credentials->bundle);
        return STATUS_OK;
    }
    for (size_t i = 0; i < chain->num_certs; i++) {
        OWNED(bundle) *candidate = NULL;
        const struct bundle_domain *roots;

        if (bundle_parse_der(domain, chain->certs[i], 0, &candidate, NULL) != STATUS_OK) {
            continue; /* a leaf, or nothing that could be a root */
        }
        roots = bundle_find(candidate, domain);
        if (roots != NULL && bundle_num_roots(roots) == 1 &&
            memcmp(bundle_root_sha256(roots, 0), credentials->pin, RPC_PIN_SIZE) == 0) {
            *out_bundle = TAKE(candidate);
            return STATUS_OK;
        }
    }
    return fail(why, STATUS_UNTRUSTED, "rpc/pin",
                "none of the %zu certificates shown is the pinned root", chain->num_certs);
}

/*
 * The server's chain was refused. Our own word for it, because the control plane may refuse our certificate with
 * the very words of the verifier: those stay in the detail.
 */
static enum status rpc_credentials_blame(enum status status, const struct failure *cause,
                                         struct failure *why)
{
    static const struct {
        const char *verify, *reason;
    } rows[] = {
        {"verify/expired", "rpc/server-expired"},
        {"verify/not-yet-valid", "rpc/server-not-yet-valid"},
        {"verify/untrusted-root", "rpc/server-root"},
        {"verify/signature", "rpc/server-root"},
        {"verify/no-bundle", "rpc/other-identity"},
    };
    const char *reason = "rpc/server-certificate";

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(cause->reason, rows[i].verify) == 0) {
            reason = rows[i].reason;
        }
    }
    return fail(why, status, reason, "%s: %s", cause->reason, cause->detail);
}

static enum status rpc_credentials_judge(struct rpc_client_credentials *credentials,
                                         const grpc_tls_custom_verification_check_request *request,
                                         struct failure *why)
{
    const char *leaf = request->peer_info.peer_cert;
    const char *rest = request->peer_info.peer_cert_full_chain;
    __attribute__((cleanup(credentials_chain_clear))) struct credentials_chain chain = {0};
    OWNED(bundle) *roots = NULL;
    struct verified_peer peer;
    struct failure cause = {0};
    enum status status;

    TRY(credentials_chain_read(bytes_of(leaf == NULL ? "" : leaf),
                               bytes_of(rest == NULL ? "" : rest), &chain, why));
    TRY(rpc_credentials_roots(credentials, &chain, &roots, why));
    status = verify_peer(roots, chain.certs, chain.num_certs, VERIFY_SERVER, clock_unix_s(), &peer,
                         &cause);
    if (status != STATUS_OK) {
        return rpc_credentials_blame(status, &cause, why);
    }
    if (!spiffe_id_equal(&peer.id, &credentials->expected)) {
        return fail(why, STATUS_UNTRUSTED, "rpc/other-identity", "the server is %.100s, not %.100s",
                    peer.id.text, credentials->expected.text);
    }
    if (credentials->bundle == NULL) {
        buffer_reset(&credentials->root);
        return bundle_der(bundle_find(roots, spiffe_id_trust_domain(&credentials->expected)),
                          &credentials->root);
    }
    return STATUS_OK;
}

static void rpc_credentials_deliver(struct mail *mail)
{
    struct rpc_question *question = (struct rpc_question *)(void *)mail;
    struct rpc_client_credentials *credentials = question->credentials;
    struct failure why = {0};

    if (credentials->dropped) {
        question->answer(question->request, question->answer_user, GRPC_STATUS_CANCELLED,
                         "given up");
    } else if (rpc_credentials_judge(credentials, question->request, &why) != STATUS_OK) {
        credentials->refusal = why;
        question->answer(question->request, question->answer_user, GRPC_STATUS_UNAUTHENTICATED,
                         why.reason);
    } else {
        credentials->refusal = (struct failure){0};
        question->answer(question->request, question->answer_user, GRPC_STATUS_OK, "");
    }
    free(question);
}

/* Any of gRPC's threads. */
static int rpc_credentials_verify(void *user, grpc_tls_custom_verification_check_request *request,
                                  grpc_tls_on_custom_verification_check_done_cb answer,
                                  void *answer_user, grpc_status_code *now_status,
                                  char **now_detail)
{
    struct rpc_client_credentials *credentials = user;
    struct rpc_question *question = memory_make(sizeof *question);

    (void)now_status;
    (void)now_detail;
    question->mail.deliver = rpc_credentials_deliver;
    question->credentials = credentials;
    question->request = request;
    question->answer = answer;
    question->answer_user = answer_user;
    mailbox_post(&rpc_queue_home(credentials->queue)->mailbox, &question->mail);
    return 0;
}

/*
 * A cancelled question still wants its one answer (gRPC keeps request and connection until then), and that
 * answer is already on its way through the mailbox, which waits for nothing.
 */
static void rpc_credentials_cancel(void *user, grpc_tls_custom_verification_check_request *request)
{
    (void)user;
    (void)request;
}

/* Any of gRPC's threads, or ours: gRPC has no more questions. */
static void rpc_credentials_destruct(void *user)
{
    struct rpc_client_credentials *credentials = user;

    mailbox_post(&rpc_queue_home(credentials->queue)->mailbox, &credentials->let_go);
}

static void rpc_credentials_free_if_alone(struct rpc_client_credentials *credentials)
{
    if (credentials->dropped && credentials->free_of_grpc) {
        struct rpc_queue *queue = credentials->queue;

        bundle_drop(&credentials->bundle);
        buffer_clear(&credentials->root);
        free(credentials);
        rpc_queue_release(queue);
    }
}

static void rpc_credentials_let_go(struct mail *mail)
{
    struct rpc_client_credentials *credentials =
        (struct rpc_client_credentials *)(void *)((char *)mail -
                                                  offsetof(struct rpc_client_credentials, let_go));

    credentials->free_of_grpc = true;
    rpc_credentials_free_if_alone(credentials);
}

static enum status rpc_credentials_make_raw(struct rpc_client_credentials *credentials,
                                            struct svid *svid, struct failure *why)
{
    grpc_tls_credentials_options *options = grpc_tls_credentials_options_create();
    grpc_tls_certificate_verifier *verifier =
        grpc_tls_certificate_verifier_external_create(&credentials->external);
    enum status status = STATUS_OK;

    credentials_tls_posture(options);
    /* gRPC's own check of chain and host name is off, and it never looks at the system's roots then: ours decides. */
    grpc_tls_credentials_options_set_verify_server_cert(options, 0);
    grpc_tls_credentials_options_set_check_call_host(options, 0);
    grpc_tls_credentials_options_set_certificate_verifier(options, verifier);
    grpc_tls_certificate_verifier_release(verifier);
    if (svid != NULL) {
        grpc_tls_certificate_provider *provider = grpc_tls_certificate_provider_in_memory_create();

        status = credentials_tls_provide(provider, svid, (struct bytes){0}, why);
        grpc_tls_credentials_options_set_identity_certificate_provider(options, provider);
        grpc_tls_certificate_provider_release(provider);
    }
    if (status != STATUS_OK) {
        grpc_tls_credentials_options_destroy(options);
        return status;
    }
    credentials->raw = grpc_tls_credentials_create(options); /* takes the options over */
    return STATUS_OK;
}

enum status rpc_client_credentials_make(struct rpc_queue *queue,
                                        const struct rpc_client_trust *trust,
                                        struct rpc_client_credentials **out_credentials,
                                        struct failure *why)
{
    struct rpc_client_credentials *credentials;
    enum status status;

    if ((trust->bundle == NULL) == (trust->pin == NULL)) {
        return fail(why, STATUS_CONFIG, "rpc/trust", "either roots or a pinned root must be given");
    }
    credentials = memory_make(sizeof *credentials);
    credentials->queue = queue;
    credentials->external.user_data = credentials;
    credentials->external.verify = rpc_credentials_verify;
    credentials->external.cancel = rpc_credentials_cancel;
    credentials->external.destruct = rpc_credentials_destruct;
    credentials->let_go.deliver = rpc_credentials_let_go;
    spiffe_id_copy(&trust->expected, &credentials->expected);
    buffer_init(&credentials->root, CERTIFICATE_MAX);
    if (trust->bundle != NULL) {
        credentials->bundle = bundle_ref(trust->bundle);
    } else {
        memcpy(credentials->pin, trust->pin, RPC_PIN_SIZE);
    }
    rpc_queue_hold(queue);
    status = rpc_credentials_make_raw(credentials, trust->svid, why);
    if (status != STATUS_OK) {
        rpc_client_credentials_drop(&credentials);
        return status;
    }
    *out_credentials = credentials;
    return STATUS_OK;
}

void rpc_client_credentials_drop(struct rpc_client_credentials **credentials)
{
    struct rpc_client_credentials *gone = TAKE(*credentials);

    if (gone == NULL) {
        return;
    }
    gone->dropped = true;
    if (gone->raw != NULL) {
        grpc_channel_credentials_release(TAKE(gone->raw));
    }
    rpc_credentials_free_if_alone(gone);
}

struct grpc_channel_credentials *
rpc_client_credentials_raw(const struct rpc_client_credentials *credentials)
{
    return credentials->raw;
}

const struct failure *
rpc_client_credentials_refusal(const struct rpc_client_credentials *credentials)
{
    return credentials->refusal.reason == NULL ? NULL : &credentials->refusal;
}

struct bytes rpc_client_credentials_root(const struct rpc_client_credentials *credentials)
{
    return buffer_bytes(&credentials->root);
}
