/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authority's folder: a lock, and files that are replaced whole or not at all. Part of
 * authority.c.
 *
 * A file is written beside its name (NAME.new), synced, renamed, and the folder synced: after a
 * crash at any point there is the old file or the new one. One process at a time has the folder.
 */
#ifndef SIGNET_CORE_CONTROL_CA_AUTHORITY_FILES_H
#define SIGNET_CORE_CONTROL_CA_AUTHORITY_FILES_H

#include "core/runtime/base/secret.h"

#define AUTHORITY_FILE_MAX 32768

struct authority_files {
    int folder; /* descriptor, locked unless it was only looked at; -1 while closed */
};

/*
 * authority_files_open makes the folder (mode 0700) when it is missing, and takes its lock.
 * STATUS_IO "authority/folder"; STATUS_CONFIG "authority/in-use", "authority/mode" (others may
 * read it or write into it), "authority/owner" (neither ours nor root's).
 */
enum status authority_files_open(struct authority_files *files, const char *folder,
                                 struct failure *why) MUST_USE;

/*
 * authority_files_look opens it to read alone: nothing is made, nobody is kept out.
 * STATUS_NOT_FOUND "authority/missing"; STATUS_IO "authority/folder"; STATUS_CONFIG "authority/mode",
 * "authority/owner".
 */
enum status authority_files_look(struct authority_files *files, const char *folder,
                                 struct failure *why) MUST_USE;

/*
 * authority_files_close gives the lock up. Nothing happens to what is closed or zeroed with folder
 * -1.
 */
void authority_files_close(struct authority_files *files);

/*
 * authority_files_read reads a whole file. STATUS_NOT_FOUND "authority/missing"; STATUS_CONFIG
 * "authority/mode" (not a regular file of mode 0600 or less), "authority/owner"; STATUS_PROTOCOL
 * "authority/file" (empty or too long); STATUS_IO "authority/read".
 */
enum status authority_files_read(const struct authority_files *files, const char *name,
                                 struct secret *out_text, struct failure *why) MUST_USE;

/* authority_files_write replaces a file, mode 0600. STATUS_IO "authority/write". */
enum status authority_files_write(const struct authority_files *files, const char *name,
                                  struct bytes text, struct failure *why) MUST_USE;

/* authority_files_remove removes a file; none is fine. STATUS_IO "authority/write". */
enum status authority_files_remove(const struct authority_files *files, const char *name,
                                   struct failure *why) MUST_USE;

#endif
