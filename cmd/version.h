/* SPDX-License-Identifier: Apache-2.0 */
/* The version of the four programs: one number for all, because they are built and shipped together. */
#ifndef SIGNET_CMD_VERSION_H
#define SIGNET_CMD_VERSION_H

#define SIGNET_VERSION "0.1.0"

#endif
