/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control plane put together: the only file that knows all of its modules. It makes them in order,
 * wires their events, and takes them apart again.
 */
#ifndef SIGNET_CMD_SIGNET_CONTROL_ASSEMBLE_H
#define SIGNET_CMD_SIGNET_CONTROL_ASSEMBLE_H

#include "cmd/signet-control/settings.h"

/* Exit codes of the program (cmd/README.md). */
enum control_exit {
    CONTROL_EXIT_OK = 0,
    CONTROL_EXIT_SETTINGS = 2, /* command line, settings, entries file or passphrase file */
    CONTROL_EXIT_DATA = 3,     /* data folder: store, authority, or in use by another process */
    CONTROL_EXIT_LISTEN = 4,   /* an address cannot be listened on */
};

struct control;

/*
 * control_check finds what a start would refuse: in settings, passphrase file, entries file (also against
 * the entries of the store), data folder and addresses. It starts, makes, changes and locks nothing, and
 * may run beside a control plane that uses the same folder. *out_exit is written in every case.
 *
 * STATUS_CONFIG "settings/…" and whatever the modules say.
 */
enum status control_check(const struct control_settings *settings, enum control_exit *out_exit,
                          struct failure *why) MUST_USE;

/*
 * control_begin_anew does what the settings new_store or new_authority ask for, and starts nothing:
 * data_dir_begin(). *out_said is a sentence for the operator (free() it).
 */
enum status control_begin_anew(const struct control_settings *settings, char **out_said,
                               enum control_exit *out_exit, struct failure *why) MUST_USE;

/*
 * control_start makes everything and listens. `settings` and `config_text` (of /config) outlive it. On a
 * failure nothing is left, and *out_exit says how to leave.
 */
enum status control_start(const struct control_settings *settings, struct bytes config_text,
                          struct control **out_control, enum control_exit *out_exit,
                          struct failure *why) MUST_USE;

/* control_run serves until TERM or INT, then frees everything. */
void control_run(struct control *control);

#endif
