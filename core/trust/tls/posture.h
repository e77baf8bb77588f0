/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS posture: versions, groups, signatures, ALPN, limits. The only place where they are named; a
 * snapshot test shows every change of it.
 */
#ifndef SIGNET_CORE_TRUST_TLS_POSTURE_H
#define SIGNET_CORE_TRUST_TLS_POSTURE_H

#include "core/runtime/base/buffer.h"

struct ssl_ctx_st;

#define POSTURE_GROUPS_MAX 4

/* What an operator may choose; everything else is fixed. */
struct posture {
    uint16_t groups[POSTURE_GROUPS_MAX]; /* TLS group numbers, most wanted first */
    size_t num_groups;
    uint32_t records_per_key; /* sealed with one key before ours is renewed; for tests to lower */
};

/* posture_default prefers the hybrid X25519MLKEM768, then X25519, then P-256. */
struct posture posture_default(void);

/*
 * posture_parse_groups reads "X25519MLKEM768,X25519,P-256", most wanted first.
 * STATUS_CONFIG "posture/group" names the known ones.
 */
enum status posture_parse_groups(struct bytes text, struct posture *out_posture,
                                 struct failure *why) MUST_USE;

/*
 * posture_apply sets everything on a fresh SSL_CTX: TLS 1.3 only, no resumption, no early data, no
 * renegotiation, the groups, signatures and ALPN, and the longest certificate list taken.
 * STATUS_IO "posture/apply" when the library refuses. Source: RFC 8446, RFC 7301.
 */
enum status posture_apply(const struct posture *posture, struct ssl_ctx_st *on, bool as_server,
                          struct failure *why) MUST_USE;

/* posture_print appends the whole posture as text, one thing per line, for people and for the snapshot. */
enum status posture_print(const struct posture *posture, struct buffer *out) MUST_USE;

/*
 * posture_is_mesh_alpn tells whether the protocol list of a ClientHello (RFC 7301 ProtocolNameList,
 * without its outer length) offers one of ours: that is how a permissive port knows mesh TLS from the
 * application's own. Malformed lists are not ours.
 */
bool posture_is_mesh_alpn(struct bytes protocols);

#endif
