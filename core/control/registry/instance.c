/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control/registry/record.h"
#include "core/control/registry/token_use.h"
#include "core/runtime/base/memory.h"

enum instance_tag {
    INSTANCE_TAG_NAME = 1,
    INSTANCE_TAG_SERIAL,
    INSTANCE_TAG_PREVIOUS,
    INSTANCE_TAG_SINCE,
    INSTANCE_TAG_EXPIRES,
    INSTANCE_TAG_KEY, /* only while bound */
    INSTANCE_TAG_ISSUED,
};

struct instance_key {
    char text[16 + ENTRY_NAME_MAX + INSTANCE_NAME_MAX];
};

/* With an empty name it is the prefix of all of the entry's instances. */
static struct bytes instance_key_of(struct instance_key *key, const char *entry, const char *name)
{
    (void)snprintf(key->text, sizeof key->text, "instance/%s/%s", entry, name);
    return bytes_of(key->text);
}

static enum status instance_write(struct store *store, const char *entry,
                                  const struct instance *instance, struct failure *why)
{
    CLEARED(buffer) record = {0};
    struct instance_key key;

    record_begin(&record);
    record_add(&record, INSTANCE_TAG_NAME, bytes_of(instance->name));
    record_add(&record, INSTANCE_TAG_SERIAL, bytes_of(instance->serial));
    record_add(&record, INSTANCE_TAG_PREVIOUS, bytes_of(instance->previous));
    record_add_number(&record, INSTANCE_TAG_SINCE, instance->since);
    record_add_number(&record, INSTANCE_TAG_EXPIRES, instance->expires_at);
    if (instance->bound) {
        record_add(&record, INSTANCE_TAG_KEY, digest_bytes(&instance->key));
    }
    record_add_number(&record, INSTANCE_TAG_ISSUED, instance->issued_at);
    return store_put(store, instance_key_of(&key, entry, instance->name), buffer_bytes(&record),
                     why);
}

static enum status instance_read_field(const struct record_field *field, struct instance *instance,
                                       struct failure *why)
{
    switch (field->tag) {
    case INSTANCE_TAG_NAME:
        return record_text(field, instance->name, sizeof instance->name, why);
    case INSTANCE_TAG_SERIAL:
        return record_text(field, instance->serial, sizeof instance->serial, why);
    case INSTANCE_TAG_PREVIOUS:
        return record_text(field, instance->previous, sizeof instance->previous, why);
    case INSTANCE_TAG_SINCE:
        return record_number(field, &instance->since, why);
    case INSTANCE_TAG_EXPIRES:
        return record_number(field, &instance->expires_at, why);
    case INSTANCE_TAG_KEY:
        if (field->content.len != DIGEST_LEN) {
            return fail(why, STATUS_PROTOCOL, "instance/record", "its key is no digest");
        }
        memcpy(instance->key.at, field->content.at, DIGEST_LEN);
        instance->bound = true;
        return STATUS_OK;
    case INSTANCE_TAG_ISSUED:
        return record_number(field, &instance->issued_at, why);
    default:
        return STATUS_OK;
    }
}

static enum status instance_read(struct bytes record, struct instance *out, struct failure *why)
{
    struct instance instance = {0};
    struct record_field field = {0};
    struct bytes rest;
    enum status status;

    TRY(record_open(record, &rest, why));
    while ((status = record_next(&rest, &field, why)) == STATUS_OK) {
        TRY(instance_read_field(&field, &instance, why));
    }
    if (status != STATUS_CLOSED) {
        return status;
    }
    *out = instance;
    return STATUS_OK;
}

/*
 * Does it count? A certificate of the future was issued by a clock that was ahead: its end is as wrong as
 * its beginning, and who holds it cannot use it. A record of an older version does not say when.
 */
static bool instance_lives(const struct instance *instance, int64_t now)
{
    return instance->expires_at > now && (instance->issued_at <= INSTANCE_SKEW_S ||
                                          instance->issued_at - INSTANCE_SKEW_S <= now);
}

/* One walk over an entry's instances: who lives, who does not, who has this serial number. */
struct instance_walk {
    int64_t now;
    struct bytes serial;      /* looked for; may be empty */
    const char *name;         /* not counted among the others; may be NULL */
    size_t num_others;        /* living ones but `name` */
    size_t num_idle;          /* the rest of them */
    bool known;               /* `name` is there */
    bool found;               /* `serial` is there */
    struct instance instance; /* the one found by serial or name */
    struct instance oldest;   /* of the idle ones, the first to end */
};

static enum status instance_look(void *user, struct bytes key, struct bytes value,
                                 struct failure *why)
{
    struct instance_walk *walk = user;
    struct instance instance;

    (void)key;
    TRY(instance_read(value, &instance, why));
    if (walk->name != NULL && strcmp(instance.name, walk->name) == 0) {
        walk->known = true;
        walk->instance = instance;
        return STATUS_OK;
    }
    if (walk->serial.len > 0 && (bytes_equal_text(walk->serial, instance.serial) ||
                                 bytes_equal_text(walk->serial, instance.previous))) {
        walk->found = true;
        walk->instance = instance;
    }
    if (instance_lives(&instance, walk->now)) {
        walk->num_others++;
        return STATUS_OK;
    }
    if (walk->num_idle++ == 0 || instance.expires_at < walk->oldest.expires_at) {
        walk->oldest = instance;
    }
    return STATUS_OK;
}

static enum status instance_walk(struct store *store, const char *entry, struct instance_walk *walk,
                                 struct failure *why)
{
    struct instance_key key;

    return store_list(store, instance_key_of(&key, entry, ""), instance_look, walk, why);
}

/*
 * instance_sweep() forgets, when the clock has proved itself; until then who seems to have ended may live.
 * So that a crowd of starts under such a clock does not fill the disk, one gives way for one.
 */
static enum status instance_make_room(struct store *store, const struct entry *entry,
                                      const struct instance_walk *walk, struct failure *why)
{
    struct instance_key key;

    if (walk->num_idle < INSTANCE_IDLE_MAX + (size_t)entry->max_instances) {
        return STATUS_OK;
    }
    return store_remove(store, instance_key_of(&key, entry->name, walk->oldest.name), why);
}

enum status instance_begin(struct store *store, const struct entry *entry,
                           const struct instance_birth *birth, struct failure *why)
{
    struct instance_walk walk = {.now = birth->now, .name = birth->name};
    struct instance instance = {.since = birth->now,
                                .issued_at = birth->now,
                                .expires_at = birth->now + INSTANCE_SIGNING_S,
                                .bound = birth->key != NULL};

    TRY(instance_walk(store, entry->name, &walk, why));
    if (entry->max_instances > 0 && walk.num_others >= entry->max_instances) {
        return fail(why, STATUS_DENIED, birth->limit_reason,
                    "entry %s is held by %zu instances, its limit; the next may begin when the "
                    "certificate of one has ended",
                    entry->name, walk.num_others);
    }
    if (walk.known && instance_lives(&walk.instance, birth->now) &&
        walk.instance.expires_at > instance.expires_at) {
        return STATUS_OK;
    }
    if (walk.known) {
        walk.instance.issued_at = instance.issued_at;
        walk.instance.expires_at = instance.expires_at;
        return instance_write(store, entry->name, &walk.instance, why);
    }
    TRY(instance_make_room(store, entry, &walk, why));
    if (birth->key != NULL) {
        instance.key = *birth->key;
    }
    (void)snprintf(instance.name, sizeof instance.name, "%s", birth->name);
    return instance_write(store, entry->name, &instance, why);
}

enum status instance_of_serial(struct store *store, const struct entry *entry, struct bytes serial,
                               struct instance *out_instance, struct failure *why)
{
    struct instance_walk walk = {.now = INT64_MIN, .serial = serial};

    TRY(instance_walk(store, entry->name, &walk, why));
    if (!walk.found) {
        return fail(why, STATUS_NOT_FOUND, "instance/unknown",
                    "no instance of entry %s has leaf %.*s", entry->name, (int)serial.len,
                    (const char *)serial.at);
    }
    *out_instance = walk.instance;
    return STATUS_OK;
}

/* The name of an instance that began with a token starts with the token's id. */
static enum status instance_end_use(struct store *store, struct instance *instance,
                                    struct failure *why)
{
    char token_id[TOKEN_ID_SIZE];

    if (!instance->bound) {
        return STATUS_OK;
    }
    (void)snprintf(token_id, sizeof token_id, "%.*s", TOKEN_ID_SIZE - 1, instance->name);
    instance->bound = false;
    return token_use_end(store, token_id, &instance->key, why);
}

enum status instance_issued(struct store *store, const char *entry_name, const char *name,
                            const struct instance_certificate *certificate, struct failure *why)
{
    CLEARED(buffer) record = {.max = RECORD_MAX};
    struct instance instance;
    struct instance_key key;
    enum status status =
        store_get(store, instance_key_of(&key, entry_name, name), &record, NULL, why);

    if (status == STATUS_NOT_FOUND) {
        return fail(why, STATUS_NOT_FOUND, "instance/unknown", "entry %s has no instance %s",
                    entry_name, name);
    }
    TRY(status);
    TRY(instance_read(buffer_bytes(&record), &instance, why));
    /* The leaf that was shown works, so it is the one to keep besides the new one: when it is the
     * older of the two, the reply with the newer was lost. */
    if (certificate->used.len > 0) {
        (void)snprintf(instance.previous, sizeof instance.previous, "%.*s",
                       (int)certificate->used.len, (const char *)certificate->used.at);
        TRY(instance_end_use(store, &instance, why));
    } else {
        memcpy(instance.previous, instance.serial, sizeof instance.previous);
    }
    (void)snprintf(instance.serial, sizeof instance.serial, "%s", certificate->serial);
    /* Also where that is earlier: an end that a clock which was ahead has set would hold the place. */
    instance.issued_at = certificate->issued_at;
    instance.expires_at = certificate->expires_at;
    return instance_write(store, entry_name, &instance, why);
}

enum status instance_count(struct store *store, const char *entry_name, int64_t now,
                           size_t *out_count, struct failure *why)
{
    struct instance_walk walk = {.now = now};

    TRY(instance_walk(store, entry_name, &walk, why));
    *out_count = walk.num_others;
    return STATUS_OK;
}

/* --- forgetting --------------------------------------------------------------------------------- */

/* Records that go: a list cannot change what it walks over. */
struct instance_pick {
    int64_t now;
    struct instance_key *keys; /* owned */
    size_t num_keys;
};

static void instance_pick_clear(struct instance_pick *pick)
{
    free(pick->keys);
}

static enum status instance_pick_one(void *user, struct bytes key, struct bytes value,
                                     struct failure *why)
{
    struct instance_pick *pick = user;
    struct instance instance;

    TRY(instance_read(value, &instance, why));
    if (instance.expires_at <= pick->now) {
        pick->keys = memory_grow(pick->keys, (pick->num_keys + 1) * sizeof *pick->keys);
        (void)snprintf(pick->keys[pick->num_keys++].text, sizeof pick->keys->text, "%.*s",
                       (int)key.len, (const char *)key.at);
    }
    return STATUS_OK;
}

static enum status instance_forget(struct store *store, struct bytes prefix, int64_t now,
                                   struct failure *why)
{
    CLEARED(instance_pick) pick = {.now = now};

    TRY(store_list(store, prefix, instance_pick_one, &pick, why));
    for (size_t i = 0; i < pick.num_keys; i++) {
        TRY(store_remove(store, bytes_of(pick.keys[i].text), why));
    }
    return STATUS_OK;
}

static enum status instance_forget_ended(struct store *store, void *user, struct failure *why)
{
    const int64_t *now = user;

    return instance_forget(store, bytes_of("instance/"), *now, why);
}

enum status instance_sweep(struct registry *registry, int64_t now, struct failure *why)
{
    return store_change(registry->store, instance_forget_ended, &now, why);
}

enum status instance_forget_all(struct store *store, const char *entry_name, struct failure *why)
{
    struct instance_key key;

    return instance_forget(store, instance_key_of(&key, entry_name, ""), INT64_MAX, why);
}
