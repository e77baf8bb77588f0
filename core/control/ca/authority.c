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
#include <unistd.h>

#include "core/control/ca/authority_parts.h"
#include "core/runtime/base/memory.h"

enum {
    AUTHORITY_ROOT_S = 10 * 365 * 86400,
    AUTHORITY_INTERMEDIATE_S = 14 * 86400,
    AUTHORITY_DEMO_LEAVES = 20,
    AUTHORITY_DEMO_INTERMEDIATE_MIN_S = 120,
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

enum status authority_draw_serial(int64_t revision, uint8_t serial[SERIAL_LEN],
                                  struct failure *why)
{
    uint8_t random[SERIAL_RANDOM_LEN];

    if (RAND_bytes(random, sizeof random) != 1) {
        return fail(why, STATUS_IO, "authority/random", "the crypto library gave no random bytes");
    }
    serial_make(revision, random, serial);
    return STATUS_OK;
}

/* Opening -------------------------------------------------------------------------------------- */

bool authority_is_there(const char *folder)
{
    char *root = memory_format("%s/%s", folder, authority_link_file(AUTHORITY_ROOT));
    bool missing = access(root, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);

    free(root);
    return !missing;
}

/* Is something there that an earlier root must have signed? */
static bool authority_has_links(const struct authority *authority)
{
    for (int place = 0; place < AUTHORITY_LINKS_MAX; place++) {
        CLEARED(secret) text = {0};

        if (authority_files_read(&authority->files, authority_link_file(place), &text, NULL) !=
            STATUS_NOT_FOUND) {
            return true;
        }
    }
    return false;
}

static enum status authority_open_root(struct authority *authority,
                                       const struct authority_plan *plan, int64_t now_s,
                                       struct failure *why)
{
    struct bytes passphrase = secret_bytes(plan->passphrase);

    TRY(authority_link_load(authority, AUTHORITY_ROOT, passphrase, why));
    if (authority->root.signer != NULL) {
        return STATUS_OK;
    }
    /* A new root beside an old intermediate would be a lost root, replaced in silence. */
    if (authority_has_links(authority)) {
        return authority_refuse_file(authority_link_file(AUTHORITY_ROOT),
                                     "it is missing, but an intermediate that it signed is there",
                                     why);
    }
    if (plan->only_look) {
        return fail(why, STATUS_NOT_FOUND, "authority/missing", "%s holds no authority",
                    plan->folder);
    }
    TRY(seal_make(passphrase, plan->seal_cost == 0 ? SEAL_COST_DEFAULT : plan->seal_cost,
                  &authority->seal, why));
    TRY(authority_link_make(authority, AUTHORITY_ROOT, now_s, why));
    authority_note_link(authority, AUTHORITY_ROOT, AUTHORITY_LINK_MADE, "first", now_s);
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
    TRY(bundle_parse_der(plan->trust_domain, buffer_bytes(&authority->root.der), 1,
                         &authority->bundle, why));
    for (int place = 0; place < AUTHORITY_LINKS_MAX; place++) {
        TRY(authority_link_load(authority, place, secret_bytes(plan->passphrase), why));
    }
    return plan->only_look ? authority_choose(authority, now_s, why)
                           : authority_ensure(authority, now_s, why);
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
    authority->current = AUTHORITY_NONE;
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
        for (int place = 0; place < AUTHORITY_LINKS_MAX; place++) {
            authority_link_clear(&gone->links[place]);
        }
        seal_clear(&gone->seal);
        bundle_drop(&gone->bundle);
        authority_files_close(&gone->files);
        free(gone);
    }
}

/* Issuing -------------------------------------------------------------------------------------- */

/* Is it the public key of one of our authority certificates? */
static bool authority_is_own_key(const struct authority *authority, struct bytes spki_der)
{
    bool is_own = bytes_equal(spki_der, authority->root.cert.spki);

    for (int place = 0; place < AUTHORITY_LINKS_MAX; place++) {
        is_own = is_own || bytes_equal(spki_der, authority->links[place].cert.spki);
    }
    return is_own;
}

static enum status authority_check_request(const struct authority *authority,
                                           const struct authority_request *request,
                                           struct failure *why)
{
    if (!bytes_equal(spiffe_id_trust_domain(request->id),
                     spiffe_id_trust_domain(&authority->domain_id))) {
        return fail(why, STATUS_CONFIG, "authority/foreign-id",
                    "the identity is of another trust domain than %s", authority->domain_id.text);
    }
    if (authority_is_own_key(authority, request->spki_der)) {
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
    const struct authority_link *link = &authority->links[authority->current];
    struct certificate leaf;

    authority_issuer_of(link, &authority->root, &issuer);
    TRY(authority_draw_serial(request->revision, order.serial, why));
    TRY(sign_leaf(&issuer, &order, &out->chain_der, &out->not_after, why));
    TRY(certificate_parse(buffer_bytes(&out->chain_der), &leaf, why));
    certificate_serial_hex(&leaf, out->serial_hex);
    certificate_issuer_hex(&leaf, out->issuer_hex);
    out->not_before = leaf.not_before;
    out->issued_at = now_s;
    if (buffer_add(&out->chain_der, buffer_bytes(&link->der)) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "buffer/full", "the chain is too long");
    }
    return STATUS_OK;
}

enum status authority_issue(struct authority *authority, const struct authority_request *request,
                            int64_t now_s, struct authority_issued *out_issued, struct failure *why)
{
    CLEARED(authority_issued) issued = {.issued_at = 0};

    TRY(authority_check_request(authority, request, why));
    TRY(authority_ensure(authority, now_s, why));
    buffer_init(&issued.chain_der, SVID_CHAIN_MAX);
    TRY(authority_sign(authority, request, now_s, &issued, why));
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

void authority_view_link(const struct authority *authority, int place, int64_t now_s,
                         struct authority_view *out)
{
    const struct authority_link *link =
        place == AUTHORITY_ROOT ? &authority->root : &authority->links[place];

    *out = (struct authority_view){
        .file = authority_link_file(place),
        .not_before = link->cert.not_before,
        .not_after = link->cert.not_after,
        .state = now_s < link->cert.not_before   ? AUTHORITY_LINK_AHEAD
                 : now_s >= link->cert.not_after ? AUTHORITY_LINK_ENDED
                                                 : AUTHORITY_LINK_VALID,
        .signs = place == authority->current,
    };
    if (link->signer != NULL) {
        certificate_serial_hex(&link->cert, out->serial_hex);
    }
}

size_t authority_views(const struct authority *authority, int64_t now_s,
                       struct authority_view out_views[1 + AUTHORITY_LINKS_MAX])
{
    size_t num_views = 0;

    authority_view_link(authority, AUTHORITY_ROOT, now_s, &out_views[num_views++]);
    for (int place = 0; place < AUTHORITY_LINKS_MAX; place++) {
        if (authority->links[place].signer != NULL) {
            authority_view_link(authority, place, now_s, &out_views[num_views++]);
        }
    }
    return num_views;
}

int64_t authority_root_ends_at(const struct authority *authority)
{
    return authority->root.cert.not_after;
}

int64_t authority_intermediate_ends_at(const struct authority *authority)
{
    return authority->current == AUTHORITY_NONE
               ? 0
               : authority->links[authority->current].cert.not_after;
}
