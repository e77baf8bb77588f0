/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/identity/verify.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/trust/identity/proved.h"
#include "core/trust/identity/verify_names.h"

enum { VERIFY_STEPS_MAX = 64 }; /* certificates tried as somebody's issuer, whatever is shown */

/* One peer's judgement on its way. Slices borrow from the caller's chain and bundle. */
struct verify {
    const struct bundle_domain *domain;
    enum verify_use use;
    int64_t now_s;
    size_t num_certs;
    struct certificate certs[VERIFY_CERTS_MAX];
    uint8_t path[VERIFY_CERTS_MAX]; /* indices into certs, leaf first */
    size_t path_len;                /* certificates in it, the root not counted */
    int steps_left;
    int signatures_left;
    bool exhausted;      /* a bound was reached: no further path is tried */
    enum status refusal; /* of the path that came furthest */
    struct failure why;
};

/* Remembers why a path ended: the first word stays, and any is better than "no path". */
static bool verify_reject(struct verify *verify, enum status refusal, const char *reason,
                          const char *detail)
{
    if (verify->refusal == STATUS_OK) {
        verify->refusal = fail(&verify->why, refusal, reason, "%s", detail);
    }
    return false;
}

/* Three times are needed to name the side that is wrong; two are known here, and both are said. */
static enum status verify_dates(const struct certificate *cert, int64_t now_s, const char *who,
                                struct failure *why)
{
    if (now_s < cert->not_before) {
        return fail(why, STATUS_UNTRUSTED, "verify/not-yet-valid",
                    "the %s begins %s; judged at %s, %" PRId64 " s before: the judge's clock is "
                    "behind, or the authority's was ahead",
                    who, clock_utc(cert->not_before).text, clock_utc(now_s).text,
                    cert->not_before - now_s);
    }
    if (now_s >= cert->not_after) {
        return fail(why, STATUS_UNTRUSTED, "verify/expired",
                    "the %s ended %s; judged at %s, %" PRId64 " s after: it was not renewed, or "
                    "the judge's clock is ahead",
                    who, clock_utc(cert->not_after).text, clock_utc(now_s).text,
                    now_s - cert->not_after);
    }
    return STATUS_OK;
}

static bool verify_usage_fits(const struct certificate *cert, enum verify_use use)
{
    return use == VERIFY_CLIENT ? cert->for_client : cert->for_server;
}

static enum status verify_leaf_key_usage(const struct certificate *leaf, struct failure *why)
{
    if (!leaf->has_key_usage || !leaf->key_usage_critical) {
        return fail(why, STATUS_PROTOCOL, "verify/key-usage",
                    "the leaf's keyUsage is missing or not critical");
    }
    if ((leaf->key_usage & CERTIFICATE_DIGITAL_SIGNATURE) == 0) {
        return fail(why, STATUS_PROTOCOL, "verify/key-usage",
                    "the leaf's keyUsage has no digitalSignature");
    }
    if ((leaf->key_usage & (CERTIFICATE_KEY_CERT_SIGN | CERTIFICATE_CRL_SIGN)) != 0) {
        return fail(why, STATUS_PROTOCOL, "verify/key-usage",
                    "the leaf's keyUsage has keyCertSign or cRLSign");
    }
    return STATUS_OK;
}

static enum status verify_leaf_id(const struct certificate *leaf, struct spiffe_id *out_id,
                                  struct failure *why)
{
    struct failure inner = {0};

    if (leaf->num_uris != 1) {
        return fail(why, STATUS_PROTOCOL, "verify/uri-san-count",
                    "the leaf has %u URI names; a SVID has exactly one", leaf->num_uris);
    }
    if (spiffe_id_parse(leaf->uri, out_id, &inner) != STATUS_OK) {
        return fail(why, STATUS_PROTOCOL, "verify/leaf-id", "the leaf's URI: %s (%s)", inner.detail,
                    inner.reason);
    }
    if (spiffe_id_path(out_id).len == 0) {
        return fail(why, STATUS_PROTOCOL, "verify/leaf-id",
                    "the leaf's SPIFFE ID names a trust domain, not a workload");
    }
    return STATUS_OK;
}

/* The leaf by itself, before anybody is asked about it. */
static enum status verify_leaf(const struct certificate *leaf, enum verify_use use,
                               struct spiffe_id *out_id, struct failure *why)
{
    TRY(verify_leaf_id(leaf, out_id, why));
    if (leaf->is_ca) {
        return fail(why, STATUS_PROTOCOL, "verify/ca-leaf", "the leaf has the CA flag");
    }
    TRY(verify_leaf_key_usage(leaf, why));
    if (!leaf->has_extended_usage || !verify_usage_fits(leaf, use)) {
        return fail(why, STATUS_PROTOCOL, "verify/eku", "the leaf's extKeyUsage has no %s",
                    use == VERIFY_CLIENT ? "clientAuth" : "serverAuth");
    }
    if (leaf->subject_empty && !leaf->names_critical) {
        return fail(why, STATUS_PROTOCOL, "verify/san-critical",
                    "the leaf has no subject, and its alternative names are not critical");
    }
    if (leaf->unknown_critical) {
        return fail(why, STATUS_PROTOCOL, "verify/unknown-critical",
                    "the leaf has a critical extension that we do not know");
    }
    if (leaf->algorithm == SIGNATURE_NONE) {
        return fail(why, STATUS_PROTOCOL, "verify/algorithm",
                    "the leaf is signed with an algorithm that is not accepted");
    }
    return STATUS_OK;
}

/* By names alone: may `issuer` be who issued `cert`? */
static bool verify_is_issuer(const struct certificate *issuer, const struct certificate *cert)
{
    return bytes_equal(issuer->subject, cert->issuer) &&
           (issuer->subject_key_id.len == 0 || cert->authority_key_id.len == 0 ||
            bytes_equal(issuer->subject_key_id, cert->authority_key_id));
}

/* Intermediates on the path so far that count for a path length: those not issued by themselves. */
static int verify_depth(const struct verify *verify)
{
    int depth = 0;

    for (size_t i = 1; i < verify->path_len; i++) {
        const struct certificate *cert = &verify->certs[verify->path[i]];

        if (!bytes_equal(cert->subject, cert->issuer)) {
            depth++;
        }
    }
    return depth;
}

/* Everything about an authority above the present path but its signature. `who`: "root". */
static enum status verify_authority(const struct verify *verify,
                                    const struct certificate *authority, const char *who,
                                    struct failure *why)
{
    if (!certificate_may_sign(authority)) {
        return fail(why, STATUS_UNTRUSTED, "verify/not-a-ca", "the %s may not sign certificates",
                    who);
    }
    TRY(verify_dates(authority, verify->now_s, who, why));
    if (authority->path_len >= 0 && verify_depth(verify) > authority->path_len) {
        return fail(why, STATUS_UNTRUSTED, "verify/path-length",
                    "the %s allows %d intermediates below it, and there are %d", who,
                    authority->path_len, verify_depth(verify));
    }
    if (authority->has_extended_usage && !verify_usage_fits(authority, verify->use)) {
        return fail(why, STATUS_PROTOCOL, "verify/eku", "the %s's extKeyUsage has no %s", who,
                    verify->use == VERIFY_CLIENT ? "clientAuth" : "serverAuth");
    }
    if (authority->unknown_critical) {
        return fail(why, STATUS_PROTOCOL, "verify/unknown-critical",
                    "the %s has a critical extension that we do not know", who);
    }
    return STATUS_OK;
}

/*
 * An authority that has an ID has that of the trust domain, and no workload's: else it was made for
 * another domain, or is a workload's certificate that somebody signs with.
 */
static enum status verify_authority_id(const struct verify *verify,
                                       const struct certificate *authority, struct failure *why)
{
    struct spiffe_id domain;

    if (authority->num_uris == 0) {
        return STATUS_OK;
    }
    if (authority->num_uris > 1) {
        return fail(why, STATUS_UNTRUSTED, "verify/authority-id",
                    "an intermediate has %u URI names; it may have one", authority->num_uris);
    }
    TRY(spiffe_id_of_domain(bundle_domain_name(verify->domain), &domain, why));
    if (!bytes_equal(spiffe_id_text(&domain), authority->uri)) {
        return fail(why, STATUS_UNTRUSTED, "verify/authority-id",
                    "an intermediate's URI name is not %s", domain.text);
    }
    return STATUS_OK;
}

/* What the standard asks of an intermediate beyond what it asks of a root. */
static enum status verify_intermediate(const struct verify *verify,
                                       const struct certificate *authority, struct failure *why)
{
    TRY(verify_authority(verify, authority, "intermediate certificate", why));
    if (!authority->has_key_usage || !authority->key_usage_critical) {
        return fail(why, STATUS_UNTRUSTED, "verify/not-a-ca",
                    "an intermediate's keyUsage is missing or not critical");
    }
    return verify_authority_id(verify, authority, why);
}

/* Names are judged for every certificate below, but for intermediates issued by themselves. */
static bool verify_constraints(struct verify *verify, const struct certificate *authority,
                               size_t below)
{
    for (size_t i = 0; i < below; i++) {
        const struct certificate *cert = &verify->certs[verify->path[i]];

        if ((i == 0 || !bytes_equal(cert->subject, cert->issuer)) &&
            !verify_names_allowed(authority, cert)) {
            return verify_reject(verify, STATUS_UNTRUSTED, "verify/name-constraint",
                                 "a name lies outside of what an authority may certify");
        }
    }
    return true;
}

static bool verify_signature(struct verify *verify, const struct certificate *cert, EVP_PKEY *key)
{
    if (verify->exhausted || verify->signatures_left-- == 0) {
        verify->exhausted = true;
        return false;
    }
    if (cert->algorithm == SIGNATURE_NONE) {
        return verify_reject(verify, STATUS_PROTOCOL, "verify/algorithm",
                             "an intermediate is signed with an algorithm that is not accepted");
    }
    if (!public_key_verify(key, cert->algorithm, cert->tbs, cert->signature)) {
        return verify_reject(verify, STATUS_UNTRUSTED, "verify/signature",
                             "a signature is not that of the issuer it names");
    }
    return true;
}

/* The key in an intermediate whose signature is good; the caller frees it. NULL: refused. */
static EVP_PKEY *verify_intermediate_key(struct verify *verify, const struct certificate *cert,
                                         EVP_PKEY *issuer_key)
{
    EVP_PKEY *key;

    if (!verify_signature(verify, cert, issuer_key)) {
        return NULL;
    }
    if (public_key_parse(cert->spki, &key, NULL) != STATUS_OK) {
        (void)verify_reject(verify, STATUS_PROTOCOL, "verify/key",
                            "an intermediate's key is malformed or not of a kind we accept");
        return NULL;
    }
    return key;
}

/* The same for an intermediate right below a root, which may be remembered from an earlier peer. */
static EVP_PKEY *verify_first_key(struct verify *verify, const struct certificate *cert,
                                  size_t root)
{
    struct vouched *vouched = bundle_vouched(verify->domain);
    EVP_PKEY *key = vouched_find(vouched, root, cert->der);

    if (key != NULL) {
        EVP_PKEY_up_ref(key);
        return key;
    }
    key = verify_intermediate_key(verify, cert, bundle_root_key(verify->domain, root));
    if (key != NULL) {
        vouched_add(vouched, root, cert->der, key);
    }
    return key;
}

/* The leaf's signature, which this thread may have found good for an earlier connection of the peer. */
static bool verify_leaf_signature(struct verify *verify, EVP_PKEY *issuer_key,
                                  struct bytes issuer_spki)
{
    uint8_t digest[PROVED_DIGEST_LEN];

    proved_digest(&verify->certs[0], issuer_spki, digest);
    if (proved_find(digest)) {
        return true;
    }
    if (!verify_signature(verify, &verify->certs[0], issuer_key)) {
        return false;
    }
    proved_add(digest);
    return true;
}

/* From the root down, so that a stranger's chain costs one signature and no more. */
static bool verify_signatures(struct verify *verify, size_t root)
{
    EVP_PKEY *key = NULL; /* the last intermediate's; NULL: the root's comes next */
    bool good = true;

    for (size_t i = verify->path_len - 1; good && i > 0; i--) {
        const struct certificate *cert = &verify->certs[verify->path[i]];
        EVP_PKEY *next = key == NULL ? verify_first_key(verify, cert, root)
                                     : verify_intermediate_key(verify, cert, key);

        EVP_PKEY_free(key);
        key = next;
        good = key != NULL;
    }
    good = good && verify_leaf_signature(
                       verify, key == NULL ? bundle_root_key(verify->domain, root) : key,
                       key == NULL ? bundle_root(verify->domain, root)->spki
                                   : verify->certs[verify->path[1]].spki);
    EVP_PKEY_free(key);
    return good;
}

/* The path is whole: judge signatures, then the constraints of everyone on it. */
static bool verify_path(struct verify *verify, size_t root)
{
    if (!verify_signatures(verify, root)) {
        return false;
    }
    for (size_t i = 1; i < verify->path_len; i++) {
        if (!verify_constraints(verify, &verify->certs[verify->path[i]], i)) {
            return false;
        }
    }
    return verify_constraints(verify, bundle_root(verify->domain, root), verify->path_len);
}

static bool verify_step(struct verify *verify)
{
    if (verify->exhausted || verify->steps_left-- == 0) {
        verify->exhausted = true;
    }
    return !verify->exhausted;
}

static bool verify_on_path(const struct verify *verify, size_t index)
{
    for (size_t i = 0; i < verify->path_len; i++) {
        if (verify->path[i] == index) {
            return true;
        }
    }
    return false;
}

static bool verify_find_root(struct verify *verify, const struct certificate *last,
                             size_t *out_root)
{
    for (size_t i = 0; i < bundle_num_roots(verify->domain); i++) {
        const struct certificate *root = bundle_root(verify->domain, i);
        struct failure why;
        enum status status;

        if (!verify_is_issuer(root, last) || !verify_step(verify)) {
            continue;
        }
        status = verify_authority(verify, root, "root certificate", &why);
        if (status != STATUS_OK) {
            (void)verify_reject(verify, status, why.reason, why.detail);
        } else if (verify_path(verify, i)) {
            *out_root = i;
            return true;
        }
    }
    return false;
}

/* Depth first: a root that issued the last of the path, else an intermediate that did. */
static bool verify_extend(struct verify *verify, size_t *out_root)
{
    const struct certificate *last = &verify->certs[verify->path[verify->path_len - 1]];

    if (verify_find_root(verify, last, out_root)) {
        return true;
    }
    for (size_t i = 1; i < verify->num_certs && !verify->exhausted; i++) {
        struct failure why;
        enum status status;

        if (verify_on_path(verify, i) || !verify_is_issuer(&verify->certs[i], last) ||
            !verify_step(verify)) {
            continue;
        }
        status = verify_intermediate(verify, &verify->certs[i], &why);
        if (status != STATUS_OK) {
            (void)verify_reject(verify, status, why.reason, why.detail);
            continue;
        }
        verify->path[verify->path_len++] = (uint8_t)i;
        if (verify_extend(verify, out_root)) {
            return true;
        }
        verify->path_len--;
    }
    return false;
}

static enum status verify_refuse(const struct verify *verify, struct failure *why)
{
    if (verify->exhausted) {
        return fail(why, STATUS_LIMIT, "verify/too-complex",
                    "the chain has too many possible paths");
    }
    if (verify->refusal != STATUS_OK) {
        return fail(why, verify->refusal, verify->why.reason, "%s", verify->why.detail);
    }
    return fail(why, STATUS_UNTRUSTED, "verify/untrusted-root",
                "no path to one of the %zu roots of %s", bundle_num_roots(verify->domain),
                (const char *)bundle_domain_name(verify->domain).at);
}

static void verify_answer(const struct verify *verify, size_t root, struct verified_peer *out_peer)
{
    const struct certificate *leaf = &verify->certs[0];

    out_peer->starts_at = leaf->not_before;
    out_peer->expires_at = bundle_root(verify->domain, root)->not_after;
    for (size_t i = 0; i < verify->path_len; i++) {
        int64_t not_after = verify->certs[verify->path[i]].not_after;

        if (not_after < out_peer->expires_at) {
            out_peer->expires_at = not_after;
        }
    }
    certificate_serial_hex(leaf, out_peer->serial_hex);
    certificate_issuer_hex(leaf, out_peer->issuer_hex);
    memcpy(out_peer->root_sha256, bundle_root_sha256(verify->domain, root), BUNDLE_SHA256_LEN);
    (void)SHA256(leaf->spki.at, leaf->spki.len, out_peer->key_sha256);
}

/* The same certificate again opens no new path: it would only cost its signature once more. */
static bool verify_knows(const struct verify *verify, struct bytes der)
{
    for (size_t i = 0; i < verify->num_certs; i++) {
        if (bytes_equal(verify->certs[i].der, der)) {
            return true;
        }
    }
    return false;
}

static enum status verify_read(struct verify *verify, const struct bytes *chain, size_t num_certs,
                               struct failure *why)
{
    struct failure inner = {0};

    if (num_certs == 0) {
        return fail(why, STATUS_PROTOCOL, "verify/no-certificate",
                    "the peer showed no certificate");
    }
    if (num_certs > VERIFY_CERTS_MAX) {
        return fail(why, STATUS_LIMIT, "verify/chain-too-long",
                    "the peer showed %zu certificates; at most %d are read", num_certs,
                    VERIFY_CERTS_MAX);
    }
    verify->num_certs = 0;
    for (size_t i = 0; i < num_certs; i++) {
        if (verify_knows(verify, chain[i])) {
            continue;
        }
        if (certificate_parse(chain[i], &verify->certs[verify->num_certs], &inner) != STATUS_OK) {
            return fail(why, STATUS_PROTOCOL, "verify/der", "certificate %zu: %s (%s)", i + 1,
                        inner.detail, inner.reason);
        }
        verify->num_certs++;
    }
    return STATUS_OK;
}

enum status verify_peer(const struct bundle *bundle, const struct bytes *chain, size_t num_certs,
                        enum verify_use use, int64_t now_s, struct verified_peer *out_peer,
                        struct failure *why)
{
    struct verify verify;
    struct spiffe_id id;
    size_t root;

    TRY(verify_read(&verify, chain, num_certs, why));
    TRY(verify_leaf(&verify.certs[0], use, &id, why));
    verify.domain = bundle_find(bundle, spiffe_id_trust_domain(&id));
    if (verify.domain == NULL) {
        return fail(why, STATUS_UNTRUSTED, "verify/no-bundle",
                    "there is no trust bundle for the trust domain of %s", id.text);
    }
    TRY(verify_dates(&verify.certs[0], now_s, "certificate", why));
    if (public_key_check(verify.certs[0].spki, why) != STATUS_OK) {
        return fail(why, STATUS_PROTOCOL, "verify/key",
                    "the leaf's key is malformed or not of a kind we accept");
    }
    verify.use = use;
    verify.now_s = now_s;
    verify.path[0] = 0;
    verify.path_len = 1;
    verify.steps_left = VERIFY_STEPS_MAX;
    verify.signatures_left = VERIFY_SIGNATURES_MAX;
    verify.exhausted = false;
    verify.refusal = STATUS_OK;
    if (!verify_extend(&verify, &root)) {
        return verify_refuse(&verify, why);
    }
    verify_answer(&verify, root, out_peer);
    spiffe_id_copy(&id, &out_peer->id);
    return STATUS_OK;
}
