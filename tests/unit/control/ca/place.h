/* SPDX-License-Identifier: Apache-2.0 */
/* An authority in a folder of its own, and what tests ask of it. */
#ifndef SIGNET_TESTS_UNIT_CONTROL_CA_PLACE_H
#define SIGNET_TESTS_UNIT_CONTROL_CA_PLACE_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/control/ca/authority.h"
#include "core/control/ca/seal.h"
#include "core/trust/identity/key.h"
#include "core/trust/identity/verify.h"
#include "tests/support/suite.h"

#define WEB "spiffe://td/ns/shop/sa/web"

enum { START = 1800000000, HOUR = 3600, DAY = 86400, FILE_MAX = 1 << 16 };

/* A folder of its own, and a plan to open it by. */
struct place {
    char folder[256];
    struct secret passphrase;
    struct authority_plan plan;
    struct authority *authority;
};

static inline void place_make(struct place *place)
{
    const char *where = getenv("TEST_TMPDIR");

    *place = (struct place){.authority = NULL};
    (void)snprintf(place->folder, sizeof place->folder, "%s/authority-XXXXXX",
                   where == NULL ? "/tmp" : where);
    cr_assert_not_null(mkdtemp(place->folder));
    secret_set(&place->passphrase, bytes_of("open sesame"));
    place->plan = (struct authority_plan){
        .folder = place->folder,
        .passphrase = &place->passphrase,
        .trust_domain = bytes_of("td"),
        .lives = authority_lives_of(12 * HOUR, false),
        .seal_cost = SEAL_COST_MIN,
    };
}

static inline void place_path(const struct place *place, const char *name, char out[320])
{
    (void)snprintf(out, 320, "%s/%s", place->folder, name);
}

static inline void place_remove(const struct place *place, const char *name)
{
    char path[320];

    place_path(place, name, path);
    (void)unlink(path);
}

/* "intermediate.pem" is number 1, "intermediate-2.pem" number 2. */
static inline void place_link_file(int number, char out[40])
{
    (void)snprintf(out, 40, number == 1 ? "intermediate.pem" : "intermediate-%d.pem", number);
}

/* How many intermediates lie in the folder. */
static inline int place_num_links(const struct place *place)
{
    int found = 0;

    for (int number = 1; number <= AUTHORITY_LINKS_MAX; number++) {
        char name[40], path[320];

        place_link_file(number, name);
        place_path(place, name, path);
        found += access(path, F_OK) == 0;
    }
    return found;
}

static inline void place_drop(struct place *place)
{
    static const char *const names[] = {"root.pem", "root.pem.new", "kept"};

    authority_drop(&place->authority);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        place_remove(place, names[i]);
    }
    for (int number = 1; number <= AUTHORITY_LINKS_MAX; number++) {
        char name[40];

        place_link_file(number, name);
        place_remove(place, name);
        (void)snprintf(name + strlen(name), sizeof name - strlen(name), ".new");
        place_remove(place, name);
    }
    cr_expect(rmdir(place->folder) == 0 || errno == ENOENT, "what else lies in %s?", place->folder);
    secret_clear(&place->passphrase);
}

static inline void place_write(const struct place *place, const char *name, struct bytes text,
                               mode_t mode)
{
    char path[320];
    int fd;

    place_path(place, name, path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    cr_assert(fd >= 0 && write(fd, text.at, text.len) == (ssize_t)text.len);
    cr_assert_eq(fchmod(fd, mode), 0);
    cr_assert_eq(close(fd), 0);
}

static inline void place_read(const struct place *place, const char *name, struct buffer *out)
{
    char path[320];

    place_path(place, name, path);
    buffer_init(out, FILE_MAX);
    cr_assert_eq(buffer_read_file(out, path, NULL), STATUS_OK);
}

static inline void place_open(struct place *place, int64_t now_s)
{
    struct failure why = {0};

    authority_drop(&place->authority);
    cr_assert_eq(authority_open(&place->plan, now_s, &place->authority, &why), STATUS_OK, "%s: %s",
                 why.reason, why.detail);
}

/* The reason why the folder is refused; "" when it is not. */
static inline const char *place_refused(struct place *place, int64_t now_s)
{
    static struct failure why;

    why = (struct failure){.reason = ""};
    authority_drop(&place->authority);
    (void)!authority_open(&place->plan, now_s, &place->authority, &why);
    return why.reason;
}

/* A tick of clocks that have always agreed. */
static inline enum status place_tick(struct place *place, int64_t now_s, struct failure *why)
{
    struct steady_now now = {now_s * 1000, (uint64_t)(now_s - START + 100 * DAY) * 1000};

    return authority_tick(place->authority, now, why);
}

/* The same of clocks of which the wall clock is `ahead_s` ahead of what is true. */
static inline enum status place_tick_ahead(struct place *place, int64_t true_s, int64_t ahead_s,
                                           struct failure *why)
{
    struct steady_now now = {(true_s + ahead_s) * 1000,
                             (uint64_t)(true_s - START + 100 * DAY) * 1000};

    return authority_tick(place->authority, now, why);
}

static inline void place_root(const struct place *place, uint8_t out[BUNDLE_SHA256_LEN])
{
    const struct bundle_domain *domain =
        bundle_find(authority_bundle(place->authority), bytes_of("td"));

    cr_assert_not_null(domain);
    memcpy(out, bundle_root_sha256(domain, 0), BUNDLE_SHA256_LEN);
}

static inline enum status place_issue(struct place *place, const char *id_text, int64_t life_s,
                                      int64_t now_s, struct authority_issued *out,
                                      struct failure *why)
{
    OWNED(key) *key = NULL;
    struct spiffe_id id;
    struct authority_request request = {.id = &id, .life_s = life_s, .revision = 77};

    cr_assert_eq(key_make(&key, NULL), STATUS_OK);
    cr_assert_eq(spiffe_id_parse(bytes_of(id_text), &id, NULL), STATUS_OK);
    request.spki_der = key_public_spki(key);
    return authority_issue(place->authority, &request, now_s, out, why);
}

/* Does what was issued hold before our own judge, at that time? */
static inline enum status place_judge(const struct place *place,
                                      const struct authority_issued *issued, int64_t now_s,
                                      struct verified_peer *out, struct failure *why)
{
    struct bytes rest = buffer_bytes(&issued->chain_der);
    struct bytes chain[4];
    size_t num_certs = 0;

    while (num_certs < 4 && certificate_next(&rest, &chain[num_certs])) {
        num_certs++;
    }
    return verify_peer(authority_bundle(place->authority), chain, num_certs, VERIFY_SERVER, now_s,
                       out, why);
}

#endif
