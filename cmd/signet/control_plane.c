/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/control_plane.h"

#include "cmd/signet/doors.h"
#include "cmd/signet/words.h"
#include "core/runtime/json/json.h"

/* What GET /status of a control plane holds, as far as people are told of it. */
struct control_plane {
    struct bytes id, version, store_refusal; /* the last one empty: it can be written */
    int64_t started_at, entries, open_tokens, open_token_uses, issued, refused, leaf_life_s;
    int64_t root_not_after, intermediate_not_after, intermediate_renew_at;
    int64_t clock_steady_s, clock_stepped_ms, clock_stepped_at; /* 0: it never jumped */
    bool demo_lifetimes;
};

/* Why its store cannot be written; empty where it can, and where the program does not say. */
static struct bytes control_plane_refusal(const struct json_value *top)
{
    struct bytes text = {0};

    return json_get_text(top, "store_refusal", 1024, &text, NULL) == STATUS_OK
               ? text
               : (struct bytes){0};
}

enum status control_plane_is(struct bytes body, bool *out_is, bool *out_well, struct failure *why)
{
    OWNED(json_value) *top = NULL;
    struct bytes program = {0};

    TRY(json_read(body, DOORS_REPLY_MAX, &top, why));
    TRY(json_get_text(top, "program", 64, &program, why));
    *out_is = bytes_equal_text(program, "signet-control");
    *out_well = control_plane_refusal(top).len == 0;
    return STATUS_OK;
}

/* An older control plane does not say them, and one whose clock never jumped has none to say. */
static enum status control_plane_parse_clock(const struct json_value *top,
                                             struct control_plane *out, struct failure *why)
{
    const int64_t span_ms = INT64_MAX / 2;
    enum status status =
        json_get_number(top, "clock_stepped_ms", -span_ms, span_ms, &out->clock_stepped_ms, why);

    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    TRY(status);
    TRY(json_get_number(top, "clock_stepped_at", -span_ms, span_ms, &out->clock_stepped_at, why));
    return json_get_number(top, "clock_steady_s", 0, span_ms, &out->clock_steady_s, why);
}

static void control_plane_print_clock(const struct control_plane *plane, FILE *out)
{
    int64_t by_ms = plane->clock_stepped_ms;

    if (by_ms == 0) {
        return;
    }
    (void)fprintf(out, "  its clock jumped %s by %s to %s; it has gone steadily for %s since\n",
                  by_ms > 0 ? "ahead" : "back", words_span(by_ms > 0 ? by_ms : -by_ms).text,
                  words_date(plane->clock_stepped_at).text,
                  words_span(plane->clock_steady_s * 1000).text);
}

static enum status control_plane_parse(const struct json_value *top, struct control_plane *out,
                                       struct failure *why)
{
    const struct {
        const char *name;
        int64_t *out_number;
    } numbers[] = {
        {"started_at", &out->started_at},
        {"entries", &out->entries},
        {"open_tokens", &out->open_tokens},
        {"issued", &out->issued},
        {"refused", &out->refused},
        {"leaf_life_s", &out->leaf_life_s},
        {"root_not_after", &out->root_not_after},
        {"intermediate_not_after", &out->intermediate_not_after},
        {"intermediate_renew_at", &out->intermediate_renew_at},
    };

    TRY(json_get_text(top, "id", 4096, &out->id, why));
    TRY(json_get_text(top, "version", 64, &out->version, why));
    out->store_refusal = control_plane_refusal(top);
    TRY(json_get_bool(top, "demo_lifetimes", &out->demo_lifetimes, why));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        TRY(json_get_number(top, numbers[i].name, 0, INT64_MAX / 2000, numbers[i].out_number, why));
    }
    /* A control plane of the version before has tokens that are good once, and does not count. */
    out->open_token_uses = out->open_tokens;
    if (json_get_number(top, "open_token_uses", 0, INT64_MAX / 2000, &out->open_token_uses, why) ==
        STATUS_PROTOCOL) {
        return STATUS_PROTOCOL;
    }
    return control_plane_parse_clock(top, out, why);
}

enum status control_plane_print(struct bytes body, int64_t now_s, FILE *out, struct failure *why)
{
    OWNED(json_value) *top = NULL;
    struct control_plane plane = {0};

    TRY(json_read(body, DOORS_REPLY_MAX, &top, why));
    TRY(control_plane_parse(top, &plane, why));
    (void)fprintf(out, "\ncontrol plane %.*s, version %.*s, up %s\n", (int)plane.id.len,
                  (const char *)plane.id.at, (int)plane.version.len, (const char *)plane.version.at,
                  words_span((now_s - plane.started_at) * 1000).text);
    (void)fprintf(out,
                  "  %lld entries; %lld open tokens, good for %lld starts; %lld certificates "
                  "issued, %lld refused\n",
                  (long long)plane.entries, (long long)plane.open_tokens,
                  (long long)plane.open_token_uses, (long long)plane.issued,
                  (long long)plane.refused);
    (void)fprintf(out, "  leaves live %s; intermediate renewed %s, ends %s; root ends %s\n",
                  words_span(plane.leaf_life_s * 1000).text,
                  words_moment(plane.intermediate_renew_at, now_s).text,
                  words_moment(plane.intermediate_not_after, now_s).text,
                  words_moment(plane.root_not_after, now_s).text);
    if (plane.store_refusal.len > 0) {
        (void)fprintf(out,
                      "  its store cannot be written: %.*s\n"
                      "  nothing is issued until it can; certificates in force stay good\n",
                      (int)plane.store_refusal.len, (const char *)plane.store_refusal.at);
    }
    control_plane_print_clock(&plane, out);
    if (plane.demo_lifetimes) {
        (void)fputs("  demo lifetimes are on: certificates may live for seconds, for demos only\n",
                    out);
    }
    return STATUS_OK;
}
