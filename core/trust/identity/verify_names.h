/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name constraints: may a certificate have the names that it has, under this authority? Part of
 * verify.c, in a file of its own. URI and DNS constraints are judged; a constraint of another kind
 * refuses every certificate that has a name of that kind. Pure.
 * Source: RFC 5280 4.2.1.10.
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_VERIFY_NAMES_H
#define SIGNET_CORE_TRUST_IDENTITY_VERIFY_NAMES_H

#include "core/trust/identity/certificate.h"

#define VERIFY_NAMES_COMPARED_MAX 65536 /* comparisons for one certificate under one authority */

/*
 * verify_names_allowed tells whether `subject`'s names obey `authority`'s constraints. False too
 * when the constraints are malformed, use minimum or maximum, or are too many to be judged.
 */
bool verify_names_allowed(const struct certificate *authority, const struct certificate *subject);

#endif
