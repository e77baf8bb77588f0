/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An X.509 certificate taken apart: slices of its DER and the few fields that we judge by. It
 * judges nothing but the form; bytes that are not strict DER of a version 3 certificate are
 * refused. A value that borrows from the DER; pure; any thread.
 *
 * Elsewhere: the judgement (verify.h, svid.h).
 * Source: RFC 5280 4.1 and 4.2.
 */
#ifndef SIGNET_CORE_TRUST_IDENTITY_CERTIFICATE_H
#define SIGNET_CORE_TRUST_IDENTITY_CERTIFICATE_H

#include "core/runtime/base/bytes.h"
#include "core/trust/identity/public_key.h"

#define CERTIFICATE_MAX 16384         /* bytes of one certificate */
#define CERTIFICATE_SERIAL_HEX 43     /* 21 bytes at most in hex, and a NUL */
#define CERTIFICATE_KEY_ID_HEX 65     /* 32 bytes at most in hex, and a NUL */
#define CERTIFICATE_EXTENSIONS_MAX 32 /* extensions of one certificate */

enum certificate_key_usage { /* bits as numbered by RFC 5280 4.2.1.3 */
    CERTIFICATE_DIGITAL_SIGNATURE = 1 << 0,
    CERTIFICATE_KEY_CERT_SIGN = 1 << 5,
    CERTIFICATE_CRL_SIGN = 1 << 6,
};

struct certificate {
    struct bytes der;       /* the whole; every slice below lies in it */
    struct bytes tbs;       /* what is signed */
    struct bytes serial;    /* the INTEGER's content, most significant byte first */
    struct bytes issuer;    /* Name, as DER */
    struct bytes subject;   /* Name, as DER; an empty Name is 30 00 */
    struct bytes spki;      /* SubjectPublicKeyInfo, as DER */
    struct bytes signature; /* of tbs, by the issuer */
    int64_t not_before;     /* Unix s */
    int64_t not_after;      /* Unix s */

    struct bytes uri;              /* the first URI SAN */
    struct bytes subject_key_id;   /* empty when absent */
    struct bytes authority_key_id; /* empty when absent, or without a key identifier */
    struct bytes name_constraints; /* NameConstraints, as DER; empty when absent */
    struct bytes alternative_names; /* GeneralNames, as DER; empty when absent */

    enum signature_algorithm algorithm; /* SIGNATURE_NONE: one that we do not accept */
    uint16_t num_uris;                  /* URI SANs */
    uint16_t key_usage;                 /* enum certificate_key_usage and other bits */
    int16_t path_len;                   /* -1: no limit */
    bool is_ca;
    bool has_key_usage, key_usage_critical;
    bool has_extended_usage, for_client, for_server; /* extKeyUsage and what it grants */
    bool names_critical;                             /* the SAN extension is critical */
    bool subject_empty;
    bool unknown_critical; /* a critical extension that we do not know */
};

/*
 * certificate_parse takes `der` apart; all of it must be one certificate. `der` must outlive *out.
 *
 * STATUS_LIMIT "certificate/too-long"; STATUS_PROTOCOL "certificate/der", "certificate/version",
 * "certificate/serial", "certificate/time", "certificate/issuer" (empty), "certificate/extension"
 * (malformed, twice, or too many).
 */
enum status certificate_parse(struct bytes der, struct certificate *out,
                              struct failure *why) MUST_USE;

/*
 * certificate_next cuts the first certificate (one DER element) off `*rest`. False, and `*rest` as
 * it was, when it does not begin with a whole one.
 */
bool certificate_next(struct bytes *rest, struct bytes *out_der);

/* certificate_serial_hex writes the serial number, at most CERTIFICATE_SERIAL_HEX with its NUL. */
void certificate_serial_hex(const struct certificate *certificate,
                            char out[CERTIFICATE_SERIAL_HEX]);

/*
 * certificate_issuer_hex writes the identifier of the issuer's key, cut at 32 bytes; "" without
 * one.
 */
void certificate_issuer_hex(const struct certificate *certificate,
                            char out[CERTIFICATE_KEY_ID_HEX]);

/* certificate_may_sign: the CA flag is set, and keyUsage, where present, has keyCertSign. */
bool certificate_may_sign(const struct certificate *certificate);

#endif
