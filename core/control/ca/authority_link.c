/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One link: a certificate of ours with its key, made, written, read. Part of authority.c.
 */
#include <string.h>

#include "core/control/ca/authority_parts.h"
#include "core/control/ca/signer_disk.h"
#include "core/trust/identity/pem.h"

static const char authority_sealed_label[] = "SIGNET SEALED KEY";

/* By place; AUTHORITY_LINKS_MAX of intermediates. */
static const char *const authority_link_files[] = {
    "intermediate.pem",   "intermediate-2.pem", "intermediate-3.pem", "intermediate-4.pem",
    "intermediate-5.pem", "intermediate-6.pem", "intermediate-7.pem", "intermediate-8.pem",
};
_Static_assert(sizeof authority_link_files / sizeof authority_link_files[0] == AUTHORITY_LINKS_MAX,
               "a file for each place");

const char *authority_link_file(int place)
{
    return place == AUTHORITY_ROOT ? "root.pem" : authority_link_files[place];
}

struct authority_link *authority_link_of(struct authority *authority, int place)
{
    return place == AUTHORITY_ROOT ? &authority->root : &authority->links[place];
}

void authority_link_clear(struct authority_link *link)
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

void authority_issuer_of(const struct authority_link *link, const struct authority_link *above,
                         struct sign_issuer *out)
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

static enum status authority_sign_link(struct authority *authority, bool is_root, int64_t now_s,
                                       struct authority_link *made, struct failure *why)
{
    struct sign_issuer root;
    struct sign_authority_order order = {
        .domain_id = &authority->domain_id,
        .common_name = is_root ? "Signet root" : "Signet intermediate",
        .spki_der = signer_public_spki(made->signer),
        .issued_at = now_s,
        .not_after =
            now_s + (is_root ? authority->lives.root_s : authority->lives.intermediate_s),
        .path_len = is_root ? 1 : 0,
        .constrain_names = !is_root && authority->constrain_names,
    };

    if (!is_root) {
        authority_issuer_of(&authority->root, NULL, &root);
    }
    TRY(authority_draw_serial(0, order.serial, why));
    TRY(sign_authority(is_root ? NULL : &root, made->signer, &order, &made->der, why));
    return certificate_parse(buffer_bytes(&made->der), &made->cert, why);
}

enum status authority_link_make(struct authority *authority, int place, int64_t now_s,
                                struct failure *why)
{
    struct authority_link made = {.signer = NULL};
    CLEARED(buffer) sealed;
    enum status status;

    buffer_init(&made.der, CERTIFICATE_MAX);
    buffer_init(&sealed, AUTHORITY_FILE_MAX);
    TRY(signer_disk_make(&authority->seal, &made.signer, &sealed, why));
    status = authority_sign_link(authority, place == AUTHORITY_ROOT, now_s, &made, why);
    if (status == STATUS_OK) { /* on the disk before it is used */
        status = authority_save(authority, authority_link_file(place), buffer_bytes(&made.der),
                                buffer_bytes(&sealed), why);
    }
    if (status != STATUS_OK) {
        authority_link_clear(&made);
        return status;
    }
    authority_link_replace(authority_link_of(authority, place), &made);
    return STATUS_OK;
}

/* Loading -------------------------------------------------------------------------------------- */

enum status authority_refuse_file(const char *name, const char *what, struct failure *why)
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

/* An intermediate that this root did not sign would make leaves that nobody believes. */
static enum status authority_check_signature(const struct authority *authority, const char *name,
                                             const struct certificate *cert, struct failure *why)
{
    const struct bundle_domain *domain = bundle_domain(authority->bundle, 0);

    if (!bytes_equal(cert->issuer, authority->root.cert.subject) ||
        !public_key_verify(bundle_root_key(domain, 0), cert->algorithm, cert->tbs,
                           cert->signature)) {
        return authority_refuse_file(name, "the root did not sign it; remove it to have one made",
                                     why);
    }
    return STATUS_OK;
}

static enum status authority_read_link(struct authority *authority, int place,
                                       struct bytes passphrase, struct bytes text,
                                       struct authority_link *loaded, struct failure *why)
{
    const char *name = authority_link_file(place);
    CLEARED(secret) sealed = {0};
    struct failure inner = {0};

    TRY(authority_cut_file(name, text, loaded, &sealed, why));
    if (certificate_parse(buffer_bytes(&loaded->der), &loaded->cert, &inner) != STATUS_OK) {
        return authority_refuse_file(name, inner.detail, why);
    }
    TRY(authority_unseal(authority, passphrase, name, secret_bytes(&sealed), &loaded->signer, why));
    TRY(authority_check_link(authority, name, loaded, why));
    return place == AUTHORITY_ROOT
               ? STATUS_OK
               : authority_check_signature(authority, name, &loaded->cert, why);
}

enum status authority_link_load(struct authority *authority, int place, struct bytes passphrase,
                                struct failure *why)
{
    struct authority_link loaded = {.signer = NULL};
    CLEARED(secret) text = {0};
    struct failure inner = {0};
    enum status status =
        authority_files_read(&authority->files, authority_link_file(place), &text, &inner);

    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return authority_pass(status, &inner, why);
    }
    buffer_init(&loaded.der, AUTHORITY_FILE_MAX);
    status =
        authority_read_link(authority, place, passphrase, secret_bytes(&text), &loaded, why);
    if (status != STATUS_OK) {
        authority_link_clear(&loaded);
        return status;
    }
    authority_link_replace(authority_link_of(authority, place), &loaded);
    return STATUS_OK;
}
