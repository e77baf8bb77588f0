/* SPDX-License-Identifier: Apache-2.0 */
/* Which libraries are linked into the programs of this build. */
#ifndef SIGNET_CMD_SIGNET_VERSION_H
#define SIGNET_CMD_SIGNET_VERSION_H

#include <stddef.h>

#define VERSION_LIBRARIES_MAX 12

struct version_library {
    const char *name;
    const char *version; /* literal, or static memory of the call */
};

/* version_libraries fills the list and gives its length. One thread. */
size_t version_libraries(struct version_library out_libraries[VERSION_LIBRARIES_MAX]);

#endif
