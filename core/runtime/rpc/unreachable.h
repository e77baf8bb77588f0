/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why no connection came about, as a stable word. gRPC says it in a sentence only; the sentence stays the detail.
 * Inside this folder only. Source: the texts of gRPC's event engine, resolver and handshakers, as pinned.
 */
#ifndef SIGNET_CORE_RUNTIME_RPC_UNREACHABLE_H
#define SIGNET_CORE_RUNTIME_RPC_UNREACHABLE_H

/*
 * rpc_unreachable_reason reads gRPC's text: "rpc/dns" (the name does not resolve), "rpc/connection-refused"
 * (nobody listens there), "rpc/no-route", "rpc/connect-timeout", "rpc/tls-alert" (the other side ended the TLS
 * handshake and said why), "rpc/not-tls" (it does not speak TLS), "rpc/tls" (the handshake failed otherwise),
 * "rpc/connection-lost" (it was cut), else "rpc/unreachable". A literal; any thread.
 */
const char *rpc_unreachable_reason(const char *detail);

#endif
