/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a decision about a connection may look at. Nothing else reaches it: the same facts and the
 * same policy always give the same answer, here, in `signet authz explain` and in a replay.
 *
 * Everything is borrowed for the call. A fact that is not known stays empty: it makes no positive
 * condition match and no negative one fail (Istio's rule for missing attributes).
 */
#ifndef SIGNET_CORE_TRUST_AUTHZ_FACTS_H
#define SIGNET_CORE_TRUST_AUTHZ_FACTS_H

#include "core/runtime/base/ip.h"

struct facts {
    bool has_peer; /* a mesh identity was verified by mTLS; false: an anonymous caller */

    /* Of the peer; all empty without one. */
    struct bytes principal;       /* the SPIFFE ID without "spiffe://": "td/ns/NS/sa/SA" */
    struct bytes trust_domain;    /* "td" */
    struct bytes namespace;       /* "NS"; empty when the ID has another form than ns/NS/sa/SA */
    struct bytes service_account; /* "SA"; likewise */

    struct ip source_ip;       /* who is at the other end of the TCP connection */
    struct ip destination_ip;  /* where the connection was going */
    uint16_t destination_port; /* the workload's port, never a service's */
};

/*
 * facts_set_peer fills what is known of a *verified* peer from its SPIFFE ID ("spiffe://td/..."),
 * which is borrowed as long as `facts` is used. False, and `facts` unchanged, when the text does not
 * even begin as a SPIFFE ID: then nobody was verified and the caller must not go on.
 */
bool facts_set_peer(struct facts *facts, struct bytes spiffe_id) MUST_USE;

#endif
