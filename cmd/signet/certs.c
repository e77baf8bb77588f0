/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `signet certs`: the chain in force with its names and ends, the roots it trusts, when the next one
 * comes and how long this one could do without the control plane.
 */
#include "cmd/signet/certs.h"

#include "cmd/signet/commands.h"
#include "cmd/signet/doors.h"
#include "cmd/signet/manual.h"
#include "cmd/signet/table.h"
#include "cmd/signet/words.h"
#include "core/runtime/base/clock.h"

#define CERTS_COLUMNS 6

static const char *const certs_titles[CERTS_COLUMNS] = {
    "PLACE", "NAME", "SERIAL", "ISSUER KEY", "ENDS", "NOT AFTER",
};
static const char *const certs_root_titles[CERTS_COLUMNS] = {
    "TRUST DOMAIN", "NAME", "SERIAL", "SHA-256", "ENDS", "NOT AFTER",
};

/* certs_add adds one certificate's row; `fourth` is what the fourth column holds. */
static void certs_add(struct table *table, struct bytes place,
                      const struct reply_certificate *certificate, struct bytes fourth,
                      int64_t now_s)
{
    struct words ends = words_moment(certificate->not_after, now_s);
    struct words date = words_date(certificate->not_after);
    const struct bytes cells[CERTS_COLUMNS] = {
        place,
        certificate->uri.len > 0 ? certificate->uri : certificate->subject,
        certificate->serial,
        fourth,
        bytes_of(ends.text),
        bytes_of(date.text),
    };

    table_add(table, certificate->not_after <= now_s ? TABLE_BAD : TABLE_PLAIN, cells);
}

static enum status certs_add_chain(struct table *table, const struct json_value *chain,
                                   int64_t now_s, bool *out_good, struct failure *why)
{
    *out_good = json_count(chain) > 0;
    for (size_t i = 0; i < json_count(chain); i++) {
        struct reply_certificate certificate;

        TRY(reply_certificate_parse(json_at(chain, i), &certificate, why));
        *out_good = *out_good && certificate.not_after > now_s;
        certs_add(table, bytes_of(i == 0 ? "leaf" : "issuer"), &certificate,
                  certificate.issuer_key_id, now_s);
    }
    return STATUS_OK;
}

static enum status certs_add_roots(struct table *table, const struct json_value *roots,
                                   int64_t now_s, struct failure *why)
{
    for (size_t i = 0; i < json_count(roots); i++) {
        struct reply_certificate certificate;

        TRY(reply_certificate_parse(json_at(roots, i), &certificate, why));
        certs_add(table, certificate.trust_domain, &certificate, certificate.sha256, now_s);
    }
    return STATUS_OK;
}

static void certs_print_head(const char *name, const struct reply_certs *certs, int64_t now_s,
                             FILE *out)
{
    struct words renewal = words_moment(certs->next_renewal, now_s);
    struct words date = words_date(certs->next_renewal);
    struct words budget = words_span(certs->outage_budget_s * 1000);

    (void)fprintf(out, "%s: %.*s\n", name, certs->identity.len > 0 ? (int)certs->identity.len : 18,
                  certs->identity.len > 0 ? (const char *)certs->identity.at
                                          : "has no identity yet");
    if (certs->next_renewal > 0) {
        (void)fprintf(out, "  next renewal   %s (%s)\n", renewal.text, date.text);
    } else {
        (void)fprintf(out, "  next renewal   -%s\n",
                      bytes_equal_text(certs->source, "files") ? " (the identity comes from files)"
                                                               : "");
    }
    (void)fprintf(out, "  outage budget  %s\n", certs->outage_budget_s < 0 ? "-" : budget.text);
    if (certs->error_reason.len > 0) {
        (void)fprintf(out, "  last failure   %.*s: %.*s\n", (int)certs->error_reason.len,
                      (const char *)certs->error_reason.at, (int)certs->error_detail.len,
                      certs->error_detail.len > 0 ? (const char *)certs->error_detail.at : "");
    }
}

enum status certs_print(const char *name, const struct reply_certs *certs, int64_t now_s, FILE *out,
                        bool *out_good, struct failure *why)
{
    CLEARED(table) chain = {0};
    CLEARED(table) roots = {0};
    bool good = false;

    table_init(&chain, certs_titles, CERTS_COLUMNS);
    table_init(&roots, certs_root_titles, CERTS_COLUMNS);
    TRY(certs_add_chain(&chain, certs->chain, now_s, &good, why));
    TRY(certs_add_roots(&roots, certs->roots, now_s, why));
    certs_print_head(name, certs, now_s, out);
    table_print(&chain, out, table_colour_wanted(out));
    table_print(&roots, out, table_colour_wanted(out));
    *out_good = good;
    return STATUS_OK;
}

/* One run of the command. */
struct certs_run {
    bool as_json;
    bool all_good;
    size_t num_shown;
};

static enum status certs_visit(void *user, const struct door *door, struct bytes body,
                               struct failure *why)
{
    struct certs_run *run = user;
    CLEARED(reply_certs) certs = {0};
    bool good = false;

    TRY(reply_certs_parse(body, &certs, why));
    if (run->as_json) {
        good = json_count(certs.chain) > 0;
        (void)printf("%s%.*s", run->num_shown == 0 ? "[" : ",", (int)body.len,
                     (const char *)body.at);
    } else {
        (void)fputs(run->num_shown == 0 ? "" : "\n", stdout);
        TRY(certs_print(door->name, &certs, clock_unix_s(), stdout, &good, why));
    }
    run->num_shown++;
    run->all_good = run->all_good && good;
    return STATUS_OK;
}

int certs_command(int count, char **arguments)
{
    struct doors_choice choice = {0};
    struct certs_run run = {.all_good = true};
    const struct manual_flag flags[] = {
        {"admin", "ADDRESS", DOORS_HELP_ADMIN, &choice.address, NULL},
        {"run-folder", "FOLDER", DOORS_HELP_FOLDER, &choice.folder, NULL},
        {"json", NULL, "the sidecars' own pages, in one JSON array", NULL, &run.as_json},
    };
    const struct manual manual = {
        .synopsis = "signet certs [NAME…] [--admin ADDRESS] [--json]",
        .purpose =
            "Shows each sidecar's certificates: the chain in force with its SPIFFE IDs,\n"
            "serial numbers and ends, the roots that it trusts with their SHA-256 (what\n"
            "--bundle-sha256 pins), when the next certificate is due, and the outage budget:\n"
            "how long it could do without the control plane. Says 1 when a sidecar has no\n"
            "certificate, or one that has ended.",
        .flags = flags,
        .num_flags = sizeof flags / sizeof flags[0],
        .examples = "  signet certs                 all sidecars of this machine\n"
                    "  signet certs web             the one called web\n"
                    "  signet certs --json | jq '.[].chain[0].serial'",
        .operands_max = 4,
    };
    CLEARED(doors) doors = {0};
    int verdict;

    if (!doors_enter(&manual, count, arguments, &choice, &doors, &verdict)) {
        return verdict;
    }
    verdict = doors_visit(&doors, "/certs", certs_visit, &run);
    if (run.as_json && run.num_shown > 0) {
        (void)puts("]");
    }
    return verdict == VERDICT_OK && !run.all_good ? VERDICT_NO : verdict;
}
