/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both halves of the credentials do with gRPC's TLS options and PEM. Inside this folder only.
 */
#ifndef SIGNET_CORE_RUNTIME_RPC_CREDENTIALS_TLS_H
#define SIGNET_CORE_RUNTIME_RPC_CREDENTIALS_TLS_H

#include <grpc/credentials.h>

#include "core/runtime/base/buffer.h"
#include "core/trust/identity/svid.h"
#include "core/trust/identity/verify.h"

/* What a peer showed, in DER, leaf first. One more than verify_peer takes, so that it says when there are too many. */
struct credentials_chain {
    struct buffer der;
    struct bytes certs[VERIFY_CERTS_MAX + 1]; /* into `der` */
    size_t num_certs;
};

/*
 * credentials_chain_read takes gRPC's PEM texts apart; `rest_pem` may repeat the leaf (a client sees it so, a
 * server does not). STATUS_PROTOCOL "rpc/peer-pem"; STATUS_LIMIT "rpc/peer-pem" when it is too long.
 */
enum status credentials_chain_read(struct bytes leaf_pem, struct bytes rest_pem,
                                   struct credentials_chain *chain, struct failure *why) MUST_USE;
void credentials_chain_clear(struct credentials_chain *chain);

/* credentials_tls_posture: TLS 1.3 only; X25519MLKEM768, X25519, P-256. */
void credentials_tls_posture(grpc_tls_credentials_options *options);

/*
 * credentials_tls_provide puts chain and key into an in-memory provider for new handshakes; `more_pem` follows the
 * chain. STATUS_CONFIG "rpc/identity".
 */
enum status credentials_tls_provide(grpc_tls_certificate_provider *provider,
                                    const struct svid *svid, struct bytes more_pem,
                                    struct failure *why) MUST_USE;

#endif
