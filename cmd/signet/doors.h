/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin sockets of this machine: where they are, and one question with its answer.
 *
 * A sidecar answers under /run/signet/NAME/admin.sock, the control plane under
 * /run/signet/control/admin.sock. Whoever may open the socket may ask.
 */
#ifndef SIGNET_CMD_SIGNET_DOORS_H
#define SIGNET_CMD_SIGNET_DOORS_H

#include <stdbool.h>
#include <stddef.h>

#include "cmd/signet/manual.h"
#include "core/runtime/base/buffer.h"
#include "core/runtime/base/status.h"

#define DOORS_FOLDER "/run/signet"         /* where to look unless told otherwise */
#define DOORS_CONTROL "control"            /* the folder in it that is the control plane's */
#define DOORS_MAX 1024                     /* sockets in one folder */
#define DOORS_REPLY_MAX ((size_t)16 << 20) /* bytes of one reply */
#define DOORS_LIMIT_MS 5000u               /* longest wait for one reply */

struct door {
    char *name;    /* owned: "web"; for a given address the address itself */
    char *address; /* owned: "unix:/run/signet/web/admin.sock" or "127.0.0.1:15000" */
    bool control;  /* it is the control plane's */
};

struct doors {
    struct door *items; /* owned, sorted by name */
    size_t count;
};

/* doors_clear frees the list. A zeroed struct may be cleared. */
void doors_clear(struct doors *doors);

/* doors_add appends a door whose address is known. Both texts are copied. */
void doors_add(struct doors *doors, const char *name, const char *address, bool control);

/*
 * doors_find lists the sockets FOLDER/NAME/admin.sock, the control plane's among them. What is no
 * socket is passed over.
 *
 * STATUS_NOT_FOUND "doors/none" (no socket in it, or no such folder), with the remedy;
 * STATUS_IO "doors/folder" (it cannot be read); STATUS_LIMIT "doors/too-many".
 */
enum status doors_find(const char *folder, struct doors *out_doors, struct failure *why) MUST_USE;

/* Which of the sockets a command speaks to. */
enum doors_kind {
    DOORS_ALL,
    DOORS_SIDECARS,
};

/* What the command line gave; NULL or 0 where it did not. Borrowed. */
struct doors_choice {
    const char *address;      /* --admin */
    const char *folder;       /* --run-folder */
    const char *const *names; /* of sidecars; none: all of them */
    size_t num_names;
};

#define DOORS_HELP_ADMIN "ask this one only: unix:PATH, or 127.0.0.1:15000"
#define DOORS_HELP_FOLDER "look for sockets here instead of in " DOORS_FOLDER

/*
 * doors_open makes the list a command speaks to: the given address alone, or those of the folder that
 * were named. False when there is none, or a name is not there: the reason was then printed and
 * *out_verdict is the exit code.
 */
bool doors_open(const struct doors_choice *choice, enum doors_kind kind, struct doors *out_doors,
                int *out_verdict);

/*
 * doors_enter is manual_open() and then doors_open() for sidecars: what stands on the command line
 * beside flags are their names. `choice` is what the manual's flags fill.
 */
bool doors_enter(const struct manual *manual, int count, char **arguments,
                 struct doors_choice *choice, struct doors *out_doors, int *out_verdict);

/* doors_control makes *out_doors hold the control plane's door alone: the given address, or FOLDER/control. */
void doors_control(const struct doors_choice *choice, struct doors *out_doors);

/* What is asked. All borrowed. */
struct door_question {
    const char *method; /* "GET", "POST" or "DELETE" */
    const char *path;   /* begins with '/' */
    struct bytes body;  /* JSON; empty: none */
};

/*
 * door_ask sends one request and waits at most DOORS_LIMIT_MS for the whole reply. It blocks.
 *
 *   out_code  the HTTP status, whatever it is
 *   out_body  on STATUS_OK the reply's body, owned by the caller: buffer_clear()
 *
 * Errors are those of web_client_call(); every detail names the address and what to try.
 */
enum status door_ask(const struct door *door, const struct door_question *question,
                     unsigned *out_code, struct buffer *out_body, struct failure *why) MUST_USE;

/* door_refusal makes a failure of a reply whose code is not 2xx: its own words. STATUS_DENIED "door/refused". */
enum status door_refusal(const struct door *door, unsigned code, struct bytes body,
                         struct failure *why) MUST_USE;

/* door_get is door_ask for a GET whose code must be 2xx; another is a door_refusal(). */
enum status door_get(const struct door *door, const char *path, struct buffer *out_body,
                     struct failure *why) MUST_USE;

/*
 * doors_ask_control asks the control plane and prints a refusal, or that it does not answer. VERDICT_OK
 * leaves the body to be read, owned by the caller; else VERDICT_NO or VERDICT_UNREACHABLE.
 */
int doors_ask_control(const struct doors_choice *choice, const struct door_question *question,
                      struct buffer *out_body);

/* Takes the body of one sidecar's page, borrowed for the call. A failure is printed with its name. */
typedef enum status (*door_visit_fn)(void *user, const struct door *door, struct bytes body,
                                     struct failure *why);

/*
 * doors_visit gets `path` from each door in turn and hands the body to visit(). Who does not answer, or
 * answers what cannot be read, is named on the standard error. Returns VERDICT_OK, VERDICT_NO when some
 * failed, or VERDICT_UNREACHABLE when all did.
 */
int doors_visit(const struct doors *doors, const char *path, door_visit_fn visit, void *user);

#endif
