/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authority's insides, for its own files: one link (authority_link.c), which link signs and when
 * one is made (authority_choose.c), the rest (authority.c).
 */
#ifndef SIGNET_CORE_CONTROL_CA_AUTHORITY_PARTS_H
#define SIGNET_CORE_CONTROL_CA_AUTHORITY_PARTS_H

#include "core/control/ca/authority.h"
#include "core/control/ca/authority_files.h"
#include "core/control/ca/seal.h"

enum {
    AUTHORITY_ROOT = -1, /* the root's place; intermediates have 0 to AUTHORITY_LINKS_MAX - 1 */
    AUTHORITY_NONE = -2, /* no place */
    AUTHORITY_LEAVES_PER_INTERMEDIATE = 4,
};

/* One authority certificate of ours with its key. */
struct authority_link {
    struct buffer der;       /* owned */
    struct certificate cert; /* slices of der */
    struct signer *signer;   /* owned; NULL: there is none */
};

struct authority {
    struct authority_files files;
    struct seal seal;
    struct authority_lives lives;
    bool constrain_names;
    struct spiffe_id domain_id; /* spiffe://TRUST_DOMAIN */
    struct authority_link root;
    struct authority_link links[AUTHORITY_LINKS_MAX]; /* intermediates, each in its place's file */
    int current;                                      /* the place that signs, or AUTHORITY_NONE */
    struct steady steady;
    struct authority_note notes[AUTHORITY_NOTES_MAX]; /* the oldest first */
    size_t num_notes;
    struct bundle *bundle; /* a reference */
};

/* authority_link_file is the name of the file of a place. */
const char *authority_link_file(int place);

/* authority_link_of is the link of a place. */
struct authority_link *authority_link_of(struct authority *authority, int place);

/* authority_link_clear wipes the key and empties the place; nothing happens to the file. */
void authority_link_clear(struct authority_link *link);

/* authority_issuer_of is a link as the issuer of something; its chain's dates are its own and those above it. */
void authority_issuer_of(const struct authority_link *link, const struct authority_link *above,
                         struct sign_issuer *out);

/* authority_draw_serial draws a serial that carries a revision (serial.h). STATUS_IO "authority/random". */
enum status authority_draw_serial(int64_t revision, uint8_t serial[SERIAL_LEN],
                                  struct failure *why) MUST_USE;

/*
 * authority_link_make signs a link and keeps it in a place, in the place's file first: what was there is
 * replaced. AUTHORITY_ROOT makes a root. Errors of sign_authority, "authority/write".
 */
enum status authority_link_make(struct authority *authority, int place, int64_t now_s,
                                struct failure *why) MUST_USE;

/*
 * authority_link_load reads a place's file. A file that is not there is no failure: the place stays empty
 * (signer NULL). An intermediate is checked against the root, which must be loaded by then.
 */
enum status authority_link_load(struct authority *authority, int place, struct bytes passphrase,
                                struct failure *why) MUST_USE;

/* authority_refuse_file is STATUS_PROTOCOL "authority/file": what is wrong with a file of that name. */
enum status authority_refuse_file(const char *name, const char *what, struct failure *why);

/* authority_view_link is how the link of a place stands; a place that is free has zeroes. */
void authority_view_link(const struct authority *authority, int place, int64_t now_s,
                         struct authority_view *out);

/* authority_note_link notes down what happened to the link of a place; `cause` is a literal. */
void authority_note_link(struct authority *authority, int place, enum authority_note_kind kind,
                         const char *cause, int64_t now_s);

/*
 * authority_choose makes `current` the link to sign with now. With none that can it is AUTHORITY_NONE,
 * and all is well while the root can sign another. STATUS_DENIED "authority/root-ahead",
 * "authority/root-expired", "authority/expiring".
 */
enum status authority_choose(struct authority *authority, int64_t now_s,
                             struct failure *why) MUST_USE;

/* authority_ensure is authority_choose that makes a link at once where there is none to sign with. */
enum status authority_ensure(struct authority *authority, int64_t now_s,
                             struct failure *why) MUST_USE;

#endif
