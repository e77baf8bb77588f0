/* SPDX-License-Identifier: Apache-2.0 */
/* struct control_settings: one member per row of settings.def. */
#ifndef SIGNET_CMD_SIGNET_CONTROL_SETTINGS_H
#define SIGNET_CMD_SIGNET_CONTROL_SETTINGS_H

#define SETTING_DEF "cmd/signet-control/settings.def"
#define SETTING_STRUCT control_settings
#include "core/runtime/config/setting_struct.inc"

#endif
