/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the first bytes of a connection say? Pure: on a permissive port this tells the mesh's TLS
 * from the application's own, and from plaintext. It decides nothing about trust.
 * Source: RFC 8446 section 4.1.2 and 5.1, RFC 6066 section 3, RFC 7301 section 3.1.
 */
#ifndef SIGNET_CORE_SIDECAR_CAPTURE_SNIFF_H
#define SIGNET_CORE_SIDECAR_CAPTURE_SNIFF_H

#include "core/runtime/base/bytes.h"

/* A ClientHello longer than this is not waited for: it counts as the application's own bytes. */
#define SNIFF_MAX ((size_t)16 * 1024)

enum sniff_kind {
    SNIFF_MORE,  /* not enough bytes yet to tell */
    SNIFF_TLS,   /* a whole ClientHello: sni and protocols are filled */
    SNIFF_OTHER, /* anything else, and a broken ClientHello */
};

struct sniff {
    enum sniff_kind kind;
    char sni[256];           /* host name, NUL-terminated; "" without one */
    uint8_t protocols[512];  /* ProtocolNameList of the ALPN extension, without its outer length */
    size_t protocols_len;    /* 0: no ALPN, or a list longer than that */
};

/* sniff_bytes judges the first bytes of a connection. Reads nothing beyond `first`. */
void sniff_bytes(struct bytes first, struct sniff *out_sniff);

#endif
