/* SPDX-License-Identifier: Apache-2.0 */
/*
 * About constrain_names: our own verify_peer() honours a URI name constraint, and so do OpenSSL and
 * Go. Some verifiers refuse every certificate below one (webpki, and so ztunnel), and SPIFFE's rule
 * that a domain's roots speak for that domain alone gives our peers the same protection. So it is a
 * choice.
 */
#include "core/control/ca/authority.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/control/ca/authority_files.h"
#include "core/control/ca/signer_disk.h"
#include "core/runtime/base/memory.h"
#include "core/trust/identity/pem.h"

static const char authority_root_file[] = "root.pem";
static const char authority_intermediate_file[] = "intermediate.pem";
static const char authority_sealed_label[] = "SIGNET SEALED KEY";

enum {
    AUTHORITY_LEAVES_PER_INTERMEDIATE = 4,
    AUTHORITY_ROOT_S = 10 * 365 * 86400,
    AUTHORITY_INTERMEDIATE_S = 14 * 86400,
    AUTHORITY_DEMO_LEAVES = 20,
    AUTHORITY_DEMO_INTERMEDIATE_MIN_S = 120,
};

/* One authority certificate of ours with its key. */
struct authority_link {
    struct buffer der;       /* owned */
    struct certificate cert; /* slices of der */
    struct signer *signer;   /* owned; NULL: there is none yet */
};

struct authority {
    struct authority_files files;
    struct seal seal;
    struct authority_lives lives;
    bool constrain_names;
    struct spiffe_id domain_id; /* spiffe://TRUST_DOMAIN */
    struct authority_link root;
    struct authority_link intermediate;
    struct bundle *bundle; /* a reference */
};

struct authority_lives authority_lives_of(int64_t leaf_s, bool demo)
{
    struct authority_lives lives = {
        .root_s = AUTHORITY_ROOT_S,
        .intermediate_s = AUTHORITY_INTERMEDIATE_S,
        .leaf_s = leaf_s,
        .leaf_floor_s = demo ? AUTHORITY_DEMO_LEAF_FLOOR_S : AUTHORITY_LEAF_FLOOR_S,
    };

    if (demo) {
        lives.intermediate_s = AUTHORITY_DEMO_LEAVES * leaf_s;
        if (lives.intermediate_s < AUTHORITY_DEMO_INTERMEDIATE_MIN_S) {
            lives.intermediate_s = AUTHORITY_DEMO_INTERMEDIATE_MIN_S;
        }
    }
    return lives;
}

static enum status authority_check_lives(const struct authority_lives *lives, struct failure *why)
{
    if (lives->leaf_floor_s <= 0 || lives->leaf_s < lives->leaf_floor_s) {
        return fail(why, STATUS_CONFIG, "authority/lives",
                    "a leaf's life of %lld s is below the floor of %lld s",
                    (long long)lives->leaf_s, (long long)lives->leaf_floor_s);
    }
    if (lives->intermediate_s / AUTHORITY_LEAVES_PER_INTERMEDIATE < lives->leaf_s) {
        return fail(why, STATUS_CONFIG, "authority/lives",
                    "an intermediate's life of %lld s is less than %d leaves of %lld s",
                    (long long)lives->intermediate_s, AUTHORITY_LEAVES_PER_INTERMEDIATE,
                    (long long)lives->leaf_s);
    }
    if (lives->root_s <= lives->intermediate_s) {
        return fail(why, STATUS_CONFIG, "authority/lives",
                    "a root's life of %lld s is not above an intermediate's of %lld s",
                    (long long)lives->root_s, (long long)lives->intermediate_s);
    }
    return STATUS_OK;
}

/* Links --------------------------------------------------------------------------------------- */

static void authority_link_clear(struct authority_link *link)
{
    buffer_clear(&link->der);
    signer_drop(&link->signer);
    *link = (struct authority_link){.signer = NULL};
}

/* Moves a whole link over another. Slices stay good: the buffer's memory does not move. */
static void authority_link_replace(struct authority_link *link, struct authority_link *with)
{
    authority_link_clear(link);
    *link = *with;
    *with = (struct authority_link){.signer = NULL};
}

static enum status authority_draw_serial(int64_t revision, uint8_t serial[SERIAL_LEN],
                                         struct failure *why)
{
    uint8_t random[SERIAL_RANDOM_LEN];

    if (RAND_bytes(random, sizeof random) != 1) {
        return fail(why, STATUS_IO, "authority/random", "the crypto library gave no random bytes");
    }
    serial_make(revision, random, serial);
    return STATUS_OK;
}

/* A link as the issuer of something; its chain's dates are its own and those above it. */
static void authority_issuer_of(const struct authority_link *link,
                                const struct authority_link *above, struct sign_issuer *out)
{
    *out = (struct sign_issuer){
        .signer = link->signer,
        .name = link->cert.subject,
        .not_before = link->cert.not_before,
        .not_after = link->cert.not_after,
    };
    memcpy(out->key_id, link->cert.subject_key_id.at, PUBLIC_KEY_ID_LEN);
    if (above != NULL && above->cert.not_before > out->not_before) {
        out->not_before = above->cert.not_before;
    }
    if (above != NULL && above->cert.not_after < out->not_after) {
        out->not_after = above->cert.not_after;
    }
}

/* Certificate and sealed key go into one file, so that neither is ever without the other. */
static enum status authority_save(const struct authority *authority, const char *name,
                                  struct bytes cert_der, struct bytes sealed_key,
                                  struct failure *why)
{
    CLEARED(buffer) text;

    buffer_init(&text, AUTHORITY_FILE_MAX);
    if (pem_add(&text, "CERTIFICATE", cert_der) != STATUS_OK ||
        pem_add(&text, authority_sealed_label, sealed_key) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "buffer/full", "%s would be too long", name);
    }
    return authority_files_write(&authority->files, name, buffer_bytes(&text), why);
}

/* Signs and keeps a new link: `issuer` NULL makes a root. The file is written before it is used. */
static enum status authority_make(struct authority *authority, const struct sign_issuer *issuer,
                                  int64_t now_s, struct authority_link *out_link,
                                  struct failure *why)
{
    struct authority_link made = {.signer = NULL};
    CLEARED(buffer) sealed;
    struct sign_authority_order order = {
        .domain_id = &authority->domain_id,
        .common_name = issuer == NULL ? "Signet root" : "Signet intermediate",
        .issued_at = now_s,
        .not_after =
            now_s + (issuer == NULL ? authority->lives.root_s : authority->lives.intermediate_s),
        .path_len = issuer == NULL ? 1 : 0,
        .constrain_names = issuer != NULL && authority->constrain_names,
    };
    enum status status;

    buffer_init(&made.der, CERTIFICATE_MAX);
    buffer_init(&sealed, AUTHORITY_FILE_MAX);
    TRY(authority_draw_serial(0, order.serial, why));
    TRY(signer_disk_make(&authority->seal, &made.signer, &sealed, why));
    order.spki_der = signer_public_spki(made.signer);
    status = sign_authority(issuer, made.signer, &order, &made.der, why);
    if (status == STATUS_OK) {
        status = certificate_parse(buffer_bytes(&made.der), &made.cert, why);
    }
    if (status == STATUS_OK) {
        status = authority_save(authority,
                                issuer == NULL ? authority_root_file : authority_intermediate_file,
                                buffer_bytes(&made.der), buffer_bytes(&sealed), why);
    }
    if (status != STATUS_OK) {
        authority_link_clear(&made);
        return status;
    }
    authority_link_replace(out_link, &made);
    return STATUS_OK;
}

/* Loading -------------------------------------------------------------------------------------- */

static enum status authority_refuse_file(const char *name, const char *what, struct failure *why)
{
    return fail(why, STATUS_PROTOCOL, "authority/file", "%s: %s", name, what);
}

/* Hands on a failure that was kept apart because it might have been none. */
static enum status authority_pass(enum status status, const struct failure *inner,
                                  struct failure *why)
{
    if (why != NULL) {
        *why = *inner;
    }
    return status;
}

/* The two blocks of a file; what else may be in it is passed over. */
static enum status authority_cut_file(const char *name, struct bytes text,
                                      struct authority_link *link, struct secret *out_sealed,
                                      struct failure *why)
{
    for (;;) {
        CLEARED(secret) der = {0};
        struct bytes label;
        enum status status = pem_next(&text, &label, &der, NULL);

        if (status == STATUS_NOT_FOUND) {
            break;
        }
        if (status != STATUS_OK) {
            return authority_refuse_file(name, "a PEM block is broken", why);
        }
        if (bytes_equal_text(label, "CERTIFICATE") && link->der.len == 0) {
            TRY(buffer_add(&link->der, secret_bytes(&der)));
        } else if (bytes_equal_text(label, authority_sealed_label)) {
            secret_set(out_sealed, secret_bytes(&der));
        }
    }
    if (link->der.len == 0 || out_sealed->len == 0) {
        return authority_refuse_file(name, "it has no certificate or no sealed key", why);
    }
    return STATUS_OK;
}

/* Derives the sealing key from the passphrase unless the present one fits already. */
static enum status authority_unseal(struct authority *authority, struct bytes passphrase,
                                    const char *name, struct bytes sealed,
                                    struct signer **out_signer, struct failure *why)
{
    struct failure inner = {0};
    enum status status = STATUS_OK;

    if (!seal_fits(&authority->seal, sealed)) {
        CLEARED(seal) other = {.cost = 0};

        status = seal_of(passphrase, sealed, &other, &inner);
        if (status == STATUS_OK) {
            status = signer_disk_open(&other, sealed, out_signer, &inner);
        }
        if (status == STATUS_OK && authority->seal.cost == 0) {
            authority->seal = other;
        }
    } else {
        status = signer_disk_open(&authority->seal, sealed, out_signer, &inner);
    }
    switch (status) {
    case STATUS_OK:
        return STATUS_OK;
    case STATUS_CONFIG:
        return fail(why, STATUS_CONFIG, "authority/passphrase",
                    "%s: the passphrase is another one, or the file was changed", name);
    case STATUS_IO:
        return fail(why, STATUS_IO, inner.reason, "%s: %s", name, inner.detail);
    default:
        return authority_refuse_file(name, inner.detail, why);
    }
}

/* Is the certificate an authority's of this trust domain, and the key its own? */
static enum status authority_check_link(const struct authority *authority, const char *name,
                                        const struct authority_link *link, struct failure *why)
{
    if (!certificate_may_sign(&link->cert) || !link->cert.has_key_usage ||
        link->cert.subject_key_id.len != PUBLIC_KEY_ID_LEN) {
        return authority_refuse_file(name, "its certificate is not one of our authorities'", why);
    }
    if (!bytes_equal(link->cert.spki, signer_public_spki(link->signer))) {
        return authority_refuse_file(name, "its key is not that of its certificate", why);
    }
    if (link->cert.num_uris != 1 ||
        !bytes_equal(link->cert.uri, spiffe_id_text(&authority->domain_id))) {
        return fail(why, STATUS_CONFIG, "authority/trust-domain",
                    "%s belongs to another trust domain than %s", name, authority->domain_id.text);
    }
    return STATUS_OK;
}

/* A file that is not there is no failure: the link then stays empty (signer NULL). */
static enum status authority_load(struct authority *authority, const char *name,
                                  struct bytes passphrase, struct authority_link *out_link,
                                  struct failure *why)
{
    struct authority_link loaded = {.signer = NULL};
    CLEARED(secret) text = {0};
    CLEARED(secret) sealed = {0};
    struct failure inner = {0};
    enum status status = authority_files_read(&authority->files, name, &text, &inner);

    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return authority_pass(status, &inner, why);
    }
    buffer_init(&loaded.der, AUTHORITY_FILE_MAX);
    status = authority_cut_file(name, secret_bytes(&text), &loaded, &sealed, why);
    if (status == STATUS_OK &&
        certificate_parse(buffer_bytes(&loaded.der), &loaded.cert, &inner) != STATUS_OK) {
        status = authority_refuse_file(name, inner.detail, why);
    }
    if (status == STATUS_OK) {
        status = authority_unseal(authority, passphrase, name, secret_bytes(&sealed),
                                  &loaded.signer, why);
    }
    if (status == STATUS_OK) {
        status = authority_check_link(authority, name, &loaded, why);
    }
    if (status != STATUS_OK) {
        authority_link_clear(&loaded);
        return status;
    }
    authority_link_replace(out_link, &loaded);
    return STATUS_OK;
}

/* Renewal -------------------------------------------------------------------------------------- */

/* When a new intermediate would end. */
static int64_t authority_next_end(const struct authority *authority, int64_t now_s)
{
    int64_t end = now_s + authority->lives.intermediate_s;
    int64_t bound = authority->root.cert.not_after - SIGN_MARGIN_S;

    return end < bound ? end : bound;
}

/* Four leaves before its end; for one of few leaves, at half of its life. */
static int64_t authority_renewal_of(const struct authority *authority)
{
    const struct certificate *cert = &authority->intermediate.cert;
    int64_t ahead = AUTHORITY_LEAVES_PER_INTERMEDIATE * authority->lives.leaf_s;
    int64_t half = (cert->not_after - cert->not_before - SIGN_BACKDATE_S) / 2;

    return cert->not_after - (ahead < half ? ahead : half);
}

/* Due when its time has come, or it could not carry a whole leaf; never when that gains nothing. */
static bool authority_is_due(const struct authority *authority, int64_t now_s)
{
    int64_t ends_at = authority->intermediate.cert.not_after;

    if (authority->intermediate.signer == NULL) {
        return true;
    }
    if (authority_next_end(authority, now_s) <= ends_at) {
        return false;
    }
    return now_s >= authority_renewal_of(authority) ||
           ends_at - SIGN_MARGIN_S - now_s < authority->lives.leaf_s;
}

enum status authority_tick(struct authority *authority, int64_t now_s, struct failure *why)
{
    struct sign_issuer root;

    if (!authority_is_due(authority, now_s)) {
        return STATUS_OK;
    }
    authority_issuer_of(&authority->root, NULL, &root);
    return authority_make(authority, &root, now_s, &authority->intermediate, why);
}

/* Opening -------------------------------------------------------------------------------------- */

bool authority_is_there(const char *folder)
{
    char *root = memory_format("%s/%s", folder, authority_root_file);
    bool missing = access(root, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);

    free(root);
    return !missing;
}

static enum status authority_open_root(struct authority *authority,
                                       const struct authority_plan *plan, int64_t now_s,
                                       struct failure *why)
{
    struct bytes passphrase = secret_bytes(plan->passphrase);
    CLEARED(secret) left = {0};

    TRY(authority_load(authority, authority_root_file, passphrase, &authority->root, why));
    if (authority->root.signer != NULL) {
        return STATUS_OK;
    }
    /* A new root beside an old intermediate would be a lost root, replaced in silence. */
    if (authority_files_read(&authority->files, authority_intermediate_file, &left, NULL) !=
        STATUS_NOT_FOUND) {
        return authority_refuse_file(authority_root_file,
                                     "it is missing, but the intermediate that it signed is there",
                                     why);
    }
    if (plan->only_look) {
        return fail(why, STATUS_NOT_FOUND, "authority/missing", "%s holds no authority",
                    plan->folder);
    }
    TRY(seal_make(passphrase, plan->seal_cost == 0 ? SEAL_COST_DEFAULT : plan->seal_cost,
                  &authority->seal, why));
    return authority_make(authority, NULL, now_s, &authority->root, why);
}

static enum status authority_open_intermediate(struct authority *authority,
                                               const struct authority_plan *plan,
                                               struct failure *why)
{
    const struct certificate *cert = &authority->intermediate.cert;
    const struct bundle_domain *domain = bundle_domain(authority->bundle, 0);

    TRY(authority_load(authority, authority_intermediate_file, secret_bytes(plan->passphrase),
                       &authority->intermediate, why));
    if (authority->intermediate.signer == NULL) {
        return STATUS_OK; /* the tick that follows makes one */
    }
    if (!bytes_equal(cert->issuer, authority->root.cert.subject) ||
        !public_key_verify(bundle_root_key(domain, 0), cert->algorithm, cert->tbs,
                           cert->signature)) {
        return authority_refuse_file(authority_intermediate_file,
                                     "the root did not sign it; remove it to have one made", why);
    }
    return STATUS_OK;
}

static enum status authority_open_all(struct authority *authority,
                                      const struct authority_plan *plan, int64_t now_s,
                                      struct failure *why)
{
    if (plan->only_look) {
        TRY(authority_files_look(&authority->files, plan->folder, why));
    } else {
        TRY(authority_files_open(&authority->files, plan->folder, why));
    }
    TRY(authority_open_root(authority, plan, now_s, why));
    if (now_s >= authority->root.cert.not_after) {
        return fail(why, STATUS_DENIED, "authority/root-expired",
                    "the root ended %lld s ago by our clock",
                    (long long)(now_s - authority->root.cert.not_after));
    }
    TRY(bundle_parse_der(plan->trust_domain, buffer_bytes(&authority->root.der), 1,
                         &authority->bundle, why));
    TRY(authority_open_intermediate(authority, plan, why));
    return plan->only_look ? STATUS_OK : authority_tick(authority, now_s, why);
}

enum status authority_open(const struct authority_plan *plan, int64_t now_s,
                           struct authority **out_authority, struct failure *why)
{
    OWNED(authority) *authority = NULL;
    struct failure inner = {0};

    TRY(authority_check_lives(&plan->lives, why));
    if (plan->passphrase->len == 0) {
        return fail(why, STATUS_CONFIG, "authority/passphrase", "the passphrase is empty");
    }
    authority = memory_make(sizeof *authority);
    authority->files.folder = -1;
    authority->lives = plan->lives;
    authority->constrain_names = plan->constrain_names;
    if (spiffe_id_of_domain(plan->trust_domain, &authority->domain_id, &inner) != STATUS_OK) {
        return fail(why, STATUS_CONFIG, "authority/trust-domain", "%s", inner.detail);
    }
    TRY(authority_open_all(authority, plan, now_s, why));
    *out_authority = TAKE(authority);
    return STATUS_OK;
}

void authority_drop(struct authority **authority)
{
    struct authority *gone = TAKE(*authority);

    if (gone != NULL) {
        authority_link_clear(&gone->root);
        authority_link_clear(&gone->intermediate);
        seal_clear(&gone->seal);
        bundle_drop(&gone->bundle);
        authority_files_close(&gone->files);
        free(gone);
    }
}

/* Issuing -------------------------------------------------------------------------------------- */

static enum status authority_check_request(const struct authority *authority,
                                           const struct authority_request *request,
                                           struct failure *why)
{
    if (!bytes_equal(spiffe_id_trust_domain(request->id),
                     spiffe_id_trust_domain(&authority->domain_id))) {
        return fail(why, STATUS_CONFIG, "authority/foreign-id",
                    "the identity is of another trust domain than %s", authority->domain_id.text);
    }
    if (bytes_equal(request->spki_der, authority->root.cert.spki) ||
        bytes_equal(request->spki_der, authority->intermediate.cert.spki)) {
        return fail(why, STATUS_PROTOCOL, "authority/own-key",
                    "the public key is the authority's own");
    }
    return STATUS_OK;
}

static int64_t authority_life(const struct authority_lives *lives, int64_t wished_s)
{
    if (wished_s == 0 || wished_s > lives->leaf_s) {
        return lives->leaf_s;
    }
    return wished_s < lives->leaf_floor_s ? lives->leaf_floor_s : wished_s;
}

static enum status authority_sign(const struct authority *authority,
                                  const struct authority_request *request, int64_t now_s,
                                  struct authority_issued *out, struct failure *why)
{
    struct sign_issuer issuer;
    struct sign_leaf_order order = {
        .id = request->id,
        .spki_der = request->spki_der,
        .issued_at = now_s,
        .not_after = now_s + authority_life(&authority->lives, request->life_s),
    };
    struct certificate leaf;

    authority_issuer_of(&authority->intermediate, &authority->root, &issuer);
    if (now_s < issuer.not_after &&
        issuer.not_after - SIGN_MARGIN_S - now_s < authority->lives.leaf_floor_s) {
        return fail(why, STATUS_DENIED, "authority/expiring",
                    "the authority ends in %lld s, before the shortest leaf would",
                    (long long)(issuer.not_after - now_s));
    }
    TRY(authority_draw_serial(request->revision, order.serial, why));
    TRY(sign_leaf(&issuer, &order, &out->chain_der, &out->not_after, why));
    TRY(certificate_parse(buffer_bytes(&out->chain_der), &leaf, why));
    certificate_serial_hex(&leaf, out->serial_hex);
    certificate_issuer_hex(&leaf, out->issuer_hex);
    out->not_before = leaf.not_before;
    out->issued_at = now_s;
    if (buffer_add(&out->chain_der, buffer_bytes(&authority->intermediate.der)) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "buffer/full", "the chain is too long");
    }
    return STATUS_OK;
}

enum status authority_issue(struct authority *authority, const struct authority_request *request,
                            int64_t now_s, struct authority_issued *out_issued, struct failure *why)
{
    CLEARED(authority_issued) issued = {.issued_at = 0};
    struct failure renewal = {0};
    enum status renewed;
    enum status status;

    TRY(authority_check_request(authority, request, why));
    /* A renewal that fails (a full disk) is no reason to refuse while the present one serves. */
    renewed = authority_tick(authority, now_s, &renewal);
    buffer_init(&issued.chain_der, SVID_CHAIN_MAX);
    status = authority_sign(authority, request, now_s, &issued, why);
    if (status == STATUS_DENIED && renewed != STATUS_OK) {
        return authority_pass(renewed, &renewal, why);
    }
    TRY(status);
    *out_issued = issued;
    issued = (struct authority_issued){.issued_at = 0};
    return STATUS_OK;
}

void authority_issued_clear(struct authority_issued *issued)
{
    buffer_clear(&issued->chain_der);
    *issued = (struct authority_issued){.issued_at = 0};
}

struct bundle *authority_bundle(const struct authority *authority)
{
    return authority->bundle;
}

struct bytes authority_trust_domain(const struct authority *authority)
{
    return spiffe_id_trust_domain(&authority->domain_id);
}

const struct authority_lives *authority_lives(const struct authority *authority)
{
    return &authority->lives;
}

int64_t authority_root_ends_at(const struct authority *authority)
{
    return authority->root.cert.not_after;
}

int64_t authority_intermediate_ends_at(const struct authority *authority)
{
    return authority->intermediate.cert.not_after;
}

int64_t authority_renews_at(const struct authority *authority)
{
    return authority_renewal_of(authority);
}
