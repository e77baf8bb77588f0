/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/tls/reason.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

static const struct reason_row {
    int library; /* SSL_R_… */
    enum status status;
    const char *reason;
    const char *detail;
} reason_rows[] = {
    {SSL_R_WRONG_VERSION_NUMBER, STATUS_PROTOCOL, "tls/not-tls", "the peer does not speak TLS"},
    {SSL_R_HTTP_REQUEST, STATUS_PROTOCOL, "tls/not-tls",
     "the peer speaks plain HTTP to a port that takes only mutual TLS"},
    {SSL_R_HTTPS_PROXY_REQUEST, STATUS_PROTOCOL, "tls/not-tls",
     "the peer speaks plain HTTP (CONNECT) to a port that takes only mutual TLS"},
    {SSL_R_UNSUPPORTED_PROTOCOL, STATUS_PROTOCOL, "tls/version", "the peer offers no TLS 1.3"},
    {SSL_R_NO_SHARED_GROUP, STATUS_PROTOCOL, "tls/group", "no key exchange group in common"},
    {SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS, STATUS_PROTOCOL, "tls/signature",
     "no signature algorithm in common"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, STATUS_PROTOCOL, "tls/no-certificate",
     "the peer showed no certificate"},
    {SSL_R_TLSV1_ALERT_ACCESS_DENIED, STATUS_DENIED, "peer/access-denied",
     "the peer's policy refuses us (alert 49)"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, STATUS_PROTOCOL, "peer/unknown-ca",
     "the peer does not trust our authority (alert 48)"},
    {SSL_R_TLSV1_ALERT_CERTIFICATE_REQUIRED, STATUS_PROTOCOL, "peer/certificate-required",
     "the peer wants a certificate (alert 116)"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, STATUS_PROTOCOL, "peer/certificate-expired",
     "the peer finds our certificate out of date (alert 45): is a clock wrong?"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, STATUS_PROTOCOL, "peer/bad-certificate",
     "the peer refuses our certificate (alert 42)"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, STATUS_PROTOCOL, "peer/bad-certificate",
     "the peer refuses our certificate (alert 43)"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, STATUS_PROTOCOL, "peer/bad-certificate",
     "the peer refuses our certificate (alert 46)"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, STATUS_PROTOCOL, "tls/version",
     "the peer takes no TLS 1.3 (alert 70)"},
};

enum status reason_of_library(uint32_t packed, struct failure *why)
{
    int library = ERR_GET_REASON(packed);
    const char *text = ERR_reason_error_string(packed);

    for (size_t i = 0; i < sizeof reason_rows / sizeof reason_rows[0]; i++) {
        if (ERR_GET_LIB(packed) == ERR_LIB_SSL && reason_rows[i].library == library) {
            return fail(why, reason_rows[i].status, reason_rows[i].reason, "%s",
                        reason_rows[i].detail);
        }
    }
    if (ERR_GET_LIB(packed) == ERR_LIB_SSL && library > SSL_AD_REASON_OFFSET) {
        return fail(why, STATUS_PROTOCOL, "peer/alert", "the peer sent alert %d (%s)",
                    library - SSL_AD_REASON_OFFSET,
                    SSL_alert_desc_string_long(library - SSL_AD_REASON_OFFSET));
    }
    return fail(why, STATUS_PROTOCOL, "tls/protocol", "%s",
                text == NULL ? "the bytes are not TLS 1.3" : text);
}

static const struct reason_verify_row {
    const char *reason;
    enum status status;
    uint8_t alert;
} reason_verify_rows[] = {
    {"verify/expired", STATUS_UNTRUSTED, SSL_AD_CERTIFICATE_EXPIRED},
    {"verify/not-yet-valid", STATUS_UNTRUSTED, SSL_AD_CERTIFICATE_EXPIRED},
    {"verify/no-bundle", STATUS_UNTRUSTED, SSL_AD_UNKNOWN_CA},
    {"verify/untrusted-root", STATUS_UNTRUSTED, SSL_AD_UNKNOWN_CA},
    {"verify/signature", STATUS_UNTRUSTED, SSL_AD_UNKNOWN_CA},
    {"verify/not-a-ca", STATUS_UNTRUSTED, SSL_AD_UNKNOWN_CA},
    {"verify/authority-id", STATUS_UNTRUSTED, SSL_AD_BAD_CERTIFICATE},
    {"verify/path-length", STATUS_UNTRUSTED, SSL_AD_BAD_CERTIFICATE},
    {"verify/name-constraint", STATUS_UNTRUSTED, SSL_AD_BAD_CERTIFICATE},
    {"verify/chain-too-long", STATUS_LIMIT, SSL_AD_BAD_CERTIFICATE},
    {"verify/too-complex", STATUS_LIMIT, SSL_AD_BAD_CERTIFICATE},
    {"verify/eku", STATUS_PROTOCOL, SSL_AD_UNSUPPORTED_CERTIFICATE},
    {"tls/not-mutual", STATUS_PROTOCOL, SSL_AD_HANDSHAKE_FAILURE},
    {"tls/peer-identity", STATUS_UNTRUSTED, SSL_AD_CERTIFICATE_UNKNOWN},
};

static const struct reason_verify_row *reason_verify_row_of(const char *reason)
{
    for (size_t i = 0; i < sizeof reason_verify_rows / sizeof reason_verify_rows[0]; i++) {
        if (strcmp(reason_verify_rows[i].reason, reason) == 0) {
            return &reason_verify_rows[i];
        }
    }
    return NULL;
}

uint8_t reason_alert_of_verify(const char *reason)
{
    const struct reason_verify_row *row = reason_verify_row_of(reason);

    return row == NULL ? SSL_AD_BAD_CERTIFICATE : row->alert;
}

enum status reason_status_of_verify(const char *reason)
{
    const struct reason_verify_row *row = reason_verify_row_of(reason);

    return row == NULL ? STATUS_PROTOCOL : row->status;
}
