/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/instance.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "core/control/registry/record.h"
#include "tests/support/suite.h"
#include "tests/unit/control/registry/place.h"

SUITE(instance, .timeout = 60);

#define NOW ((int64_t)1800000000)
#define DAY ((int64_t)86400)

/* One act of a test, in a transaction of its own. */
struct act {
    struct place *place;
    const char *name;
    int64_t now;
    int64_t life_s;
    struct entry entry;
};

static enum status act_begin(struct store *store, void *user, struct failure *why)
{
    const struct act *act = user;
    struct instance_birth birth = {.name = act->name, .now = act->now, .limit_reason = "limit"};

    return instance_begin(store, &act->entry, &birth, why);
}

static enum status act_issue(struct store *store, void *user, struct failure *why)
{
    const struct act *act = user;
    struct instance_certificate certificate = {
        .serial = "aa", .issued_at = act->now, .expires_at = act->now + act->life_s};

    TRY(act_begin(store, user, why));
    return instance_issued(store, act->entry.name, act->name, &certificate, why);
}

/* An instance gets a certificate for an hour; false: there is no place for it. */
static bool gets(struct place *place, const char *name, int64_t now)
{
    struct act act = {.place = place, .name = name, .now = now, .life_s = 3600};
    struct failure why = {0};
    enum status status;

    cr_assert_eq(entry_get(&place->registry, bytes_of("web"), &act.entry, &why), STATUS_OK);
    status = store_change(place->store, act_issue, &act, &why);
    cr_assert(status == STATUS_OK || status == STATUS_DENIED, "%s", why.detail);
    return status == STATUS_OK;
}

struct counted {
    int64_t now;
    size_t living;
    size_t records;
};

static enum status count_record(void *user, struct bytes key, struct bytes value,
                                struct failure *why)
{
    struct counted *counted = user;

    (void)key;
    (void)value;
    (void)why;
    counted->records++;
    return STATUS_OK;
}

static enum status act_count(struct store *store, void *user, struct failure *why)
{
    struct counted *counted = user;

    counted->records = 0;
    TRY(store_list(store, bytes_of("instance/"), count_record, counted, why));
    return instance_count(store, "web", counted->now, &counted->living, why);
}

static void expect(struct place *place, int64_t now, size_t living, size_t records)
{
    struct counted counted = {.now = now};
    struct failure why = {0};

    cr_assert_eq(store_change(place->store, act_count, &counted, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert_eq(counted.living, living, "%zu live", counted.living);
    cr_assert_eq(counted.records, records, "%zu records", counted.records);
}

Test(instance, its_end_is_that_of_its_newest_certificate)
{
    struct place place = {0};

    place_make(&place);
    place_add(&place, "web", 1);
    cr_assert(gets(&place, "a", NOW + 30 * DAY));
    cr_assert(gets(&place, "a", NOW), "it asks again when the clock is right");
    cr_assert_not(gets(&place, "b", NOW + 3599));
    cr_assert(gets(&place, "b", NOW + 3600), "a has ended");
    place_clear(&place);
}

Test(instance, what_was_issued_in_the_future_does_not_count)
{
    struct place place = {0};

    place_make(&place);
    place_add(&place, "web", 1);
    cr_assert(gets(&place, "a", NOW + INSTANCE_SKEW_S));
    cr_assert_not(gets(&place, "b", NOW), "clocks differ by so much without anybody's fault");
    cr_assert(gets(&place, "b", NOW - 1));
    expect(&place, NOW - 1, 1, 2);
    place_clear(&place);
}

Test(instance, the_sweep_forgets_who_has_ended)
{
    struct place place = {0};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert(gets(&place, "a", NOW));
    cr_assert(gets(&place, "b", NOW + 10));
    expect(&place, NOW + 3600, 1, 2);
    cr_assert_eq(instance_sweep(&place.registry, NOW + 3599, &why), STATUS_OK, "%s", why.detail);
    expect(&place, NOW + 3599, 2, 2);
    cr_assert_eq(instance_sweep(&place.registry, NOW + 3600, &why), STATUS_OK, "%s", why.detail);
    expect(&place, NOW + 3600, 1, 1);
    cr_assert_eq(entry_remove(&place.registry, bytes_of("web"), &why), STATUS_OK);
    place_clear(&place);
}

/* Without a sweep, under a clock that never proves itself, the records of an entry stay few. */
Test(instance, ended_ones_that_wait_for_a_sweep_are_bounded)
{
    const size_t most = INSTANCE_IDLE_MAX + 2;
    struct place place = {0};
    char name[16];

    place_make(&place);
    place_add(&place, "web", 2);
    for (size_t i = 0; i < most + 20; i++) {
        (void)snprintf(name, sizeof name, "n%zu", i);
        cr_assert(gets(&place, name, NOW + (int64_t)i * 3600), "%s", name);
    }
    expect(&place, NOW + (int64_t)(most + 19) * 3600, 1, most);
    place_clear(&place);
}

static enum status act_write_old(struct store *store, void *user, struct failure *why)
{
    CLEARED(buffer) record = {0};
    const struct act *act = user;

    record_begin(&record);
    record_add(&record, 1, bytes_of(act->name));
    record_add(&record, 2, bytes_of("aa"));
    record_add(&record, 3, bytes_of(""));
    record_add_number(&record, 4, act->now);
    record_add_number(&record, 5, act->now + act->life_s);
    return store_put(store, bytes_of("instance/web/a"), buffer_bytes(&record), why);
}

/* One without an issue time counts by its end alone, and has one from its next certificate on. */
Test(instance, a_record_of_an_older_version_is_read)
{
    struct place place = {0};
    struct act act = {.place = &place, .name = "a", .now = NOW + 30 * DAY, .life_s = 3600};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 1);
    cr_assert_eq(store_change(place.store, act_write_old, &act, &why), STATUS_OK, "%s", why.detail);
    expect(&place, NOW, 1, 1);
    cr_assert_not(gets(&place, "b", NOW));
    act.now = NOW;
    cr_assert_eq(entry_get(&place.registry, bytes_of("web"), &act.entry, &why), STATUS_OK);
    cr_assert_eq(store_change(place.store, act_issue, &act, &why), STATUS_OK, "%s", why.detail);
    cr_assert(gets(&place, "b", NOW + 3600));
    place_clear(&place);
}
