/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authority: a root and intermediates, made when they are needed, kept in one folder, and the
 * one place where leaves are issued. Restart-safe and crash-safe: a root exists from the moment
 * when its one file has its name, and a certificate and its sealed key are always in the same file.
 *
 *     FOLDER/root.pem             certificate, and its sealed private key (mode 0600)
 *     FOLDER/intermediate.pem     the same; and the next ones, each in a file of its own:
 *     FOLDER/intermediate-2.pem   … to intermediate-8.pem
 *     FOLDER/NAME.pem.new         what a crash may leave behind; never read, replaced at the next
 *                                 write
 *
 * An intermediate is never overwritten by its successor: it stays until it has ended, in memory and
 * on the disk, because the clock that made the successor may have been wrong. Whatever the time,
 * the one that is valid then signs; with none, one is made at once. Only replacing one that is
 * valid waits until wall clock and boot clock have agreed for a while (steady.h). Of nine the one
 * whose life is farthest from now goes, so that a clock that flaps for years fills no disk.
 *
 * The trust domain is fixed by the root: opening a folder for another one is refused. A root is
 * never replaced: when its file is there but cannot be read, or its life lies elsewhere in time,
 * authority_open says so and makes nothing.
 *
 * One thread at a time (the control plane's main loop). Time comes as a parameter, Unix s.
 * Elsewhere: the profile (sign.h), who may ask (control/serve).
 * Source: design.md section 4, invariants I1, I3, I11.
 */
#ifndef SIGNET_CORE_CONTROL_CA_AUTHORITY_H
#define SIGNET_CORE_CONTROL_CA_AUTHORITY_H

#include "core/control/ca/sign.h"
#include "core/control/ca/steady.h"
#include "core/runtime/base/secret.h"
#include "core/trust/identity/bundle.h"
#include "core/trust/identity/svid.h"

#define AUTHORITY_LEAF_FLOOR_S 120
#define AUTHORITY_DEMO_LEAF_FLOOR_S 6
#define AUTHORITY_LINKS_MAX 8  /* intermediates that are kept at once */
#define AUTHORITY_NOTES_MAX 16 /* notes that wait for authority_next_note(); of more the oldest go */

/* How long things live, in s. authority_lives_of() gives a sound set. */
struct authority_lives {
    int64_t root_s;
    int64_t intermediate_s; /* at least 4 x leaf_s */
    int64_t leaf_s;         /* the longest leaf, and the usual one */
    int64_t leaf_floor_s;   /* the shortest leaf */
};

/*
 * authority_lives_of: root 10 years, intermediate 14 days, leaf as given with a floor of 120 s;
 * with `demo` the floor is 6 s and the intermediate lives 20 leaves (at least 2 minutes), so that
 * its renewal can be seen.
 */
struct authority_lives authority_lives_of(int64_t leaf_s, bool demo);

/* What authority_open needs to know. All is borrowed for the call. */
struct authority_plan {
    const char *folder;              /* must exist or be creatable; mode 0700 */
    const struct secret *passphrase; /* not empty */
    struct bytes trust_domain;
    struct authority_lives lives;
    bool constrain_names;            /* URI name constraint on new intermediates: see authority.c */
    uint8_t seal_cost;               /* 0: SEAL_COST_DEFAULT; less in tests */
    bool only_look; /* judge what is there: nothing is made, renewed, written or locked */
};

struct authority;

/*
 * authority_is_there: was an authority made in this folder? A root file of whatever content counts,
 * and so does one that cannot be looked for.
 */
bool authority_is_there(const char *folder);

/*
 * authority_open loads the authority of a folder, making what is not there yet, and what is needed
 * to issue now. With only_look it opens what is there, also while another process has it, and finds
 * what would be refused; the authority is then good for its bundle and its dates, not for issuing.
 *
 * STATUS_CONFIG    "authority/lives" (a life is out of order: leaf below its floor, intermediate
 *                  below 4 leaves, root below the intermediate), "authority/trust-domain" (not one,
 *                  or the folder belongs to another), "authority/passphrase" (empty, or not the
 *                  folder's), "authority/mode" (a file or a folder that others may read or write),
 *                  "authority/owner" (neither ours nor root's), "authority/in-use" (another process
 *                  has the folder)
 * STATUS_PROTOCOL  "authority/file" (a file that is not what it should be)
 * STATUS_DENIED    "authority/root-expired", "authority/root-ahead", "authority/expiring": our clock
 *                  stands outside of the root's life, and the text says which clock may be wrong
 * STATUS_NOT_FOUND "authority/missing" (only_look: there is none)
 * STATUS_IO        "authority/folder", "authority/write", "authority/read", and of the library
 */
enum status authority_open(const struct authority_plan *plan, int64_t now_s,
                           struct authority **out_authority, struct failure *why) MUST_USE;

/* authority_drop wipes the keys, frees it and sets *authority to NULL. */
void authority_drop(struct authority **authority);

struct authority_request {
    const struct spiffe_id *id; /* attested, of this trust domain */
    struct bytes spki_der;      /* csr_public_key() */
    int64_t life_s;             /* wished for; 0: the usual. Held between floor and leaf_s */
    int64_t revision;           /* of the store, when the caller was attested: serial.h; or 0 */
};

/* What was issued. authority_issued_clear() frees it; a zeroed struct may be cleared. */
struct authority_issued {
    struct buffer chain_der; /* leaf, then intermediate; without the root */
    int64_t issued_at;       /* Unix s: life counts from here */
    int64_t not_before;
    int64_t not_after;
    char serial_hex[CERTIFICATE_SERIAL_HEX];
    char issuer_hex[CERTIFICATE_KEY_ID_HEX]; /* the intermediate's key identifier */
};

/*
 * authority_issue signs a leaf, with the intermediate that is valid now; where there is none, with one
 * that it makes. It never waits for the clock to prove itself.
 *
 * STATUS_CONFIG    "authority/foreign-id" (another trust domain's), "sign/leaf-id"
 * STATUS_PROTOCOL  "authority/own-key" (a CA's own public key), "public-key/…"
 * STATUS_DENIED    "authority/root-ahead", "authority/root-expired", "authority/expiring" (the root
 *                  ends before the shortest leaf would): our clock stands outside of the root's life
 * STATUS_IO        of the signer; "authority/write": an intermediate was needed and cannot be kept
 */
enum status authority_issue(struct authority *authority, const struct authority_request *request,
                            int64_t now_s, struct authority_issued *out_issued,
                            struct failure *why) MUST_USE;
void authority_issued_clear(struct authority_issued *issued);

/*
 * authority_tick renews the intermediate when its time has come and the clock may be believed, and
 * removes those that have ended; call it each second. A failure leaves the present ones in force and
 * is tried again at the next call. Errors as authority_open.
 */
enum status authority_tick(struct authority *authority, struct steady_now now,
                           struct failure *why) MUST_USE;

/*
 * authority_may_replace: may a certificate of that life (s), which is still good, be replaced by this
 * clock? One judge for intermediates and the control plane's own leaf. It takes in what the clocks say.
 */
bool authority_may_replace(struct authority *authority, struct steady_now now, int64_t life_s);

/* authority_steady is what is known of the clocks; borrowed. */
const struct steady *authority_steady(const struct authority *authority);

enum authority_link_state {
    AUTHORITY_LINK_VALID,
    AUTHORITY_LINK_AHEAD, /* begins later: our clock is behind, or was ahead when it was made */
    AUTHORITY_LINK_ENDED,
};

/* How one link, the root or an intermediate, stands. */
struct authority_view {
    const char *file; /* its name in the folder */
    int64_t not_before, not_after;
    enum authority_link_state state;
    bool signs; /* it is the one that signs leaves */
    char serial_hex[CERTIFICATE_SERIAL_HEX];
};

/* authority_views shows the root, then each intermediate, as they stand at that time; gives how many. */
size_t authority_views(const struct authority *authority, int64_t now_s,
                       struct authority_view out_views[1 + AUTHORITY_LINKS_MAX]);

enum authority_note_kind {
    AUTHORITY_LINK_MADE,     /* cause "first", "none-valid" (at that time) or "due" */
    AUTHORITY_LINK_REMOVED,  /* cause "ended" or "no-room" */
    AUTHORITY_CLOCK_STEPPED, /* wall clock and boot clock disagreed */
};

/* Something that people should know; the authority itself does not log. */
struct authority_note {
    enum authority_note_kind kind;
    const char *cause;          /* of a link; a literal */
    struct authority_view link; /* as it stood then */
    int64_t stepped_ms;         /* of the clock: so far did the wall clock jump */
};

/* authority_next_note takes the oldest note out. False: there is none. */
bool authority_next_note(struct authority *authority, struct authority_note *out_note);

/*
 * authority_bundle is the bundle to publish (the root); borrowed until the authority goes:
 * bundle_ref() to keep.
 */
struct bundle *authority_bundle(const struct authority *authority);

/* authority_trust_domain is "example.org"; borrowed. */
struct bytes authority_trust_domain(const struct authority *authority);

/* authority_lives tells how long things live. */
const struct authority_lives *authority_lives(const struct authority *authority);

/*
 * When the root ends, when the intermediate that signs ends, and from when on it is due to be renewed:
 * Unix s; the latter two are 0 while there is none.
 */
int64_t authority_root_ends_at(const struct authority *authority);
int64_t authority_intermediate_ends_at(const struct authority *authority);
int64_t authority_renews_at(const struct authority *authority);

#endif
