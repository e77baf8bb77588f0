/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value of a policy against one fact: exact, prefix, suffix, presence, and what `*` means.
 *
 * Source: Istio's value matching; under security.signet.mesh `*` stops at `/`.
 */
#ifndef SIGNET_CORE_TRUST_AUTHZ_MATCH_H
#define SIGNET_CORE_TRUST_AUTHZ_MATCH_H

#include "core/runtime/base/bytes.h"

enum match_kind {
    MATCH_EXACT,
    MATCH_PREFIX,
    MATCH_SUFFIX,
    MATCH_PRESENT, /* anything that is not empty */
    MATCH_GLOB,    /* each `*` is any substring */
    MATCH_SEGMENT, /* each `*` is any substring without `/` */
};

/* What a `*` means where the value stands. Alone it is always "present and not empty". */
enum match_star {
    MATCH_STAR_AT_ENDS,   /* Istio: first: suffix; last: prefix; elsewhere a literal `*` */
    MATCH_STAR_ANYWHERE,  /* Istio's namespaces: any substring */
    MATCH_STAR_IN_SEGMENT /* ours: any substring that does not cross a `/` */
};

struct match {
    enum match_kind kind;
    struct bytes text;    /* what is compared: without the `*` of a prefix or suffix; borrowed */
    struct bytes written; /* as it stands in the policy; borrowed */
};

/* match_make compiles a value, not empty, which is borrowed as long as the match is used. */
struct match match_make(struct bytes written, enum match_star star);

/* match_has: does `value` match? An empty value, a fact that is not known, matches nothing. */
bool match_has(const struct match *match, struct bytes value);

#endif
