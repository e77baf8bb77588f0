/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/demo_report.h"

#include <inttypes.h>

#include "cmd/signet/table.h"
#include "cmd/version.h"
#include "core/runtime/json/writer.h"

#define DEMO_REPORT_CLAIMS 10
#define DEMO_REPORT_ROTATIONS_LEAST                                                                \
    2 /* of each sidecar: the second proves that the first was no end */

struct demo_claim {
    const char *text;
    char measured[160];
    bool holds;
};

uint64_t demo_report_rotations(const struct demo_report *report)
{
    return report->web_rotations + report->api_rotations;
}

uint64_t demo_report_plaintext(const struct demo_report *report)
{
    return report->wire.outside_bytes + report->wire.word_bytes + report->wire_load.outside_bytes +
           report->wire_load.word_bytes;
}

bool demo_report_tls13(const struct demo_report *report)
{
    const struct demo_wire_verdict *wire = &report->wire;
    const struct demo_wire_verdict *load = &report->wire_load;

    return wire->server_hellos > 0 && wire->tls13_hellos == wire->server_hellos &&
           load->tls13_hellos == load->server_hellos &&
           (report->tshark[0] == '\0' || (report->tshark_hellos == wire->server_hellos &&
                                          report->tshark_hellos_13 == report->tshark_hellos));
}

static void demo_report_claim_wire(const struct demo_report *report, struct demo_claim *claims)
{
    const struct demo_wire_verdict *wire = &report->wire;
    const struct demo_wire_verdict *load = &report->wire_load;

    claims[0].text = "web reaches api";
    claims[0].holds = report->first_status == 200;
    (void)snprintf(claims[0].measured, sizeof claims[0].measured, "HTTP status %u",
                   report->first_status);

    claims[1].text = "on the wire it is TLS 1.3";
    claims[1].holds = demo_report_tls13(report);
    (void)snprintf(claims[1].measured, sizeof claims[1].measured,
                   "%" PRIu64 " of %" PRIu64 " handshakes choose 0x0304%s%s",
                   wire->tls13_hellos + load->tls13_hellos,
                   wire->server_hellos + load->server_hellos,
                   report->tshark[0] == '\0' ? "" : "; so says tshark ", report->tshark);

    claims[2].text = "no application byte can be read there";
    claims[2].holds = demo_report_plaintext(report) == 0 && wire->record_bytes > 0 &&
                      wire->unjudged_bytes == 0 && load->record_bytes > 0 &&
                      report->tshark_readable == 0;
    (void)snprintf(claims[2].measured, sizeof claims[2].measured,
                   "%" PRIu64 " readable bytes of %" PRIu64, demo_report_plaintext(report),
                   wire->tcp_bytes + load->tcp_bytes);

    claims[3].text = "the same search finds them at the application";
    claims[3].holds = report->app_side.word_bytes > 0 && report->app_side.outside_bytes > 0;
    (void)snprintf(claims[3].measured, sizeof claims[3].measured,
                   "%" PRIu64 " bytes of the searched word on api's loopback",
                   report->app_side.word_bytes);
}

static void demo_report_claim_rogue(const struct demo_report *report, struct demo_claim *claims)
{
    claims[0].text = "rogue is refused by api's sidecar";
    claims[0].holds = report->rogue_failed && report->denied_connections > 0 &&
                      report->api_reason[0] != '\0' && report->rogue_reason[0] != '\0';
    (void)snprintf(claims[0].measured, sizeof claims[0].measured,
                   "%" PRIu64 " denied; api says %s, rogue hears %s", report->denied_connections,
                   report->api_reason[0] == '\0' ? "nothing" : report->api_reason,
                   report->rogue_reason[0] == '\0' ? "nothing" : report->rogue_reason);

    claims[1].text = "api's application saw no connection of it";
    claims[1].holds =
        report->denied_app_accepts == 0 && report->web_app_accepts > 0 && report->rogue_failed;
    (void)snprintf(claims[1].measured, sizeof claims[1].measured,
                   "%" PRIu64 " connections taken (%" PRIu64 " when web called)",
                   report->denied_app_accepts, report->web_app_accepts);
}

static void demo_report_claim_load(const struct demo_report *report, struct demo_claim *claims)
{
    claims[0].text = "no request fails under load";
    claims[0].holds = report->failed_requests == 0 && report->keep_alive_requests > 0 &&
                      report->new_connection_requests > 0;
    (void)snprintf(claims[0].measured, sizeof claims[0].measured,
                   "%" PRIu64 " failed of %" PRIu64 " (%" PRIu64 " kept alive, %" PRIu64
                   " on new connections)",
                   report->failed_requests, report->requests, report->keep_alive_requests,
                   report->new_connection_requests);

    claims[1].text = "certificates rotate meanwhile";
    claims[1].holds = report->web_rotations >= DEMO_REPORT_ROTATIONS_LEAST &&
                      report->api_rotations >= DEMO_REPORT_ROTATIONS_LEAST;
    (void)snprintf(claims[1].measured, sizeof claims[1].measured,
                   "%" PRIu64 " new ones (web %" PRIu64 ", api %" PRIu64 ") in %" PRIu64 " s",
                   demo_report_rotations(report), report->web_rotations, report->api_rotations,
                   report->load_s);

    claims[2].text = "the control plane is away past a renewal";
    claims[2].holds = report->control_plane_restarts > 0 && report->outage_requests > 0 &&
                      report->outage_sidecars_tried > 0 && report->renewed_after_restart == 3;
    (void)snprintf(
        claims[2].measured, sizeof claims[2].measured,
        "away for %.1f s, %" PRIu64 " requests meanwhile, %" PRIu64
        " of 3 sidecars tried in vain; then %" PRIu64 " of 3 renewed",
        (double)report->outage_ms / 1000, report->outage_requests, report->outage_sidecars_tried,
        report->renewed_after_restart);

    claims[3].text = "no process of the mesh ended by itself";
    claims[3].holds = report->processes_died == 0;
    (void)snprintf(claims[3].measured, sizeof claims[3].measured, "%" PRIu64,
                   report->processes_died);
}

static void demo_report_claim(const struct demo_report *report,
                              struct demo_claim claims[DEMO_REPORT_CLAIMS])
{
    demo_report_claim_wire(report, claims);
    demo_report_claim_rogue(report, claims + 4);
    demo_report_claim_load(report, claims + 6);
}

bool demo_report_holds(const struct demo_report *report)
{
    struct demo_claim claims[DEMO_REPORT_CLAIMS];
    bool all = true;

    demo_report_claim(report, claims);
    for (size_t i = 0; i < DEMO_REPORT_CLAIMS; i++) {
        all = all && claims[i].holds;
    }
    return all;
}

void demo_report_print(const struct demo_report *report, FILE *out, bool colour)
{
    static const char *const titles[] = {"HOLDS", "CLAIM", "MEASURED"};
    struct demo_claim claims[DEMO_REPORT_CLAIMS];
    struct table table;

    table_init(&table, titles, 3);
    demo_report_claim(report, claims);
    for (size_t i = 0; i < DEMO_REPORT_CLAIMS; i++) {
        const struct bytes cells[3] = {
            bytes_of(claims[i].holds ? "yes" : "NO"),
            bytes_of(claims[i].text),
            bytes_of(claims[i].measured),
        };

        table_add(&table, claims[i].holds ? TABLE_PLAIN : TABLE_BAD, cells);
    }
    table_print(&table, out, colour);
    table_clear(&table);
}

static void demo_report_put_wire(struct json_writer *json, const char *name,
                                 const struct demo_wire_verdict *wire)
{
    json_open_object(json, name);
    json_put_uint(json, "packets", wire->packets);
    json_put_uint(json, "tcp_bytes", wire->tcp_bytes);
    json_put_uint(json, "tls_record_bytes", wire->record_bytes);
    json_put_uint(json, "bytes_outside_tls", wire->outside_bytes);
    json_put_uint(json, "bytes_not_judged", wire->unjudged_bytes);
    json_put_uint(json, "searched_word_bytes", wire->word_bytes);
    json_put_uint(json, "server_hellos", wire->server_hellos);
    json_put_uint(json, "tls13_server_hellos", wire->tls13_hellos);
    json_close_object(json);
}

enum status demo_report_json(const struct demo_report *report, struct buffer *out,
                             struct failure *why)
{
    struct json_writer json = json_writer_to(out);

    json_open_object(&json, NULL);
    json_put_bool(&json, "ok", demo_report_holds(report));
    json_put_bool(&json, "wire_tls13", demo_report_tls13(report));
    json_put_uint(&json, "plaintext_bytes_seen", demo_report_plaintext(report));
    json_put_uint(&json, "plaintext_bytes_control", report->app_side.word_bytes);
    json_put_uint(&json, "requests", report->requests);
    json_put_uint(&json, "failed_requests", report->failed_requests);
    json_put_uint(&json, "keep_alive_requests", report->keep_alive_requests);
    json_put_uint(&json, "new_connection_requests", report->new_connection_requests);
    json_put_uint(&json, "rotations", demo_report_rotations(report));
    json_put_uint(&json, "denied_connections", report->denied_connections);
    json_put_uint(&json, "denied_app_accepts", report->denied_app_accepts);
    json_put_uint(&json, "allowed_app_accepts", report->web_app_accepts);
    json_put_text(&json, "denied_reason", report->api_reason);
    json_put_text(&json, "denied_reason_at_caller", report->rogue_reason);
    json_put_uint(&json, "control_plane_restarts", report->control_plane_restarts);
    json_put_uint(&json, "control_plane_outage_ms", report->outage_ms);
    json_put_uint(&json, "requests_during_outage", report->outage_requests);
    json_put_uint(&json, "failed_renewals_during_outage", report->outage_failed_renewals);
    json_put_uint(&json, "sidecars_waiting_during_outage", report->outage_sidecars_tried);
    json_put_uint(&json, "renewed_after_restart", report->renewed_after_restart);
    json_put_uint(&json, "processes_died", report->processes_died);
    demo_report_put_wire(&json, "wire", &report->wire);
    demo_report_put_wire(&json, "wire_under_load", &report->wire_load);
    demo_report_put_wire(&json, "application_side", &report->app_side);
    json_put_text(&json, "tshark", report->tshark[0] == '\0' ? NULL : report->tshark);
    json_put_uint(&json, "load_s", report->load_s);
    json_put_uint(&json, "duration_ms", report->duration_ms);
    json_put_text(&json, "subnet", report->subnet);
    json_put_text(&json, "version", SIGNET_VERSION);
    json_close_object(&json);
    return json_writer_end(&json, why);
}
