/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the inside of a JSON string. Pure. Source: RFC 8259 section 7, RFC 3629 section 4.
 */
#ifndef SIGNET_CORE_RUNTIME_JSON_ESCAPE_H
#define SIGNET_CORE_RUNTIME_JSON_ESCAPE_H

#include "core/runtime/base/bytes.h"

/*
 * json_escape writes as much of `*rest` as fits into `room` bytes at `out`, without quotes and
 * without a NUL, and leaves in `*rest` what did not fit. Control bytes, DEL, '"' and '\' are
 * escaped; a byte that is no part of well-formed UTF-8 becomes \u00XX. Neither an escape nor a
 * character is cut. Returns the bytes written. With room for 6 bytes it always advances.
 */
size_t json_escape(struct bytes *rest, char *out, size_t room);

/*
 * json_utf8_len is the length, 1 to 4, of the well-formed UTF-8 character that `text` begins with;
 * 0: none.
 */
size_t json_utf8_len(struct bytes text);

#endif
