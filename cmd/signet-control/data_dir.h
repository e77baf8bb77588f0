/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in the data folder, store and authority, and whether the two belong together.
 *
 * Neither is replaced in silence. A store that was written to and has no authority beside it, or an
 * authority without a store, is refused; so is an authority whose root is not the one that the store
 * remembers (its key "authority/root": SHA-256 of the root). What is lost is begun anew by an act of its
 * own (data_dir_begin), which ends the program: left on a command line it can do no harm later, because
 * a program with that flag never serves.
 *
 * A folder without either is a first start. The store is made first: where that start was cut off, the
 * store has no revision yet, and the next start goes on. A store without a remembered root (of an older
 * version, or cut off there) takes the root that lies beside it.
 */
#ifndef SIGNET_CMD_SIGNET_CONTROL_DATA_DIR_H
#define SIGNET_CMD_SIGNET_CONTROL_DATA_DIR_H

#include "cmd/signet-control/folder.h"
#include "cmd/signet-control/settings.h"
#include "core/control/ca/authority.h"
#include "core/control/store/store.h"

/*
 * data_dir_open opens store and authority of a folder that we hold, making them at a first start.
 *
 * STATUS_CONFIG "store/missing", "authority/missing", "authority/other-root"; and what store_open(),
 * authority_open() and secret_read_file() say. Outputs may be set on a failure: they are to be dropped.
 */
enum status data_dir_open(const struct control_settings *settings, const struct folder *folder,
                          struct store **out_store, struct authority **out_authority,
                          struct failure *why) MUST_USE;

/*
 * data_dir_look judges the settings' data folder as data_dir_open() would, also while another process
 * holds it, and changes nothing. *out_store is a copy in memory; *out_authority stays NULL where a
 * first start would make one. Errors as folder_look() and data_dir_open(), and "store/full" and
 * "data-dir/open" for what a start could not write.
 */
enum status data_dir_look(const struct control_settings *settings, struct store **out_store,
                          struct authority **out_authority, struct failure *why) MUST_USE;

/*
 * data_dir_begin does what the settings new_store or new_authority ask for. *out_said is a sentence for
 * the operator (free() it).
 * STATUS_CONFIG "store/not-lost", "authority/not-lost"; and as data_dir_open().
 */
enum status data_dir_begin(const struct control_settings *settings, const struct folder *folder,
                           char **out_said, struct failure *why) MUST_USE;

#endif
