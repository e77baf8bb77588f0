/* SPDX-License-Identifier: Apache-2.0 */
/* GET /certs: who this sidecar is and whom it trusts, certificate by certificate. Never a key. */
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/sidecar/admin/pages.h"
#include "core/sidecar/admin/pages_parts.h"

static void pages_put_hex(struct json_writer *json, const char *name, struct bytes value)
{
    char hex[2 * CERTIFICATE_KEY_ID_HEX + 1];

    if (value.len == 0 || value.len > sizeof hex / 2 - 1) {
        json_put_null(json, name);
        return;
    }
    bytes_to_hex(value, hex);
    json_put_text(json, name, hex);
}

/*
 * The common name within a Name in DER, for people only: the attribute 2.5.4.3 and the string behind
 * it. Empty when there is none; a workload's leaf has no subject at all.
 */
static struct bytes pages_common_name(struct bytes name)
{
    static const uint8_t common_name[] = {0x06, 0x03, 0x55, 0x04, 0x03};
    const uint8_t *found =
        name.len == 0 ? NULL : memmem(name.at, name.len, common_name, sizeof common_name);
    struct bytes rest;

    if (found == NULL) {
        return (struct bytes){0};
    }
    rest = bytes_skip(name, (size_t)(found - name.at) + sizeof common_name);
    /* Tag of a string, then a length of one byte: RFC 5280 bounds a common name by 64 characters. */
    if (rest.len < 2 || rest.at[1] >= 0x80 || rest.at[1] > rest.len - 2) {
        return (struct bytes){0};
    }
    return bytes_make(rest.at + 2, rest.at[1]);
}

static void pages_put_certificate(struct json_writer *json, const struct certificate *certificate)
{
    char serial[CERTIFICATE_SERIAL_HEX];
    char issuer[CERTIFICATE_KEY_ID_HEX];
    struct bytes name = pages_common_name(certificate->subject);

    certificate_serial_hex(certificate, serial);
    certificate_issuer_hex(certificate, issuer);
    if (name.len > 0) {
        json_put_bytes(json, "subject", name);
    } else {
        json_put_null(json, "subject");
    }
    if (certificate->num_uris > 0) {
        json_put_bytes(json, "uri", certificate->uri);
    } else {
        json_put_null(json, "uri");
    }
    json_put_bool(json, "ca", certificate->is_ca);
    json_put_text(json, "serial", serial);
    pages_put_hex(json, "key_id", certificate->subject_key_id);
    json_put_text(json, "issuer_key_id", issuer[0] == '\0' ? NULL : issuer);
    json_put_int(json, "not_before", certificate->not_before);
    json_put_int(json, "not_after", certificate->not_after);
}

static void pages_put_chain(struct json_writer *json, const struct svid *svid)
{
    json_open_array(json, "chain");
    for (size_t i = 0; svid != NULL && i < svid_num_certs(svid); i++) {
        json_open_object(json, NULL);
        pages_put_certificate(json, svid_certificate(svid, i));
        json_close_object(json);
    }
    json_close_array(json);
}

static void pages_put_domain(struct json_writer *json, const struct bundle_domain *domain)
{
    for (size_t i = 0; i < bundle_num_roots(domain); i++) {
        json_open_object(json, NULL);
        json_put_bytes(json, "trust_domain", bundle_domain_name(domain));
        pages_put_hex(json, "sha256", bytes_make(bundle_root_sha256(domain, i), BUNDLE_SHA256_LEN));
        pages_put_certificate(json, bundle_root(domain, i));
        json_close_object(json);
    }
}

static void pages_put_roots(struct json_writer *json, const struct bundle *bundle)
{
    json_open_array(json, "roots");
    for (size_t i = 0; bundle != NULL && i < bundle_num_domains(bundle); i++) {
        pages_put_domain(json, bundle_domain(bundle, i));
    }
    json_close_array(json);
    if (bundle == NULL) {
        json_put_null(json, "bundle_sequence");
    } else {
        json_put_uint(json, "bundle_sequence", bundle_sequence(bundle));
    }
}

/* What is known of the future: from the agent, or of an identity from files from its chain alone. */
static void pages_put_future(struct json_writer *json, const struct admin_sources *sources,
                             const struct svid *svid)
{
    struct agent_view view = {0};

    if (sources->agent_view != NULL && sources->agent_view(sources->user, &view)) {
        json_put_text(json, "source", "agent");
        pages_put_moment(json, "next_renewal", view.next_renewal);
        json_put_int(json, "outage_budget_s", view.outage_budget_s);
        pages_put_failure(json, "last_error", view.last_error_reason, view.last_error_detail);
        return;
    }
    const struct failure *refusal =
        sources->files_refusal == NULL ? NULL : sources->files_refusal(sources->user);
    int64_t left_s = svid == NULL ? 0 : svid_expires_at(svid) - clock_unix_s();

    json_put_text(json, "source", "files");
    json_put_null(json, "next_renewal");
    json_put_int(json, "outage_budget_s", left_s > 0 ? left_s : 0);
    pages_put_failure(json, "last_error", refusal == NULL ? NULL : refusal->reason,
                      refusal == NULL ? NULL : refusal->detail);
}

void pages_certs(void *user, const struct web_request *request, struct web_answer *answer)
{
    const struct admin_sources *sources = user;
    struct identity_set *set = sources->current == NULL ? NULL : current_get(sources->current);
    const struct svid *svid = set == NULL ? NULL : identity_set_svid(set);
    struct json_writer json = json_writer_to(&answer->body);

    (void)request;
    json_open_object(&json, NULL);
    json_put_text(&json, "name", sources->name);
    if (svid == NULL) {
        json_put_null(&json, "identity");
    } else {
        json_put_bytes(&json, "identity", spiffe_id_text(svid_id(svid)));
    }
    pages_put_future(&json, sources, svid);
    pages_put_chain(&json, svid);
    pages_put_roots(&json, set == NULL ? NULL : identity_set_bundle(set));
    json_close_object(&json);
    pages_end(&json, answer);
}
