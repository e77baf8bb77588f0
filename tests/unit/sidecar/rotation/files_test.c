/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/files.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/runtime/base/clock.h"
#include "core/trust/identity/verify.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

#define WEB_ID "spiffe://example.org/ns/shop/sa/web"

SUITE(files, .timeout = 60);

/* A folder with the three files, and a loop. */
struct desk {
    struct worker home;
    struct current current;
    char folder[64], chain[96], key[96], bundle[96];
    struct test_ca *root, *intermediate, *leaf;
    unsigned taken, refused;
    char reason[64], detail[FAILURE_DETAIL_MAX];
};

static void desk_write(const char *path, struct bytes content)
{
    char fresh[128];
    FILE *file;

    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    file = fopen(fresh, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fchmod(fileno(file), 0600), 0);
    cr_assert_eq(fwrite(content.at, 1, content.len, file), content.len);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(rename(fresh, path), 0);
}

static void desk_open(struct desk *desk)
{
    memset(desk, 0, sizeof *desk);
    worker_init_main(&desk->home);
    current_init(&desk->current);
    (void)snprintf(desk->folder, sizeof desk->folder, "/tmp/signet-files-XXXXXX");
    cr_assert_not_null(mkdtemp(desk->folder));
    (void)snprintf(desk->chain, sizeof desk->chain, "%s/chain.pem", desk->folder);
    (void)snprintf(desk->key, sizeof desk->key, "%s/key.pem", desk->folder);
    (void)snprintf(desk->bundle, sizeof desk->bundle, "%s/roots.pem", desk->folder);
    desk->root = test_ca_root("example.org");
    desk->intermediate = test_ca_intermediate(desk->root, "example.org");
    desk->leaf = test_ca_leaf(desk->intermediate, WEB_ID);
    desk_write(desk->chain, test_ca_chain_pem(desk->leaf));
    desk_write(desk->key, test_ca_key_pem(desk->leaf));
    desk_write(desk->bundle, test_ca_pem(desk->root));
}

static void desk_close(struct desk *desk, struct files *files)
{
    if (files != NULL) {
        files_close(files, NULL, NULL);
    }
    worker_stop(&desk->home);
    worker_run_main(&desk->home);
    worker_clear(&desk->home);
    current_clear(&desk->current);
    test_ca_drop(&desk->leaf);
    test_ca_drop(&desk->intermediate);
    test_ca_drop(&desk->root);
    (void)unlink(desk->chain);
    (void)unlink(desk->key);
    (void)unlink(desk->bundle);
    cr_assert_eq(rmdir(desk->folder), 0);
}

static void desk_loaded(void *user, const struct failure *why)
{
    struct desk *desk = user;

    desk->taken += why == NULL;
    desk->refused += why != NULL;
    (void)snprintf(desk->reason, sizeof desk->reason, "%s", why == NULL ? "" : why->reason);
    (void)snprintf(desk->detail, sizeof desk->detail, "%s", why == NULL ? "" : why->detail);
}

static struct files_options desk_options(struct desk *desk)
{
    return (struct files_options){
        .chain_file = desk->chain,
        .key_file = desk->key,
        .bundle_file = desk->bundle,
        .trust_domain = "example.org",
        .loaded = desk_loaded,
        .user = desk,
    };
}

static void desk_wake(uv_timer_t *timer)
{
    (void)timer;
}

/* Turns the loop until something was told, or for `ms`. */
static void desk_wait(struct desk *desk, unsigned ms)
{
    uv_timer_t timer;
    unsigned before = desk->taken + desk->refused;
    uint64_t until = uv_hrtime() / 1000000 + ms;

    (void)uv_timer_init(&desk->home.loop, &timer);
    (void)uv_timer_start(&timer, desk_wake, 5, 5);
    while (desk->taken + desk->refused == before && uv_hrtime() / 1000000 < until) {
        (void)uv_run(&desk->home.loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&desk->home.loop, UV_RUN_NOWAIT);
}

static const char *desk_serial(struct desk *desk)
{
    return svid_serial_hex(identity_set_svid(current_get(&desk->current)));
}

Test(files, gives_the_identity_in_them)
{
    struct desk desk;
    struct files *files = NULL;
    struct failure why = {0};

    desk_open(&desk);
    struct files_options options = desk_options(&desk);
    cr_assert_eq(files_start(&desk.home, &desk.current, &options, &files, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert_str_eq(svid_id(identity_set_svid(current_get(&desk.current)))->text, WEB_ID);
    cr_assert_null(files_refusal(files));
    desk_close(&desk, files);
}

Test(files, a_key_that_others_can_read_or_own_is_refused)
{
    static const mode_t wrong[] = {0644, 0640, 0604, 0620};
    struct desk desk;
    struct identity_set *set = NULL;
    struct failure why = {0};

    desk_open(&desk);
    struct files_options options = desk_options(&desk);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_eq(chmod(desk.key, wrong[i]), 0);
        cr_assert_eq(files_load(&options, clock_unix_s(), &set, &why), STATUS_CONFIG, "%o",
                     (unsigned)wrong[i]);
        cr_assert_str_eq(why.reason, "secret/mode");
        cr_assert_not_null(strstr(why.detail, desk.key), "%s", why.detail);
    }
    cr_assert_eq(chmod(desk.key, 0400), 0);
    cr_assert_eq(files_load(&options, clock_unix_s(), &set, &why), STATUS_OK, "%s", why.detail);
    identity_set_drop(&set);
    if (geteuid() == 0) {
        cr_assert_eq(chown(desk.key, 1234, 1234), 0);
        cr_assert_eq(files_load(&options, clock_unix_s(), &set, &why), STATUS_CONFIG);
        cr_assert_str_eq(why.reason, "secret/owner");
    }
    desk_close(&desk, NULL);
}

Test(files, are_read_again_when_they_change)
{
    struct desk desk;
    struct files *files = NULL;
    char first[64];

    desk_open(&desk);
    struct files_options options = desk_options(&desk);
    cr_assert_eq(files_start(&desk.home, &desk.current, &options, &files, NULL), STATUS_OK);
    (void)snprintf(first, sizeof first, "%s", desk_serial(&desk));
    OWNED(test_ca) *next = test_ca_leaf(desk.intermediate, WEB_ID);
    desk_write(desk.key, test_ca_key_pem(next));
    desk_write(desk.chain, test_ca_chain_pem(next));
    desk_wait(&desk, 3000); /* well before the poll */
    cr_assert_eq(desk.taken, 2, "%s", desk.detail);
    cr_assert_str_neq(desk_serial(&desk), first);
    cr_assert_eq(identity_set_generation(current_get(&desk.current)), 2);
    desk_close(&desk, files);
}

Test(files, that_do_not_fit_together_are_refused_and_the_old_identity_stays)
{
    struct desk desk;
    struct files *files = NULL;

    desk_open(&desk);
    struct files_options options = desk_options(&desk);
    cr_assert_eq(files_start(&desk.home, &desk.current, &options, &files, NULL), STATUS_OK);
    struct identity_set *before = current_get(&desk.current);
    OWNED(test_ca) *next = test_ca_leaf(desk.intermediate, WEB_ID);
    desk_write(desk.key,
               test_ca_key_pem(next)); /* the chain comes later, as it does with some tools */
    desk_wait(&desk, 3000);
    cr_assert_eq(desk.refused, 1);
    cr_assert_str_eq(desk.reason, "files/key-mismatch");
    cr_assert_not_null(strstr(desk.detail, "key.pem"), "%s", desk.detail);
    cr_assert_eq(current_get(&desk.current), before);
    cr_assert_not_null(files_refusal(files));
    desk_write(desk.chain, test_ca_chain_pem(next));
    desk_wait(&desk, 3000);
    cr_assert_eq(desk.taken, 2, "%s", desk.detail);
    cr_assert_null(files_refusal(files));
    desk_close(&desk, files);
}

/* Does the bundle in force vouch for `leaf`, as a server? */
static bool desk_trusts(struct desk *desk, const struct test_ca *leaf)
{
    struct bytes chain[4];
    size_t num_certs = test_ca_chain(leaf, chain, 4);
    struct verified_peer peer;

    return verify_peer(identity_set_bundle(current_get(&desk->current)), chain, num_certs,
                       VERIFY_SERVER, clock_unix_s(), &peer, NULL) == STATUS_OK;
}

Test(files, I10_a_bundle_without_our_own_root_judges_peers_at_once)
{
    struct desk desk;
    struct files *files = NULL;
    char first[64];

    desk_open(&desk);
    struct files_options options = desk_options(&desk);
    OWNED(test_ca) *new_root = test_ca_root("example.org");
    OWNED(test_ca) *new_peer = test_ca_leaf(new_root, "spiffe://example.org/ns/shop/sa/api");
    OWNED(test_ca) *ours_next = test_ca_leaf(new_root, WEB_ID);
    cr_assert_eq(files_start(&desk.home, &desk.current, &options, &files, NULL), STATUS_OK);
    (void)snprintf(first, sizeof first, "%s", desk_serial(&desk));
    cr_assert(desk_trusts(&desk, desk.leaf) && !desk_trusts(&desk, new_peer));

    desk_write(desk.bundle, test_ca_pem(new_root)); /* the old root is not trusted any more */
    desk_wait(&desk, 3000);
    cr_assert_eq(desk.refused, 1);
    cr_assert_str_eq(desk.reason, "files/not-trusted", "%s", desk.detail);
    cr_assert_not_null(strstr(desk.detail, "chain.pem"), "it is our leaf that is wrong: %s",
                       desk.detail);
    cr_assert(desk_trusts(&desk, new_peer), "peers of the new root are let in at once");
    cr_assert_not(desk_trusts(&desk, desk.leaf), "peers of the removed root are refused at once");
    cr_assert_str_eq(desk_serial(&desk), first, "our own certificate stays meanwhile");
    cr_assert_eq(identity_set_generation(current_get(&desk.current)), 2);

    desk_write(desk.key, test_ca_key_pem(ours_next));
    desk_write(desk.chain, test_ca_chain_pem(ours_next));
    desk_wait(&desk, 3000);
    cr_assert_eq(desk.taken, 2, "%s", desk.detail);
    cr_assert_str_neq(desk_serial(&desk), first);
    cr_assert_null(files_refusal(files));
    desk_close(&desk, files);
}

/* The bundle counts whatever is wrong with the others: a removed root must not live on a broken key. */
Test(files, I10_a_bundle_takes_effect_beside_a_broken_chain_and_a_missing_key)
{
    struct desk desk;
    struct files *files = NULL;

    desk_open(&desk);
    struct files_options options = desk_options(&desk);
    OWNED(test_ca) *new_root = test_ca_root("example.org");
    OWNED(test_ca) *new_peer = test_ca_leaf(new_root, "spiffe://example.org/ns/shop/sa/api");
    cr_assert_eq(files_start(&desk.home, &desk.current, &options, &files, NULL), STATUS_OK);
    desk_write(desk.chain, bytes_of("half a ch"));
    desk_wait(&desk, 3000);
    cr_assert_str_eq(desk.reason, "files/chain", "%s", desk.detail);
    desk_write(desk.bundle, test_ca_pem(new_root));
    desk_wait(&desk, 3000);
    cr_assert_eq(desk.refused, 2);
    cr_assert(desk_trusts(&desk, new_peer));
    (void)unlink(desk.key);
    desk_wait(&desk, 3000);
    cr_assert_eq(desk.refused, 3);
    desk_write(desk.bundle, test_ca_pem(desk.root));
    desk_wait(&desk, 3000);
    cr_assert_eq(desk.refused, 4);
    cr_assert(desk_trusts(&desk, desk.leaf) && !desk_trusts(&desk, new_peer));
    desk_write(desk.bundle, bytes_of("no roots at all"));
    desk_wait(&desk, 3000);
    cr_assert(desk_trusts(&desk, desk.leaf), "what is no bundle changes nothing");
    desk_close(&desk, files);
}

Test(files, a_missing_file_is_told_once)
{
    struct desk desk;
    struct files *files = NULL;

    desk_open(&desk);
    struct files_options options = desk_options(&desk);
    cr_assert_eq(files_start(&desk.home, &desk.current, &options, &files, NULL), STATUS_OK);
    (void)unlink(desk.bundle);
    desk_wait(&desk, 3000);
    cr_assert_eq(desk.refused, 1);
    cr_assert_not_null(strstr(desk.detail, "roots.pem"), "%s", desk.detail);
    desk_write(desk.chain, test_ca_chain_pem(desk.leaf)); /* touched, and still no roots */
    desk_wait(&desk, 300);
    cr_assert_eq(desk.refused, 1);
    cr_assert_not_null(current_get(&desk.current));
    desk_write(desk.bundle, test_ca_pem(desk.root));
    desk_wait(&desk, 3000);
    cr_assert_eq(desk.taken, 2, "they are in force again");
    desk_close(&desk, files);
}

Test(files, refuses_at_the_start_what_is_wrong_and_names_the_file)
{
    static const struct {
        const char *spoil, *reason, *named;
    } cases[] = {
        {"chain", "files/chain", "chain.pem"},
        {"key", "files/key", "key.pem"},
        {"bundle", "files/bundle", "roots.pem"},
        {"other root", "files/not-trusted", "chain.pem"},
        {"expired", "files/not-trusted", "chain.pem"},
        {"other key", "files/key-mismatch", "key.pem"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct desk desk;
        struct files *files = NULL;
        struct failure why = {0};

        desk_open(&desk);
        OWNED(test_ca) *other_root = test_ca_root("example.org");
        OWNED(test_ca) *other = test_ca_leaf(desk.intermediate, WEB_ID);
        OWNED(test_ca) *old = test_ca_leaf_between(desk.intermediate, WEB_ID, clock_unix_s() - 100,
                                                   clock_unix_s() - 1);
        if (strcmp(cases[i].spoil, "chain") == 0) {
            desk_write(desk.chain,
                       bytes_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
        } else if (strcmp(cases[i].spoil, "key") == 0) {
            desk_write(desk.key, bytes_of("no key at all"));
        } else if (strcmp(cases[i].spoil, "bundle") == 0) {
            desk_write(desk.bundle, bytes_of("no roots at all"));
        } else if (strcmp(cases[i].spoil, "other root") == 0) {
            desk_write(desk.bundle, test_ca_pem(other_root));
        } else if (strcmp(cases[i].spoil, "other key") == 0) {
            desk_write(desk.key, test_ca_key_pem(other));
        } else {
            desk_write(desk.chain, test_ca_chain_pem(old));
            desk_write(desk.key, test_ca_key_pem(old));
        }
        struct files_options options = desk_options(&desk);
        cr_assert_eq(files_start(&desk.home, &desk.current, &options, &files, &why), STATUS_CONFIG,
                     "%s", cases[i].spoil);
        cr_assert_str_eq(why.reason, cases[i].reason, "%s: %s", why.reason, why.detail);
        cr_assert_not_null(strstr(why.detail, cases[i].named), "%s", why.detail);
        cr_assert_null(current_get(&desk.current));
        desk_close(&desk, NULL);
    }
}
