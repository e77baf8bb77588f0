/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the demo measured, and what it claims of it: one table for people, one JSON object for programs.
 * Pure but for the printing.
 */
#ifndef SIGNET_CMD_SIGNET_DEMO_REPORT_H
#define SIGNET_CMD_SIGNET_DEMO_REPORT_H

#include <stdio.h>

#include "cmd/signet/demo_wire.h"
#include "core/runtime/base/buffer.h"

/* Every member was measured; 0 where a run ended before it could be. */
struct demo_report {
    char subnet[24];      /* "10.77.0.0/24" */
    uint64_t duration_ms; /* of the whole run */
    uint64_t load_s;      /* seconds that wrk ran */

    unsigned first_status;              /* HTTP status of the first request, web → api */
    struct demo_wire_verdict wire;      /* the link between web and api, at first contact */
    struct demo_wire_verdict wire_load; /* the same link while the load began */
    struct demo_wire_verdict app_side;  /* loopback of api: where reading must be possible */
    uint64_t tshark_hellos;             /* ServerHello messages that tshark counts; of `wire` */
    uint64_t tshark_hellos_13;          /* those that choose TLS 1.3 */
    uint64_t tshark_readable;           /* packets in which tshark finds the searched word */
    char tshark[64];                    /* its version; empty: not installed, not asked */

    uint64_t web_app_accepts; /* connections that the application took because of web's request */
    uint64_t denied_connections; /* that api's sidecar counted as denied because of rogue */
    uint64_t denied_app_accepts; /* that the application took meanwhile */
    bool rogue_failed;           /* rogue's curl got no answer */
    char rogue_words[160];       /* what rogue's curl said */
    char api_reason[64];         /* why, by api's log */
    char rogue_reason[64];       /* why, by rogue's log */

    uint64_t requests; /* that wrk had answered */
    uint64_t
        failed_requests; /* errors of connecting, reading, writing, waiting, and bad statuses */
    uint64_t keep_alive_requests, new_connection_requests; /* the two parts of `requests` */
    uint64_t web_rotations, api_rotations; /* new certificates seen in force during the load */
    uint64_t control_plane_restarts;       /* times it was killed and answered again */
    uint64_t outage_ms;                    /* how long it was away */
    uint64_t outage_requests;              /* that the application answered meanwhile */
    uint64_t outage_failed_renewals;       /* attempts to renew that failed until it was back */
    uint64_t outage_sidecars_tried;        /* sidecars whose renewal fell due and failed then */
    uint64_t renewed_after_restart; /* sidecars seen with a new certificate since it is back */
    uint64_t processes_died;        /* of the mesh, by themselves */
};

/* demo_report_rotations is the sum over the two sidecars that carry the load. */
uint64_t demo_report_rotations(const struct demo_report *report);

/* demo_report_plaintext is the number of bytes that could be read on the link, in both captures. */
uint64_t demo_report_plaintext(const struct demo_report *report);

/* demo_report_tls13 tells whether all handshakes seen chose TLS 1.3, by our own eyes and tshark's. */
bool demo_report_tls13(const struct demo_report *report);

/* demo_report_holds tells whether every claim is true. */
bool demo_report_holds(const struct demo_report *report);

/* demo_report_print writes the table of claims, what was measured for each, and whether it holds. */
void demo_report_print(const struct demo_report *report, FILE *out, bool colour);

/* demo_report_json writes the object, without a line feed. STATUS_LIMIT "json/full". */
enum status demo_report_json(const struct demo_report *report, struct buffer *out,
                             struct failure *why) MUST_USE;

#endif
