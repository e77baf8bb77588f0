/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extensions of a certificate: part of certificate.c, in a file of its own for its length.
 * Source: RFC 5280 4.2.
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_CERTIFICATE_EXTENSIONS_H
#define SIGNET_CORE_TRUST_IDENTITY_CERTIFICATE_EXTENSIONS_H

#include "core/trust/identity/certificate.h"

/*
 * certificate_extensions_parse reads the content of an Extensions SEQUENCE into `out`'s fields.
 * STATUS_PROTOCOL "certificate/extension".
 */
enum status certificate_extensions_parse(struct bytes list, struct certificate *out,
                                         struct failure *why) MUST_USE;

#endif
