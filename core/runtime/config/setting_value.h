/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value of one setting: read, print, compare, free. Within this package only.
 */
#ifndef SIGNET_CORE_RUNTIME_CONFIG_SETTING_VALUE_H
#define SIGNET_CORE_RUNTIME_CONFIG_SETTING_VALUE_H

#include "core/runtime/config/setting.h"

/*
 * setting_value_set reads `text` into the row's member of `values`; a list gets one more item, any
 * other value replaces the old one. `origin` ("FILE:12", "--name", a variable) begins the detail.
 * STATUS_CONFIG "setting/value", "setting/range", "setting/choice", "setting/nul".
 */
enum status setting_value_set(const struct setting_row *row, const char *origin, struct bytes text,
                              void *values, struct failure *why) MUST_USE;

/* setting_value_clear frees what the member holds and zeroes it. */
void setting_value_clear(const struct setting_row *row, void *values);

/* setting_value_equal compares the member of two structs. */
bool setting_value_equal(const struct setting_row *row, const void *a, const void *b);

/* setting_value_print appends `name: value` lines for the member; none when it is not set. */
enum status setting_value_print(const struct setting_row *row, const void *values,
                                struct buffer *out) MUST_USE;

/* setting_value_range appends what the row allows: "1 to 65535", "json or text", ... */
enum status setting_value_range(const struct setting_row *row, struct buffer *out) MUST_USE;

#endif
