/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gRPC service mesh.v1.Certificates: Bootstrap with a token, Renew with a live leaf. It bounds what
 * a caller may send and how often, then follows the rule of issue.h, and answers with a certificate or
 * with a reason.
 *
 * The limits on strangers come first, before a certificate is looked at; then rpc/server.h refuses
 * resumed sessions and verifies a client certificate for this very call. Reasons: those of issue();
 * "bootstrap/rate", "renew/rate"; "bootstrap/token-form" (a token longer than TOKEN_MAX),
 * "csr/too-long"; "bootstrap/instance-id"; "codec/…".
 *
 * The loop's thread only. Source: proto/mesh/v1/certificates.proto.
 */
#ifndef SIGNET_CORE_CONTROL_SERVE_CERTIFICATES_H
#define SIGNET_CORE_CONTROL_SERVE_CERTIFICATES_H

#include "core/control/serve/issue.h"
#include "core/control/serve/strangers.h"
#include "core/runtime/rpc/server.h"
#include "core/runtime/telemetry/log.h"

#define CERTIFICATES_METHODS 2
#define CERTIFICATES_INSTANCE_ID_MAX 64

/*
 * How often may be asked: for a first certificate, from one source and from all; to be judged by the
 * certificate shown (which costs us signatures, and is given back when it is good); by one identity.
 */
#define CERTIFICATES_ALL_PER_SECOND 200
#define CERTIFICATES_ALL_BURST 1000
#define CERTIFICATES_ADDRESS_PER_SECOND 20
#define CERTIFICATES_ADDRESS_BURST 200
#define CERTIFICATES_PROOFS_PER_SECOND 400
#define CERTIFICATES_PROOFS_BURST 2000
#define CERTIFICATES_ADDRESS_PROOFS_PER_SECOND 50
#define CERTIFICATES_ADDRESS_PROOFS_BURST 400
#define CERTIFICATES_IDENTITY_PER_SECOND 50
#define CERTIFICATES_IDENTITY_BURST 500

/* The service. A value; it must not move while a server uses its methods. */
struct certificates {
    struct log log;
    struct issuer issuer;
    struct strangers newcomers;                      /* Bootstrap */
    struct strangers unproved;                       /* Renew, until the certificate is judged */
    struct limit identities;                         /* Renew, by SPIFFE ID */
    struct rpc_method methods[CERTIFICATES_METHODS]; /* for rpc_server_options */
};

/* certificates_init makes the service; what `issuer` points at outlives it. */
void certificates_init(struct certificates *service, const struct issuer *issuer);

/* certificates_clear frees what it holds, when no server uses it any more. */
void certificates_clear(struct certificates *service);

#endif
