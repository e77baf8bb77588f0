/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server shows is judged at the moment when it is shown. gRPC takes the chain that its provider
 * holds when a connection comes, on threads of its own: after a stop, a sleep of the machine or a step
 * of the clock that chain may have ended before our loop has turned once. So, in each handshake, after
 * the ClientHello and before the certificate leaves, the leaf is held against the clock. One that is not
 * valid is not shown: the loop is asked for another, the handshake waits a little and shows that, or ends.
 *
 * gRPC's own way to choose a certificate (its CertificateSelector) is C++ and private. The way taken: the
 * linker leads gRPC's call of SSL_set_accept_state() through us (--wrap), which sets BoringSSL's
 * callback for certificates. Handshakes of others, such as the proxy's, are left as they are.
 *
 * Called on the loop's thread; the judging itself runs on gRPC's. A mutex guards what both see.
 */
#ifndef SIGNET_CORE_RUNTIME_RPC_CREDENTIALS_HANDSHAKE_H
#define SIGNET_CORE_RUNTIME_RPC_CREDENTIALS_HANDSHAKE_H

#include "core/runtime/loop/worker.h"
#include "core/trust/identity/svid.h"

/* The longest that a handshake waits for the loop. */
#define CREDENTIALS_HANDSHAKE_WAIT_MS 2000

struct credentials_handshake;

/* credentials_handshake_make makes one that judges nothing yet. */
struct credentials_handshake *credentials_handshake_make(void);

/* credentials_handshake_set says what is in force: a chain and the root that follows it, in DER; both copied. */
void credentials_handshake_set(struct credentials_handshake *handshake, struct svid *svid,
                               struct bytes root_der);

/*
 * credentials_handshake_ask begins to judge the handshakes that show the identity of what is set, and says whom
 * to ask: stale(user) on the loop of `home`. NULL: nobody any more, they are judged all the same.
 */
void credentials_handshake_ask(struct credentials_handshake *handshake, struct worker *home,
                               void (*stale)(void *user), void *user);

/* credentials_handshake_drop ends it: handshakes that still wait end. NULL is fine. */
void credentials_handshake_drop(struct credentials_handshake **handshake);

#endif
