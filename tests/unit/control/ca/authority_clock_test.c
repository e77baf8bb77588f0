/* SPDX-License-Identifier: Apache-2.0 */
/* The authority under clocks that jump, ahead and back, through restarts. */
#include "core/runtime/base/clock.h"
#include "tests/unit/control/ca/place.h"

SUITE(authority_clock, .timeout = 300);

/* Issuing must work now, and what was issued must hold now. */
static void must_issue(struct place *place, int64_t now_s, const char *when)
{
    CLEARED(authority_issued) issued = {.issued_at = 0};
    struct verified_peer peer;
    struct failure why = {0};

    cr_assert_eq(place_issue(place, WEB, 0, now_s, &issued, &why), STATUS_OK, "%s: %s: %s", when,
                 why.reason, why.detail);
    cr_assert_eq(place_judge(place, &issued, now_s, &peer, &why), STATUS_OK, "%s: %s: %s", when,
                 why.reason, why.detail);
    cr_assert_geq(issued.not_after - now_s, place->plan.lives.leaf_floor_s, "%s", when);
}

/* How many notes of a kind wait, all taken out; the last one is given. */
static int take_notes(struct place *place, enum authority_note_kind kind,
                      struct authority_note *out_last)
{
    struct authority_note note = {.cause = ""};
    int found = 0;

    while (authority_next_note(place->authority, &note)) {
        if (note.kind == kind) {
            *out_last = note;
            found++;
        }
    }
    return found;
}

Test(authority_clock, one_tick_thirty_days_ahead_and_issuing_goes_on_when_the_clock_is_right_again)
{
    struct place place;

    place_make(&place);
    place_open(&place, START);
    cr_assert_eq(place_tick_ahead(&place, START + HOUR, 30 * DAY, NULL), STATUS_OK);
    must_issue(&place, START + HOUR + 30 * DAY, "while it is ahead");
    cr_assert_eq(place_tick_ahead(&place, START + HOUR + 1, 0, NULL), STATUS_OK);
    must_issue(&place, START + HOUR + 1, "right again");
    place_open(&place, START + 2 * HOUR);
    must_issue(&place, START + 2 * HOUR, "after a restart");
    place_drop(&place);
}

Test(authority_clock, a_start_with_a_clock_of_the_future_leaves_the_folder_good)
{
    struct place place;
    uint8_t before[BUNDLE_SHA256_LEN];
    uint8_t after[BUNDLE_SHA256_LEN];

    place_make(&place);
    place_open(&place, START);
    place_root(&place, before);
    place_open(&place, START + 30 * DAY);
    must_issue(&place, START + 30 * DAY, "ahead");
    place_open(&place, START + HOUR);
    place_root(&place, after);
    cr_assert_arr_eq(before, after, BUNDLE_SHA256_LEN);
    must_issue(&place, START + HOUR, "right again");
    place_drop(&place);
}

/* Only intermediates of the future are there: what the folder of an older version may hold. */
Test(authority_clock, with_no_link_valid_now_the_start_makes_one)
{
    struct place place;

    place_make(&place);
    place_open(&place, START);
    place_open(&place, START + 30 * DAY); /* goes beside the first */
    authority_drop(&place.authority);
    place_remove(&place, "intermediate.pem");
    cr_assert_eq(place_num_links(&place), 1);
    place_open(&place, START + HOUR);
    must_issue(&place, START + HOUR, "right again");
    cr_assert_eq(place_num_links(&place), 2, "nothing was overwritten");
    place_drop(&place);
}

Test(authority_clock, a_link_that_begins_later_signs_nothing_until_its_time)
{
    struct place place;
    CLEARED(authority_issued) early = {.issued_at = 0};
    CLEARED(authority_issued) late = {.issued_at = 0};

    place_make(&place);
    place_open(&place, START);
    cr_assert_eq(place_tick_ahead(&place, START + HOUR, 30 * DAY, NULL), STATUS_OK);
    cr_assert_eq(place_issue(&place, WEB, 0, START + HOUR, &early, NULL), STATUS_OK);
    cr_assert_eq(place_issue(&place, WEB, 0, START + 30 * DAY + 2 * HOUR, &late, NULL), STATUS_OK);
    cr_assert_str_neq(early.issuer_hex, late.issuer_hex);
    cr_assert_eq(place_num_links(&place), 2);
    place_drop(&place);
}

Test(authority_clock, the_predecessor_stays_on_disk_until_it_has_ended)
{
    struct place place;
    struct authority_note note = {.cause = ""};
    int64_t renews_at;
    int64_t ends_at;

    place_make(&place);
    place_open(&place, START);
    renews_at = authority_renews_at(place.authority);
    ends_at = authority_intermediate_ends_at(place.authority);
    cr_assert_eq(place_tick(&place, renews_at - HOUR, NULL), STATUS_OK);
    cr_assert_eq(take_notes(&place, AUTHORITY_LINK_MADE, &note), 2, "root and intermediate");
    cr_assert_eq(place_tick(&place, renews_at, NULL), STATUS_OK);
    cr_assert_eq(take_notes(&place, AUTHORITY_LINK_MADE, &note), 1);
    cr_assert_str_eq(note.cause, "due");
    cr_assert_str_eq(note.link.file, "intermediate-2.pem");
    cr_assert(note.link.signs);
    cr_assert_eq(note.link.not_after, renews_at + 14 * DAY);
    cr_assert_eq(place_num_links(&place), 2);
    cr_assert_eq(place_tick(&place, ends_at - 1, NULL), STATUS_OK);
    cr_assert_eq(place_num_links(&place), 2);
    cr_assert_eq(place_tick(&place, ends_at, NULL), STATUS_OK);
    cr_assert_eq(place_num_links(&place), 1);
    cr_assert_eq(take_notes(&place, AUTHORITY_LINK_REMOVED, &note), 1);
    cr_assert_str_eq(note.cause, "ended");
    cr_assert_str_eq(note.link.file, "intermediate.pem");
    must_issue(&place, ends_at, "with the successor");
    place_drop(&place);
}

Test(authority_clock, a_clock_that_has_just_jumped_removes_nothing)
{
    struct place place;
    struct authority_note note = {.cause = ""};
    int64_t now = START + HOUR;

    place_make(&place);
    place_open(&place, START);
    cr_assert_eq(place_tick(&place, now, NULL), STATUS_OK);
    for (int64_t s = 1; s < 599; s += 13) {
        cr_assert_eq(place_tick_ahead(&place, now + s, 30 * DAY, NULL), STATUS_OK);
        cr_assert_eq(place_num_links(&place), 2, "after %lld s", (long long)s);
    }
    cr_assert_eq(take_notes(&place, AUTHORITY_CLOCK_STEPPED, &note), 1);
    cr_assert_eq(note.stepped_ms, 30LL * DAY * 1000);
    cr_assert_eq(authority_steady(place.authority)->num_steps, 1);
    place_drop(&place);
}

/* What wants to be replaced, its successor's life, and how long it takes, in s. */
struct patience {
    int64_t leaf_s;
    bool demo;
    int64_t wait_s;
};

Test(authority_clock, replacing_a_valid_link_waits_until_the_clocks_have_agreed)
{
    static const struct patience rows[] = {{12 * HOUR, false, 600}, {6, true, 6}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct place place;
        int64_t due;
        int64_t ends_at;

        place_make(&place);
        place.plan.lives = authority_lives_of(rows[i].leaf_s, rows[i].demo);
        place_open(&place, START);
        due = authority_renews_at(place.authority);
        ends_at = authority_intermediate_ends_at(place.authority);
        for (int64_t s = 0; s < rows[i].wait_s; s++) { /* the first look is at the time itself */
            cr_assert_eq(place_tick(&place, due + s, NULL), STATUS_OK);
            cr_assert_eq(authority_intermediate_ends_at(place.authority), ends_at, "after %lld s",
                         (long long)s);
            must_issue(&place, due + s, "signing does not wait");
        }
        cr_assert_eq(place_tick(&place, due + rows[i].wait_s, NULL), STATUS_OK);
        cr_assert_gt(authority_intermediate_ends_at(place.authority), ends_at);
        place_drop(&place);
    }
}

/* A jump to where the link is due, but valid: nothing is made, and back again nothing has happened. */
Test(authority_clock, a_short_jump_into_the_time_of_renewal_makes_nothing)
{
    struct place place;
    int64_t ahead;

    place_make(&place);
    place_open(&place, START);
    ahead = authority_renews_at(place.authority) + HOUR - START;
    cr_assert_eq(place_tick(&place, START, NULL), STATUS_OK);
    cr_assert_eq(place_tick(&place, START + 700, NULL), STATUS_OK);
    cr_assert_eq(place_tick_ahead(&place, START + 701, ahead, NULL), STATUS_OK);
    cr_assert_eq(place_tick_ahead(&place, START + 701 + 599, ahead, NULL), STATUS_OK);
    cr_assert_eq(place_num_links(&place), 1);
    cr_assert_eq(place_tick(&place, START + 701 + 600, NULL), STATUS_OK);
    cr_assert_eq(place_num_links(&place), 1);
    place_drop(&place);
}

Test(authority_clock, a_clock_that_flaps_for_years_fills_no_disk)
{
    struct place place;
    struct authority_note note = {.cause = ""};

    place_make(&place);
    place_open(&place, START);
    for (int64_t i = 1; i <= 60; i++) {
        int64_t ahead = (i % 2 == 0 ? i : 100 - i) * 31 * DAY;

        cr_assert_eq(place_tick_ahead(&place, START + i, ahead, NULL), STATUS_OK);
        cr_assert_leq(place_num_links(&place), AUTHORITY_LINKS_MAX);
        must_issue(&place, START + i + ahead, "elsewhere");
        (void)take_notes(&place, AUTHORITY_LINK_REMOVED, &note);
        if (i % 9 == 0) {
            must_issue(&place, START + i, "right for a moment");
        }
        if (i % 10 == 0) {
            place_open(&place, START + i + ahead);
        }
    }
    cr_assert_str_eq(note.cause, "no-room");
    cr_assert_eq(place_num_links(&place), AUTHORITY_LINKS_MAX);
    cr_assert_eq(place_tick(&place, START + HOUR, NULL), STATUS_OK);
    must_issue(&place, START + HOUR, "right again");
    place_drop(&place);
}

/* Our clock stands before the root's life: only the clock, or another root, can help, and it says so. */
Test(authority_clock, a_root_that_begins_later_says_whose_clock_may_be_wrong)
{
    struct place place;
    CLEARED(authority_issued) issued = {.issued_at = 0};
    struct failure why = {0};

    place_make(&place);
    place_open(&place, START);
    cr_assert_eq(place_issue(&place, WEB, 0, START - DAY, &issued, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "authority/root-ahead");
    cr_assert_str_eq(why.detail,
                     "the root begins at 2027-01-15T07:55:00Z, our clock says 2027-01-14T08:00:00Z:"
                     " our clock is behind, or was ahead when the root was made");
    cr_assert_eq(place_tick(&place, START - DAY, &why), STATUS_DENIED);
    cr_assert_eq(place_num_links(&place), 1);
    cr_assert_str_eq(place_refused(&place, START - DAY), "authority/root-ahead");
    cr_assert_str_eq(place_refused(&place, START + 11LL * 365 * DAY), "authority/root-expired");
    place_open(&place, START);
    must_issue(&place, START, "right again");
    place_drop(&place);
}

Test(authority_clock, each_link_says_how_it_stands)
{
    struct place place;
    struct authority_view views[1 + AUTHORITY_LINKS_MAX];

    place_make(&place);
    place_open(&place, START);
    cr_assert_eq(place_tick_ahead(&place, START + 1, 30 * DAY, NULL), STATUS_OK);
    cr_assert_eq(authority_views(place.authority, START + 30 * DAY, views), 3);
    cr_assert_str_eq(views[0].file, "root.pem");
    cr_assert_eq(views[0].state, AUTHORITY_LINK_VALID);
    cr_assert_not(views[0].signs);
    cr_assert_eq(views[1].state, AUTHORITY_LINK_ENDED);
    cr_assert_eq(views[2].state, AUTHORITY_LINK_VALID);
    cr_assert(views[2].signs);
    cr_assert_eq(authority_views(place.authority, START + 1, views), 3);
    cr_assert_eq(views[1].state, AUTHORITY_LINK_VALID);
    cr_assert_eq(views[2].state, AUTHORITY_LINK_AHEAD);
    cr_assert_eq(views[2].not_before, START + 1 + 30 * DAY - SIGN_BACKDATE_S);
    cr_assert_eq(strlen(views[2].serial_hex), (size_t)2 * SERIAL_LEN);
    place_drop(&place);
}

Test(authority_clock, a_look_makes_nothing_and_needs_no_lock)
{
    struct place place;
    struct authority *looked = NULL;
    struct authority_plan plan;
    struct authority_view views[1 + AUTHORITY_LINKS_MAX];
    struct failure why = {0};

    place_make(&place);
    plan = place.plan;
    plan.only_look = true;
    cr_assert_eq(authority_open(&plan, START, &looked, &why), STATUS_NOT_FOUND);
    cr_assert_str_eq(why.reason, "authority/missing");
    place_open(&place, START); /* and it is open from now on */
    cr_assert_eq(authority_open(&plan, START + 30 * DAY, &looked, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert_eq(authority_views(looked, START + 30 * DAY, views), 2);
    cr_assert_eq(views[1].state, AUTHORITY_LINK_ENDED);
    cr_assert_eq(place_num_links(&place), 1);
    authority_drop(&looked);
    cr_assert_eq(authority_open(&plan, START - DAY, &looked, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "authority/root-ahead");
    place_drop(&place);
}

/* A leaf for the key of a link that waits its turn would be as bad as for the one that signs. */
Test(authority_clock, I2_the_keys_of_all_links_are_its_own)
{
    struct place place;
    CLEARED(authority_issued) first = {.issued_at = 0};
    CLEARED(authority_issued) none = {.issued_at = 0};
    struct spiffe_id id;
    struct certificate cert;
    struct authority_request request = {.id = &id};
    struct bytes rest;
    struct bytes der;
    struct failure why = {0};

    place_make(&place);
    place_open(&place, START);
    cr_assert_eq(place_issue(&place, WEB, 0, START, &first, NULL), STATUS_OK);
    rest = buffer_bytes(&first.chain_der);
    cr_assert(certificate_next(&rest, &der) && certificate_next(&rest, &der));
    cr_assert_eq(certificate_parse(der, &cert, NULL), STATUS_OK);
    cr_assert_eq(spiffe_id_parse(bytes_of(WEB), &id, NULL), STATUS_OK);
    cr_assert_eq(place_tick(&place, START + 20 * DAY, NULL), STATUS_OK); /* another one signs */
    request.spki_der = cert.spki;
    cr_assert_eq(authority_issue(place.authority, &request, START + 20 * DAY, &none, &why),
                 STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "authority/own-key");
    place_drop(&place);
}

/* Any of the files may be missing, and the next ones half written, when it starts. */
Test(authority_clock, every_set_of_links_loads)
{
    struct place place;
    struct buffer kept[3];

    place_make(&place);
    place_open(&place, START);
    place_open(&place, START + 30 * DAY);
    place_open(&place, START + 60 * DAY);
    cr_assert_eq(place_num_links(&place), 3);
    for (int i = 0; i < 3; i++) {
        char name[40];

        place_link_file(i + 1, name);
        place_read(&place, name, &kept[i]);
    }
    for (unsigned set = 0; set < 8; set++) {
        for (int number = 1; number <= AUTHORITY_LINKS_MAX; number++) {
            char name[40];

            place_link_file(number, name);
            if (number <= 3 && (set & (1U << (number - 1))) != 0) {
                place_write(&place, name, buffer_bytes(&kept[number - 1]), 0600);
            } else {
                place_remove(&place, name);
            }
            (void)snprintf(name + strlen(name), sizeof name - strlen(name), ".new");
            place_write(&place, name, bytes_make(kept[0].at, set * 100), 0600);
        }
        for (int64_t now = START; now <= START + 60 * DAY; now += 30 * DAY) {
            place_open(&place, now);
            must_issue(&place, now, "whatever was left");
        }
        authority_drop(&place.authority);
    }
    for (int i = 0; i < 3; i++) {
        buffer_clear(&kept[i]);
    }
    place_drop(&place);
}

/* --- random walks --------------------------------------------------------------------------------- */

/* True time, the clock's error, and a process that may not have come up. */
struct walk {
    struct place place;
    uint64_t state; /* of the draw */
    int64_t true_s;
    int64_t ahead_s;
};

static uint64_t walk_draw(struct walk *walk, uint64_t below)
{
    walk->state = walk->state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (walk->state >> 33) % below;
}

/* A span of any size: seconds as often as years. */
static int64_t walk_span(struct walk *walk, int largest)
{
    static const int64_t sizes[] = {5, 60, 600, HOUR, 12 * HOUR, 5 * DAY, 14 * DAY, 90 * DAY,
                                    6LL * 365 * DAY};

    return (int64_t)walk_draw(walk, (uint64_t)sizes[walk_draw(walk, (uint64_t)largest)]) + 1;
}

static void walk_restart(struct walk *walk)
{
    authority_drop(&walk->place.authority);
    /* A clock outside of the root's life refuses the start: then there is no process until the next. */
    (void)!authority_open(&walk->place.plan, walk->true_s + walk->ahead_s, &walk->place.authority,
                          NULL);
}

static void walk_tick(struct walk *walk)
{
    if (walk->place.authority != NULL) {
        (void)!place_tick_ahead(&walk->place, walk->true_s, walk->ahead_s, NULL);
    }
}

static void walk_issue(struct walk *walk)
{
    CLEARED(authority_issued) issued = {.issued_at = 0};
    struct verified_peer peer;
    struct failure why = {0};
    int64_t now = walk->true_s + walk->ahead_s;

    if (walk->place.authority == NULL) {
        return;
    }
    if (place_issue(&walk->place, WEB, 0, now, &issued, &why) == STATUS_OK) {
        cr_assert_eq(place_judge(&walk->place, &issued, now, &peer, &why), STATUS_OK, "%s",
                     why.reason);
    } else {
        cr_assert(strncmp(why.reason, "authority/root-", 15) == 0 ||
                      strcmp(why.reason, "authority/expiring") == 0,
                  "%s: %s", why.reason, why.detail);
    }
}

static void walk_step(struct walk *walk)
{
    int64_t calm_s;

    switch (walk_draw(walk, 6)) {
    case 0: /* time passes, with a tick each second of which we see a few */
        calm_s = walk_span(walk, 6);
        for (int64_t s = 0; s < calm_s; s += 1 + calm_s / 7) {
            walk->true_s += 1 + calm_s / 7;
            walk_tick(walk);
        }
        break;
    case 1:
        walk->ahead_s += walk_span(walk, 9);
        break;
    case 2:
        walk->ahead_s -= walk_span(walk, 9);
        break;
    case 3:
        walk_restart(walk);
        break;
    case 4:
        walk_issue(walk);
        break;
    default:
        walk_tick(walk);
        break;
    }
}

/* The clock is right again: whatever was, issuing works at once, in the same process and in the next. */
static void walk_must_work(struct walk *walk, const char *when)
{
    walk->ahead_s = 0;
    if (walk->place.authority == NULL || walk_draw(walk, 3) == 0) {
        place_open(&walk->place, walk->true_s);
    }
    if (walk_draw(walk, 2) == 0) {
        cr_assert_eq(place_tick(&walk->place, walk->true_s, NULL), STATUS_OK);
    }
    must_issue(&walk->place, walk->true_s, when);
    cr_assert_leq(place_num_links(&walk->place), AUTHORITY_LINKS_MAX);
}

static void walk_once(uint64_t seed, struct authority_lives lives)
{
    struct walk walk = {.state = seed, .true_s = START};
    uint8_t before[BUNDLE_SHA256_LEN];
    uint8_t after[BUNDLE_SHA256_LEN];
    char when[64];

    place_make(&walk.place);
    walk.place.plan.lives = lives;
    place_open(&walk.place, START);
    place_root(&walk.place, before);
    for (int step = 0; step < 60; step++) {
        walk_step(&walk);
        if (walk_draw(&walk, 5) == 0) {
            (void)snprintf(when, sizeof when, "walk %llu, step %d", (unsigned long long)seed, step);
            walk_must_work(&walk, when);
        }
    }
    walk_must_work(&walk, "at the end");
    place_root(&walk.place, after);
    cr_assert_arr_eq(before, after, BUNDLE_SHA256_LEN, "the root is never replaced");
    place_drop(&walk.place);
}

Test(authority_clock, P_whenever_the_clock_is_right_again_issuing_works_at_once)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        walk_once(seed, authority_lives_of(12 * HOUR, false));
    }
}

Test(authority_clock, P_the_same_with_lives_of_a_demo)
{
    struct authority_lives lives = authority_lives_of(6, true);

    for (uint64_t seed = 1001; seed <= 1030; seed++) {
        walk_once(seed, lives);
    }
}
