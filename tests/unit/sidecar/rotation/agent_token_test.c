/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens from the agent's side: a use that was spent is a certificate got (I6), and a token file that was
 * changed is tried at once.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/suite.h"
#include "tests/unit/sidecar/rotation/control_rig.h"

SUITE(agent_token, .timeout = 120);

static bool same_key(const struct control_rig *rig, size_t a, size_t b)
{
    return bytes_equal(bytes_make(rig->keys[a], rig->key_lens[a]),
                       bytes_make(rig->keys[b], rig->key_lens[b]));
}

/* Ways in which a certificate that was made does not arrive, or none is made though the use is spent. */
enum loss { LOSS_SILENCE, LOSS_STORE, LOSS_DATES, LOSS_GARBAGE, LOSSES };

static void lose(struct control_rig *rig, enum loss loss, bool yes)
{
    rig->silent = yes && loss == LOSS_SILENCE;
    rig->refuse = yes && loss == LOSS_STORE ? RPC_UNAVAILABLE : RPC_OK;
    rig->refuse_reason = "store/full";
    rig->refuse_late = true;
    rig->wrong_dates = yes && loss == LOSS_DATES;
    rig->garbage = yes && loss == LOSS_GARBAGE;
}

Test(agent_token, I6_whatever_is_lost_after_the_token_left_the_same_key_asks_again)
{
    for (enum loss loss = 0; loss < LOSSES; loss++) {
        struct control_rig rig;

        control_rig_open(&rig);
        struct agent_options options = control_rig_agent_options(&rig);
        options.call_limit_ms = 300;
        lose(&rig, loss, true);
        control_rig_start(&rig, &options);
        for (unsigned i = 0; i < 3; i++) {
            control_rig_attempt(&rig);
            control_rig_pass(i == 0 ? 61 : 7200);
        }
        cr_assert_eq(rig.issued, 0, "loss %d", loss);
        lose(&rig, loss, false);
        control_rig_attempt(&rig);
        cr_assert_eq(rig.issued, 1, "loss %d: %s", loss, rig.last.last_error_detail);
        cr_assert_eq(rig.uses, 1, "loss %d: %u uses", loss, rig.uses);
        for (size_t i = 1; i < rig.num_keys; i++) {
            cr_assert(same_key(&rig, 0, i), "loss %d", loss);
        }
        control_rig_pass(1500);
        control_rig_attempt(&rig);
        cr_assert_eq(rig.issued, 2, "%s", rig.last.last_error_detail);
        cr_assert(!same_key(&rig, 0, rig.num_keys - 1), "a renewal has a new one");
        control_rig_close(&rig);
    }
}

Test(agent_token, I6_another_start_of_the_workload_is_another_use)
{
    struct control_rig rig;

    control_rig_open(&rig);
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 1);
    control_rig_pass(4000); /* the first certificate has ended: a new instance begins, with a new key */
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "bootstrap/token-used");
    rig.token_uses = 2;
    control_rig_pass(61);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 2, "%s", rig.last.last_error_detail);
    cr_assert(!same_key(&rig, 0, 1));
    cr_assert(same_key(&rig, 1, 2));
    control_rig_close(&rig);
}

Test(agent_token, a_key_whose_instance_has_renewed_is_replaced_at_once)
{
    struct control_rig rig;

    control_rig_open(&rig);
    rig.token_uses = 2;
    rig.garbage = true;
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    rig.garbage = false;
    rig.renewed[0] = true; /* a copy of the process has */
    control_rig_pass(61);
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "bootstrap/key-renewed");
    cr_assert(rig.last.next_attempt_ms <= 500 || rig.issued == 1);
    while (rig.issued == 0) {
        control_rig_attempt(&rig); /* no time passes but the real one */
    }
    cr_assert(!same_key(&rig, 0, rig.num_keys - 1));
    control_rig_close(&rig);
}

/* A long back-off, of which no test waits for the end: more than the twenty seconds of control_rig_attempt(). */
static void wait_long(struct control_rig *rig)
{
    while (rig->last.next_attempt_ms < 30000) {
        control_rig_pass(61);
        control_rig_attempt(rig);
        cr_assert_eq(rig->issued, 0);
    }
}

/* How people and programs replace a file. */
static void write_in_place(struct control_rig *rig)
{
    control_rig_write(rig->token_file, bytes_of("a-fresh-token\n"));
}

static void write_and_rename(struct control_rig *rig)
{
    char beside[128];

    (void)snprintf(beside, sizeof beside, "%s.new", rig->token_file);
    control_rig_write(beside, bytes_of("a-fresh-token"));
    cr_assert_eq(rename(beside, rig->token_file), 0);
}

static void put_link(const struct control_rig *rig, const char *to, const char *name)
{
    char path[128], beside[140];

    (void)snprintf(path, sizeof path, "%s/%s", rig->folder, name);
    (void)snprintf(beside, sizeof beside, "%s.new", path);
    cr_assert_eq(symlink(to, beside), 0);
    cr_assert_eq(rename(beside, path), 0);
}

static void put_generation(const struct control_rig *rig, const char *name, const char *token)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", rig->folder, name);
    cr_assert_eq(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/%s/token", rig->folder, name);
    control_rig_write(path, bytes_of(token));
}

/* token → ..data/token, ..data → a folder for each generation: what the kubelet does. */
static void swap_as_the_kubelet(struct control_rig *rig)
{
    put_generation(rig, "..1", "an-old-token");
    put_link(rig, "..1", "..data");
    put_link(rig, "..data/token", "token");
    control_rig_pass(61);
    control_rig_attempt(rig);
    wait_long(rig);
    put_generation(rig, "..2", "a-fresh-token");
    put_link(rig, "..2", "..data");
}

static void remove_generations(struct control_rig *rig)
{
    static const char *const names[] = {"..1/token", "..2/token", "..data"};
    char path[128];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", rig->folder, names[i]);
        (void)unlink(path);
    }
    for (int i = 1; i <= 2; i++) {
        (void)snprintf(path, sizeof path, "%s/..%d", rig->folder, i);
        (void)rmdir(path);
    }
}

Test(agent_token, a_changed_token_file_is_tried_at_once)
{
    static void (*const ways[])(struct control_rig *rig) = {write_in_place, write_and_rename,
                                                            swap_as_the_kubelet};

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct control_rig rig;

        control_rig_open(&rig);
        rig.token = "a-fresh-token";
        control_rig_start(&rig, NULL);
        control_rig_attempt(&rig);
        cr_assert_str_eq(rig.last.last_error_reason, "bootstrap/token-unknown");
        cr_assert_not_null(strstr(rig.last.last_error_detail, rig.token_file), "%s",
                           rig.last.last_error_detail);
        wait_long(&rig);
        ways[i](&rig);
        control_rig_attempt(&rig); /* no time passes but the real one */
        cr_assert_eq(rig.issued, 1, "way %zu: %s", i, rig.last.last_error_detail);
        remove_generations(&rig);
        control_rig_close(&rig);
    }
}

Test(agent_token, a_token_file_that_appears_is_tried_at_once)
{
    struct control_rig rig;

    control_rig_open(&rig);
    (void)unlink(rig.token_file);
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "secret/no-file");
    wait_long(&rig);
    control_rig_write(rig.token_file, bytes_of(TOKEN "\n"));
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 1, "%s", rig.last.last_error_detail);
    control_rig_close(&rig);
}

/* Each content once: a file that is wrong for ever does not undo the back-off. */
Test(agent_token, a_changed_file_that_is_wrong_too_is_tried_once)
{
    struct control_rig rig;
    unsigned before;

    control_rig_open(&rig);
    rig.token = "another";
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    wait_long(&rig);
    before = rig.bootstraps;
    control_rig_write(rig.token_file, bytes_of("wrong as well"));
    control_rig_attempt(&rig);
    cr_assert(rig.bootstraps > before);
    wait_long(&rig);
    before = rig.bootstraps;
    control_rig_turn(&rig, 2500); /* more than two looks */
    cr_assert_eq(rig.bootstraps, before);
    control_rig_close(&rig);
}

/* The entry was removed, and made again: its new token need not wait until a renewal finds that out. */
Test(agent_token, a_changed_token_file_is_tried_at_once_where_a_leaf_that_works_has_no_entry)
{
    struct control_rig rig;

    control_rig_open(&rig);
    rig.life_s = 86400;
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 1);
    rig.refuse = RPC_PERMISSION_DENIED;
    rig.refuse_reason = "renew/no-entry";
    rig.refuse_renew_only = 1;
    control_rig_pass(50000);
    do {
        control_rig_pass(61);
        control_rig_attempt(&rig);
    } while (rig.last.next_attempt_ms < 30000);
    cr_assert_str_eq(rig.last.last_error_reason, "renew/no-entry");
    cr_assert_not_null(strstr(rig.last.last_error_detail, rig.token_file), "%s",
                       rig.last.last_error_detail);
    cr_assert_eq(rig.bootstraps, 1, "the token that is there was tried");
    control_rig_new_token(&rig, "a-fresh-token");
    control_rig_attempt(&rig); /* no time passes but the real one */
    cr_assert_eq(rig.issued, 2, "%s", rig.last.last_error_detail);
    cr_assert_eq(rig.bootstraps, 2);
    control_rig_close(&rig);
}

/* With a leaf that lives the token is of no use: it is left for when it is needed. */
Test(agent_token, a_changed_token_file_does_not_touch_a_healthy_agent)
{
    struct control_rig rig;

    control_rig_open(&rig);
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    control_rig_new_token(&rig, "a-fresh-token");
    control_rig_turn(&rig, 2500);
    cr_assert_eq(rig.bootstraps, 1);
    cr_assert_eq(rig.renews, 0);
    control_rig_close(&rig);
}
