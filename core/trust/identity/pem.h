/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PEM: labelled base64 blocks in a text. Pure; any thread. Source: RFC 7468 (the "lax" form: text
 * around blocks and any white space inside is passed over; headers inside a block are refused).
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_PEM_H
#define SIGNET_CORE_TRUST_IDENTITY_PEM_H

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/secret.h"

/*
 * pem_next reads the next block of `*text` and cuts it off. `out_label` ("CERTIFICATE") borrows
 * from the text; `out_der` is wiped memory, because the block may be a key.
 *
 * STATUS_NOT_FOUND "pem/none" when there is no further block; STATUS_PROTOCOL "pem/block" when one
 * is cut short, its END does not fit its BEGIN, or what is in it is not base64.
 */
enum status pem_next(struct bytes *text, struct bytes *out_label, struct secret *out_der,
                     struct failure *why) MUST_USE;

/* pem_add appends a block with lines of 64. STATUS_LIMIT "buffer/full". */
enum status pem_add(struct buffer *to, const char *label, struct bytes der) MUST_USE;

/*
 * pem_certificates appends the DER of every CERTIFICATE block of `text`, one after the other; other
 * blocks are passed over. STATUS_NOT_FOUND "pem/none" when there was none; else as pem_next, and
 * STATUS_LIMIT "buffer/full".
 */
enum status pem_certificates(struct bytes text, struct buffer *out_der,
                             struct failure *why) MUST_USE;

#endif
