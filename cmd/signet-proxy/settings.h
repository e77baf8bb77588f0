/* SPDX-License-Identifier: Apache-2.0 */
/* struct proxy_settings: one member per row of settings.def. */
#ifndef SIGNET_CMD_SIGNET_PROXY_SETTINGS_H
#define SIGNET_CMD_SIGNET_PROXY_SETTINGS_H

#define SETTING_DEF "cmd/signet-proxy/settings.def"
#define SETTING_STRUCT proxy_settings
#include "core/runtime/config/setting_struct.inc"

#endif
