/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which link signs, and when one is made. Part of authority.c.
 *
 * The wall clock may jump, ahead and back, by seconds or years. So nothing that it calls old is given
 * up for what it calls new, until it has proved steady: a new intermediate goes beside those that are
 * there. Whatever time it is, the link that is valid then signs; when none is, one is made at once.
 * Links that a wrong clock made lie there until their time comes and goes, or their place is wanted.
 */
#include <string.h>

#include "core/control/ca/authority_parts.h"
#include "core/runtime/base/clock.h"

/* Can it sign the shortest leaf now? A link of the future cannot, nor one that is about to end. */
static bool authority_is_usable(const struct authority *authority,
                                const struct authority_link *link, int64_t now_s)
{
    return link->signer != NULL && now_s >= link->cert.not_before &&
           link->cert.not_after - SIGN_MARGIN_S - now_s >= authority->lives.leaf_floor_s;
}

/*
 * Of those that can sign, the one that ends last; but rather one whose backdating lies behind us, so
 * that a peer whose clock is a little behind ours accepts what it signs.
 */
static int authority_best(const struct authority *authority, int64_t now_s)
{
    int best = AUTHORITY_NONE;
    bool best_settled = false;

    for (int place = 0; place < AUTHORITY_LINKS_MAX; place++) {
        const struct authority_link *link = &authority->links[place];
        bool settled = now_s - SIGN_BACKDATE_S >= link->cert.not_before;

        if (!authority_is_usable(authority, link, now_s) || (best_settled && !settled)) {
            continue;
        }
        if (best == AUTHORITY_NONE || (settled && !best_settled) ||
            link->cert.not_after > authority->links[best].cert.not_after) {
            best = place;
            best_settled = settled;
        }
    }
    return best;
}

/* How far its life lies from now, in s; 0 inside of it. */
static int64_t authority_distance(const struct authority_link *link, int64_t now_s)
{
    if (now_s < link->cert.not_before) {
        return link->cert.not_before - now_s;
    }
    return now_s < link->cert.not_after ? 0 : now_s - link->cert.not_after;
}

/*
 * Where a new link goes: a free place, else that of the link whose life is farthest from now, which is
 * not the one that signs. Losing a link costs nothing but its place: what it signed carries its
 * certificate, and should its time come, another is made.
 */
static int authority_place_for_new(const struct authority *authority, int64_t now_s)
{
    int place = AUTHORITY_NONE;
    int64_t farthest = -1;

    for (int i = 0; i < AUTHORITY_LINKS_MAX; i++) {
        const struct authority_link *link = &authority->links[i];

        if (link->signer == NULL) {
            return i;
        }
        if (i != authority->current && authority_distance(link, now_s) > farthest) {
            farthest = authority_distance(link, now_s);
            place = i;
        }
    }
    return place;
}

static void authority_note_down(struct authority *authority, const struct authority_note *note)
{
    if (authority->num_notes == AUTHORITY_NOTES_MAX) {
        memmove(&authority->notes[0], &authority->notes[1],
                (AUTHORITY_NOTES_MAX - 1) * sizeof authority->notes[0]);
        authority->num_notes--;
    }
    authority->notes[authority->num_notes++] = *note;
}

bool authority_next_note(struct authority *authority, struct authority_note *out_note)
{
    if (authority->num_notes == 0) {
        return false;
    }
    *out_note = authority->notes[0];
    authority->num_notes--;
    memmove(&authority->notes[0], &authority->notes[1],
            authority->num_notes * sizeof authority->notes[0]);
    return true;
}

void authority_note_link(struct authority *authority, int place, enum authority_note_kind kind,
                         const char *cause, int64_t now_s)
{
    struct authority_note note = {.kind = kind, .cause = cause};

    authority_view_link(authority, place, now_s, &note.link);
    authority_note_down(authority, &note);
}

static enum status authority_add_link(struct authority *authority, const char *cause, int64_t now_s,
                                      struct failure *why)
{
    int place = authority_place_for_new(authority, now_s);
    struct authority_note gone = {.kind = AUTHORITY_LINK_REMOVED, .cause = "no-room"};
    bool replaces = authority->links[place].signer != NULL;

    authority_view_link(authority, place, now_s, &gone.link);
    TRY(authority_link_make(authority, place, now_s, why));
    if (replaces) {
        authority_note_down(authority, &gone);
    }
    authority->current = authority_best(authority, now_s);
    authority_note_link(authority, place, AUTHORITY_LINK_MADE, cause, now_s);
    return STATUS_OK;
}

/* When a new intermediate would end. */
static int64_t authority_next_end(const struct authority *authority, int64_t now_s)
{
    int64_t end = now_s + authority->lives.intermediate_s;
    int64_t bound = authority->root.cert.not_after - SIGN_MARGIN_S;

    return end < bound ? end : bound;
}

/* Outside of the root's life nothing can be made or signed: say whose clock is likely wrong. */
static enum status authority_check_root(const struct authority *authority, int64_t now_s,
                                        struct failure *why)
{
    const struct certificate *root = &authority->root.cert;

    if (now_s < root->not_before) {
        return fail(why, STATUS_DENIED, "authority/root-ahead",
                    "the root begins at %s, our clock says %s: our clock is behind, or was ahead "
                    "when the root was made",
                    clock_utc(root->not_before).text, clock_utc(now_s).text);
    }
    if (now_s >= root->not_after) {
        return fail(why, STATUS_DENIED, "authority/root-expired",
                    "the root ended at %s, our clock says %s: our clock is ahead, or the mesh "
                    "needs a new root",
                    clock_utc(root->not_after).text, clock_utc(now_s).text);
    }
    if (authority_next_end(authority, now_s) - SIGN_MARGIN_S - now_s <
        authority->lives.leaf_floor_s) {
        return fail(why, STATUS_DENIED, "authority/expiring",
                    "the root ends at %s, before the shortest leaf would; our clock says %s",
                    clock_utc(root->not_after).text, clock_utc(now_s).text);
    }
    return STATUS_OK;
}

enum status authority_choose(struct authority *authority, int64_t now_s, struct failure *why)
{
    authority->current = authority_best(authority, now_s);
    return authority->current != AUTHORITY_NONE ? STATUS_OK
                                                : authority_check_root(authority, now_s, why);
}

enum status authority_ensure(struct authority *authority, int64_t now_s, struct failure *why)
{
    bool first = true;

    TRY(authority_choose(authority, now_s, why));
    if (authority->current != AUTHORITY_NONE) {
        return STATUS_OK;
    }
    for (int place = 0; place < AUTHORITY_LINKS_MAX; place++) {
        first = first && authority->links[place].signer == NULL;
    }
    return authority_add_link(authority, first ? "first" : "none-valid", now_s, why);
}

/* Four leaves before its end; for one of few leaves, at half of its life. */
int64_t authority_renews_at(const struct authority *authority)
{
    int64_t ahead = AUTHORITY_LEAVES_PER_INTERMEDIATE * authority->lives.leaf_s;
    const struct certificate *cert;
    int64_t half;

    if (authority->current == AUTHORITY_NONE) {
        return 0;
    }
    cert = &authority->links[authority->current].cert;
    half = (cert->not_after - cert->not_before - SIGN_BACKDATE_S) / 2;
    return cert->not_after - (ahead < half ? ahead : half);
}

/* The life of a link, without what it was backdated by. */
static int64_t authority_life_of(const struct authority_link *link)
{
    return link->cert.not_after - link->cert.not_before - SIGN_BACKDATE_S;
}

/* Due when its time has come, or it could not carry a whole leaf; never when that gains nothing. */
static bool authority_is_due(const struct authority *authority, int64_t now_s)
{
    int64_t ends_at = authority->links[authority->current].cert.not_after;

    if (authority_next_end(authority, now_s) <= ends_at) {
        return false;
    }
    return now_s >= authority_renews_at(authority) ||
           ends_at - SIGN_MARGIN_S - now_s < authority->lives.leaf_s;
}

/* What has ended goes; but a clock that jumped ahead a moment ago does not say what has. */
static enum status authority_remove_ended(struct authority *authority, struct steady_now now,
                                          struct failure *why)
{
    int64_t now_s = now.unix_ms / 1000;

    for (int place = 0; place < AUTHORITY_LINKS_MAX; place++) {
        struct authority_link *link = &authority->links[place];

        if (link->signer == NULL || now_s < link->cert.not_after ||
            !steady_enough(&authority->steady, now, authority_life_of(link))) {
            continue;
        }
        TRY(authority_files_remove(&authority->files, authority_link_file(place), why));
        authority_note_link(authority, place, AUTHORITY_LINK_REMOVED, "ended", now_s);
        authority_link_clear(link);
    }
    return STATUS_OK;
}

static void authority_look_at_clocks(struct authority *authority, struct steady_now now)
{
    if (steady_look(&authority->steady, now)) {
        struct authority_note note = {.kind = AUTHORITY_CLOCK_STEPPED,
                                      .stepped_ms = authority->steady.stepped_ms};

        authority_note_down(authority, &note);
    }
}

bool authority_may_replace(struct authority *authority, struct steady_now now, int64_t life_s)
{
    authority_look_at_clocks(authority, now);
    return steady_enough(&authority->steady, now, life_s);
}

enum status authority_tick(struct authority *authority, struct steady_now now, struct failure *why)
{
    int64_t now_s = now.unix_ms / 1000;
    int64_t life_s;

    authority_look_at_clocks(authority, now);
    TRY(authority_ensure(authority, now_s, why));
    life_s = authority_life_of(&authority->links[authority->current]);
    if (authority_is_due(authority, now_s) && steady_enough(&authority->steady, now, life_s)) {
        TRY(authority_add_link(authority, "due", now_s, why));
    }
    return authority_remove_ended(authority, now, why);
}

const struct steady *authority_steady(const struct authority *authority)
{
    return &authority->steady;
}
