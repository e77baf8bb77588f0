/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <sys/wait.h>

#include "core/runtime/base/clock.h"
#include "tests/unit/control/ca/place.h"

SUITE(authority, .timeout = 120);

Test(authority, issues_leaves_that_hold_before_our_judge)
{
    struct place place;
    CLEARED(authority_issued) issued = {.issued_at = 0};
    OWNED(svid) *svid = NULL;
    struct verified_peer peer;
    struct failure why = {0};

    place_make(&place);
    place_open(&place, START);
    cr_assert_eq(place_issue(&place, WEB, 0, START, &issued, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(place_judge(&place, &issued, START, &peer, &why), STATUS_OK, "%s", why.detail);
    cr_assert_str_eq(peer.id.text, WEB);
    cr_assert_str_eq(peer.serial_hex, issued.serial_hex);
    cr_assert_eq(serial_revision(bytes_of(peer.serial_hex)), 77);
    cr_assert_str_eq(peer.issuer_hex, issued.issuer_hex);
    cr_assert_eq(issued.issued_at, START);
    cr_assert_eq(issued.not_before, START - SIGN_BACKDATE_S);
    cr_assert_eq(issued.not_after, START + 12 * HOUR);
    cr_assert_eq(svid_parse(buffer_bytes(&issued.chain_der), NULL, &svid, NULL), STATUS_OK);
    cr_assert_eq(svid_num_certs(svid), 2);
    cr_assert_eq(svid_expires_at(svid), issued.not_after);
    place_drop(&place);
}

Test(authority, a_name_constraint_on_the_intermediate_is_honoured_by_our_judge)
{
    struct place place;
    CLEARED(authority_issued) issued = {.issued_at = 0};
    struct verified_peer peer;

    place_make(&place);
    place.plan.constrain_names = true;
    place_open(&place, START);
    cr_assert_eq(place_issue(&place, WEB, 0, START, &issued, NULL), STATUS_OK);
    cr_assert_eq(place_judge(&place, &issued, START, &peer, NULL), STATUS_OK);
    place_drop(&place);
}

Test(authority, a_restart_changes_nothing)
{
    struct place place;
    uint8_t before[BUNDLE_SHA256_LEN];
    uint8_t after[BUNDLE_SHA256_LEN];
    int64_t ends_at;

    place_make(&place);
    place_open(&place, START);
    place_root(&place, before);
    ends_at = authority_intermediate_ends_at(place.authority);
    place_open(&place, START + HOUR);
    place_root(&place, after);
    cr_assert_arr_eq(before, after, BUNDLE_SHA256_LEN);
    cr_assert_eq(authority_intermediate_ends_at(place.authority), ends_at);
    cr_assert(bytes_equal_text(authority_trust_domain(place.authority), "td"));
    place_drop(&place);
}

Test(authority, lives_are_held_between_floor_and_leaf)
{
    static const struct {
        int64_t wished, given;
    } rows[] = {{0, 12 * HOUR}, {HOUR, HOUR}, {1, 120}, {DAY, 12 * HOUR}, {-5, 120}};
    struct place place;

    place_make(&place);
    place_open(&place, START);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CLEARED(authority_issued) issued = {.issued_at = 0};

        cr_assert_eq(place_issue(&place, WEB, rows[i].wished, START, &issued, NULL), STATUS_OK);
        cr_assert_eq(issued.not_after - issued.issued_at, rows[i].given);
    }
    place_drop(&place);
}

Test(authority, lives_out_of_order_are_refused)
{
    static const struct authority_lives rows[] = {
        {.root_s = 10 * DAY, .intermediate_s = 4 * HOUR - 1, .leaf_s = HOUR, .leaf_floor_s = 120},
        {.root_s = 10 * DAY, .intermediate_s = DAY, .leaf_s = 60, .leaf_floor_s = 120},
        {.root_s = DAY, .intermediate_s = DAY, .leaf_s = HOUR, .leaf_floor_s = 120},
        {.root_s = 10 * DAY, .intermediate_s = DAY, .leaf_s = HOUR, .leaf_floor_s = 0},
    };
    struct authority_lives demo = authority_lives_of(6, true);
    struct place place;

    place_make(&place);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        place.plan.lives = rows[i];
        cr_assert_str_eq(place_refused(&place, START), "authority/lives", "row %zu", i);
    }
    place.plan.lives = demo;
    cr_assert_str_eq(place_refused(&place, START), "");
    place.plan.lives = authority_lives_of(60, false); /* below 120 s */
    cr_assert_str_eq(place_refused(&place, START), "authority/lives");
    place_drop(&place);
}

/* Source: invariant I11. */
Test(authority, I11_clock_sweep_with_demo_lives_until_the_root_ends)
{
    struct place place;
    int64_t root_ends;
    int64_t served = 0;
    int renewals = 0;
    int64_t last_end;

    place_make(&place);
    place.plan.lives = (struct authority_lives){
        .root_s = 1000, .intermediate_s = 120, .leaf_s = 6, .leaf_floor_s = 6};
    place_open(&place, START);
    root_ends = authority_root_ends_at(place.authority);
    last_end = authority_intermediate_ends_at(place.authority);
    for (int64_t now = START - 400; now < root_ends + 100; now += 1) {
        CLEARED(authority_issued) issued = {.issued_at = 0};
        struct verified_peer peer;
        struct failure why = {0};
        enum status status;

        (void)!place_tick(&place, now, NULL);
        status = place_issue(&place, WEB, 0, now, &issued, &why);
        if (status == STATUS_OK) {
            cr_assert_eq(place_judge(&place, &issued, now, &peer, &why), STATUS_OK, "%s",
                         why.reason);
            cr_assert_eq(peer.expires_at, issued.not_after, "the leaf is the first to end");
            cr_assert(issued.not_after < authority_intermediate_ends_at(place.authority));
            cr_assert(issued.not_after < root_ends && issued.not_after - now >= 6);
            cr_assert_eq(issued.not_after - now, 6, "a whole life, up to the end");
            served++;
        } else {
            cr_assert_eq(status, STATUS_DENIED, "%s: %s", why.reason, why.detail);
            cr_assert(now < START - SIGN_BACKDATE_S || now > root_ends - 12, "refused at %+lld: %s",
                      (long long)(now - START), why.reason);
        }
        if (status == STATUS_OK && authority_intermediate_ends_at(place.authority) != last_end) {
            cr_assert(authority_intermediate_ends_at(place.authority) > last_end);
            last_end = authority_intermediate_ends_at(place.authority);
            renewals++;
        }
    }
    cr_assert(served > 1200 && renewals >= 9 && renewals < 40, "%lld leaves, %d renewals",
              (long long)served, renewals);
    place_drop(&place);
}

Test(authority, I11_clock_sweep_over_a_year_with_steps_back)
{
    struct place place;

    place_make(&place);
    place_open(&place, START);
    for (int64_t hour = 0; hour < 365 * 24; hour += 5) {
        int64_t now = START + hour * HOUR - (hour % 7 == 3 ? 3 * DAY : 0); /* NTP, now and then */
        CLEARED(authority_issued) issued = {.issued_at = 0};
        struct verified_peer peer;
        struct failure why = {0};

        if (place_tick_ahead(&place, START + hour * HOUR, now - START - hour * HOUR, &why) !=
            STATUS_OK) {
            cr_assert_str_eq(why.reason, "authority/root-ahead");
            cr_assert(now < START && hour % 7 == 3);
            continue;
        }
        cr_assert_eq(place_issue(&place, WEB, 0, now, &issued, &why), STATUS_OK, "%s", why.detail);
        cr_assert_eq(issued.not_after, now + 12 * HOUR);
        cr_assert(issued.not_after < authority_intermediate_ends_at(place.authority));
        cr_assert_eq(place_judge(&place, &issued, now, &peer, &why), STATUS_OK, "%s", why.reason);
    }
    place_drop(&place);
}

Test(authority, an_intermediate_is_renewed_four_leaves_before_its_end)
{
    struct place place;
    int64_t ends_at;
    int64_t renews_at;

    place_make(&place);
    place_open(&place, START);
    ends_at = authority_intermediate_ends_at(place.authority);
    renews_at = authority_renews_at(place.authority);
    cr_assert_eq(ends_at, START + 14 * DAY);
    cr_assert_eq(renews_at, ends_at - 4 * 12 * HOUR);
    cr_assert_eq(place_tick(&place, renews_at - 700, NULL), STATUS_OK);
    cr_assert_eq(place_tick(&place, renews_at - 1, NULL), STATUS_OK);
    cr_assert_eq(authority_intermediate_ends_at(place.authority), ends_at);
    cr_assert_eq(place_tick(&place, renews_at, NULL), STATUS_OK);
    cr_assert_eq(authority_intermediate_ends_at(place.authority), renews_at + 14 * DAY);
    place_drop(&place);
}

Test(authority, an_intermediate_too_short_for_longer_leaves_is_renewed_at_once)
{
    struct place place;

    place_make(&place);
    place.plan.lives = authority_lives_of(6, true);
    place_open(&place, START);
    cr_assert_eq(authority_intermediate_ends_at(place.authority), START + 120);
    place.plan.lives = authority_lives_of(12 * HOUR, false);
    place_open(&place, START + 1);
    cr_assert_eq(authority_intermediate_ends_at(place.authority), START + 1 + 14 * DAY);
    place_drop(&place);
}

Test(authority, refuses_foreign_identities_and_its_own_keys)
{
    struct place place;
    CLEARED(authority_issued) issued = {.issued_at = 0};
    struct spiffe_id id;
    struct certificate cert;
    struct bytes rest;
    struct bytes der;
    struct failure why = {0};

    place_make(&place);
    place_open(&place, START);
    cr_assert_eq(place_issue(&place, "spiffe://other/ns/a/sa/b", 0, START, &issued, &why),
                 STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "authority/foreign-id");
    cr_assert_eq(place_issue(&place, "spiffe://td", 0, START, &issued, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "sign/leaf-id");
    cr_assert_eq(issued.chain_der.len, 0);

    /* I2: whoever shows a CA's own public key gets nothing. */
    cr_assert_eq(spiffe_id_parse(bytes_of(WEB), &id, NULL), STATUS_OK);
    cr_assert_eq(place_issue(&place, WEB, 0, START, &issued, NULL), STATUS_OK);
    rest = buffer_bytes(&issued.chain_der);
    cr_assert(certificate_next(&rest, &der) && certificate_next(&rest, &der));
    cr_assert_eq(certificate_parse(der, &cert, NULL), STATUS_OK);
    {
        CLEARED(authority_issued) none = {.issued_at = 0};
        struct authority_request request = {.id = &id, .spki_der = cert.spki};

        cr_assert_eq(authority_issue(place.authority, &request, START, &none, &why),
                     STATUS_PROTOCOL);
        cr_assert_str_eq(why.reason, "authority/own-key");
        request.spki_der =
            bundle_root(bundle_find(authority_bundle(place.authority), bytes_of("td")), 0)->spki;
        cr_assert_eq(authority_issue(place.authority, &request, START, &none, &why),
                     STATUS_PROTOCOL);
        cr_assert_str_eq(why.reason, "authority/own-key");
    }
    place_drop(&place);
}

Test(authority, refuses_folders_that_are_not_as_it_left_them)
{
    struct place place;
    CLEARED(buffer) root;
    CLEARED(buffer) middle;

    place_make(&place);
    place_open(&place, START);
    place_read(&place, "root.pem", &root);
    place_read(&place, "intermediate.pem", &middle);

    secret_set(&place.passphrase, bytes_of("open says me"));
    cr_assert_str_eq(place_refused(&place, START), "authority/passphrase");
    secret_clear(&place.passphrase);
    cr_assert_str_eq(place_refused(&place, START), "authority/passphrase");
    secret_set(&place.passphrase, bytes_of("open sesame"));
    place.plan.trust_domain = bytes_of("other");
    cr_assert_str_eq(place_refused(&place, START), "authority/trust-domain");
    place.plan.trust_domain = bytes_of("TD");
    cr_assert_str_eq(place_refused(&place, START), "authority/trust-domain");
    place.plan.trust_domain = bytes_of("td");

    place_write(&place, "root.pem", bytes_of(""), 0600);
    cr_assert_str_eq(place_refused(&place, START), "authority/file");
    place_write(&place, "root.pem", bytes_make(root.at, root.len / 2), 0600);
    cr_assert_str_eq(place_refused(&place, START), "authority/file");
    place_write(&place, "root.pem", buffer_bytes(&middle), 0600);
    cr_assert_neq(place_refused(&place, START)[0], '\0', "the intermediate is no root");
    place_write(&place, "root.pem", buffer_bytes(&root), 0644);
    cr_assert_str_eq(place_refused(&place, START), "authority/mode");
    place_remove(&place,
                 "root.pem"); /* a root is never made anew beside what the lost one signed */
    cr_assert_str_eq(place_refused(&place, START), "authority/file");
    place_write(&place, "root.pem", buffer_bytes(&root), 0600);
    place_write(&place, "intermediate.pem", buffer_bytes(&root), 0600);
    place_write(&place, "intermediate.pem", bytes_of("nonsense"), 0600);
    cr_assert_str_eq(place_refused(&place, START), "authority/file");
    place_write(&place, "intermediate.pem", buffer_bytes(&middle), 0600);
    cr_assert_str_eq(place_refused(&place, START), "");
    cr_assert_str_eq(place_refused(&place, START + 11LL * 365 * DAY), "authority/root-expired");
    place_drop(&place);
}

Test(authority, one_process_at_a_time_has_the_folder)
{
    struct place place;
    struct authority *second = NULL;
    struct failure why = {0};

    place_make(&place);
    place_open(&place, START);
    cr_assert_eq(authority_open(&place.plan, START, &second, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "authority/in-use");
    authority_drop(&place.authority);
    cr_assert_eq(authority_open(&place.plan, START, &place.authority, &why), STATUS_OK);
    place_drop(&place);
}

Test(authority, I3_files_are_private_and_hold_no_plain_key)
{
    static const char *const names[] = {"root.pem", "intermediate.pem"};
    struct place place;

    place_make(&place);
    place_open(&place, START);
    for (size_t i = 0; i < 2; i++) {
        CLEARED(buffer) text;
        char path[320];
        struct stat about;
        struct key *key = NULL;

        place_path(&place, names[i], path);
        cr_assert_eq(stat(path, &about), 0);
        cr_assert_eq(about.st_mode & 0777, 0600);
        place_read(&place, names[i], &text);
        cr_assert_neq(key_parse(buffer_bytes(&text), &key, NULL), STATUS_OK);
        cr_assert_null(memmem(text.at, text.len, "PRIVATE KEY", 11));
        cr_assert_null(memmem(text.at, text.len, "open sesame", 11));
    }
    place_drop(&place);
}

/*
 * Each state that a crash can leave: files are written beside, then renamed; the root comes first.
 */
Test(authority, every_state_that_a_crash_can_leave_loads)
{
    struct place place;
    CLEARED(buffer) root;
    CLEARED(buffer) middle;
    uint8_t before[BUNDLE_SHA256_LEN];
    uint8_t after[BUNDLE_SHA256_LEN];

    place_make(&place);
    place_write(&place, "root.pem.new", bytes_of(""), 0600); /* the very first write */
    place_open(&place, START);
    place_root(&place, before);
    place_read(&place, "root.pem", &root);
    place_read(&place, "intermediate.pem", &middle);
    for (size_t cut = 0; cut <= root.len; cut += 97) {
        authority_drop(&place.authority);
        place_write(&place, "root.pem.new", bytes_make(root.at, cut), 0600);
        place_write(&place, "intermediate.pem.new",
                    bytes_make(middle.at, cut < middle.len ? cut : middle.len), 0600);
        if (cut % 2 == 0) {
            place_remove(&place, "intermediate.pem");
        }
        place_open(&place, START + (int64_t)cut);
        place_root(&place, after);
        cr_assert_arr_eq(before, after, BUNDLE_SHA256_LEN);
    }
    place_drop(&place);
}

Test(authority, kill_at_any_moment_leaves_a_folder_that_loads)
{
    struct place place;
    bool have_root = false;
    uint8_t first[BUNDLE_SHA256_LEN];
    uint8_t now[BUNDLE_SHA256_LEN];

    place_make(&place);
    place.plan.lives = authority_lives_of(6, true);
    for (int round = 0; round < 60; round++) {
        int64_t at = START + round * 200; /* each start renews the intermediate */
        pid_t child = fork();
        int result;

        if (child == 0) {
            struct authority *authority = NULL;

            (void)!authority_open(&place.plan, at, &authority, NULL);
            for (int64_t tick = at;; tick += 130) {
                struct steady_now clocks = {tick * 1000, (uint64_t)tick * 1000};

                (void)!authority_tick(authority, clocks, NULL);
            }
        }
        (void)usleep((useconds_t)(round * 300));
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(waitpid(child, &result, 0), child);
        if (round % 3 == 2) { /* now and then let a start finish */
            place_open(&place, at);
            place_root(&place, now);
            cr_assert(!have_root || memcmp(first, now, sizeof now) == 0, "another root");
            memcpy(first, now, sizeof first);
            have_root = true;
            authority_drop(&place.authority);
        }
    }
    place_drop(&place);
}

Test(authority, a_disk_that_refuses_a_renewal_stops_nothing_while_the_present_one_serves)
{
    struct place place;
    CLEARED(authority_issued) issued = {.issued_at = 0};
    CLEARED(authority_issued) late = {.issued_at = 0};
    struct failure why = {0};
    int64_t renews_at;

    place_make(&place);
    place_open(&place, START);
    renews_at = authority_renews_at(place.authority);
    place_remove(&place, "root.pem");
    place_remove(&place, "intermediate.pem");
    cr_assert_eq(rmdir(place.folder), 0); /* no file can be made in a folder that is gone */
    cr_assert_eq(place_tick(&place, renews_at - 700, NULL), STATUS_OK);
    cr_assert_eq(place_tick(&place, renews_at, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "authority/write");
    cr_assert_eq(place_issue(&place, WEB, 0, renews_at, &issued, &why), STATUS_OK);
    cr_assert_eq(place_issue(&place, WEB, 0, START + 15 * DAY, &late, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "authority/write", "the cause, not the consequence");
    place_drop(&place);
}

/* Differential: what OpenSSL's command line says about what we issue. */
Test(authority, I1_openssl_reads_the_same_out_of_a_leaf)
{
    struct place place;
    CLEARED(authority_issued) issued = {.issued_at = 0};
    OWNED(svid) *svid = NULL;
    CLEARED(buffer) roots;
    char command[1200];
    char text[8192];
    size_t len;
    FILE *said;
    int64_t now = clock_unix_s();

    if (system("openssl version >/dev/null 2>&1") != 0) {
        cr_skip_test("no openssl command on this machine");
    }
    place_make(&place);
    place_open(&place, now);
    buffer_init(&roots, BUNDLE_MAX);
    cr_assert_eq(place_issue(&place, WEB, 0, now, &issued, NULL), STATUS_OK);
    cr_assert_eq(svid_parse(buffer_bytes(&issued.chain_der), NULL, &svid, NULL), STATUS_OK);
    cr_assert_eq(bundle_pem(bundle_domain(authority_bundle(place.authority), 0), &roots),
                 STATUS_OK);
    place_write(&place, "kept", svid_chain_pem(svid), 0600);
    place_write(&place, "root.pem.new", buffer_bytes(&roots), 0600);
    (void)snprintf(command, sizeof command,
                   "cd %s && for use in sslserver sslclient; do openssl verify -x509_strict "
                   "-purpose $use -CAfile root.pem.new -untrusted kept kept; done && "
                   "openssl x509 -in kept -noout -text -certopt no_sigdump,no_pubkey 2>&1",
                   place.folder);
    said = popen(command, "r");
    cr_assert_not_null(said);
    len = fread(text, 1, sizeof text - 1, said);
    text[len] = '\0';
    cr_assert_eq(pclose(said), 0, "%s", text);
    cr_assert_not_null(strstr(text, "kept: OK\nkept: OK\n"), "%s", text);
    cr_assert_not_null(strstr(text, "URI:" WEB "\n"), "%s", text);
    cr_assert_not_null(strstr(text, "CA:FALSE"), "%s", text);
    cr_assert_not_null(strstr(text, "Key Usage: critical\n                Digital Signature\n"),
                       "%s", text);
    cr_assert_not_null(strstr(text, "TLS Web Server Authentication, TLS Web Client Authentication"),
                       "%s", text);
    cr_assert_not_null(strstr(text, "Subject Alternative Name: critical"), "%s", text);
    place_drop(&place);
}
