/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What --check looks at besides entries and data folder: could the addresses be listened on, and the
 * bundle be written? Sockets are bound and closed at once, never listened on; nothing is made.
 */
#ifndef SIGNET_CMD_SIGNET_CONTROL_CHECK_H
#define SIGNET_CMD_SIGNET_CONTROL_CHECK_H

#include "cmd/signet-control/settings.h"
#include "core/runtime/base/status.h"

/*
 * check_addresses tries the three addresses. One that is in use is no fault while a control plane answers
 * at the admin socket: then it is the one that runs.
 * STATUS_CONFIG "address/…"; STATUS_IO "rpc/listen", "web/bind", "web/in-use", "admin/folder"
 */
enum status check_addresses(const struct control_settings *settings, struct failure *why) MUST_USE;

/* check_bundle_out: may a file be put there? STATUS_IO "file/write". */
enum status check_bundle_out(const struct control_settings *settings, struct failure *why) MUST_USE;

#endif
