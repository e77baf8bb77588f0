/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/bench_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/digest.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/base/secret.h"
#include "core/trust/identity/key.h"

enum { BENCH_IDENTITY_BACKDATE_S = 300, BENCH_IDENTITY_LIFE_S = 86400 };

/* One extension of a certificate, in the library's own words. */
struct bench_extension {
    int nid;
    const char *value;
};

struct bench_issuer {
    X509 *certificate; /* owned; NULL: the certificate signs itself */
    struct key *key;
};

static bool bench_identity_extend(X509 *certificate, X509 *issuer,
                                  const struct bench_extension *extensions, size_t count)
{
    X509V3_CTX scope;

    X509V3_set_ctx(&scope, issuer != NULL ? issuer : certificate, certificate, NULL, NULL, 0);
    for (size_t i = 0; i < count; i++) {
        X509_EXTENSION *made =
            X509V3_EXT_nconf_nid(NULL, &scope, extensions[i].nid, extensions[i].value);
        bool good = made != NULL && X509_add_ext(certificate, made, -1) == 1;

        X509_EXTENSION_free(made);
        if (!good) {
            return false;
        }
    }
    return true;
}

static bool bench_identity_fill(X509 *certificate, const char *name, const struct key *key,
                                const struct bench_issuer *issuer)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    uint64_t serial = 0;

    return RAND_bytes((uint8_t *)&serial, sizeof serial) == 1 &&
           X509_set_version(certificate, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), (serial >> 1) | 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -BENCH_IDENTITY_BACKDATE_S) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), BENCH_IDENTITY_LIFE_S) != NULL &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(certificate, issuer->certificate != NULL
                                                 ? X509_get_subject_name(issuer->certificate)
                                                 : subject) == 1 &&
           X509_set_pubkey(certificate, key_evp(key)) == 1;
}

/* Makes a certificate for `key`, signed by the issuer, or by itself. The caller frees it. */
static enum status bench_identity_certify(const char *name, const struct key *key,
                                          const struct bench_issuer *issuer, const char *names,
                                          X509 **out_certificate, struct failure *why)
{
    const struct bench_extension authority[] = {
        {NID_basic_constraints, "critical,CA:TRUE"},
        {NID_key_usage, "critical,keyCertSign,cRLSign"},
        {NID_subject_key_identifier, "hash"},
    };
    const struct bench_extension leaf[] = {
        {NID_basic_constraints, "critical,CA:FALSE"}, {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth,clientAuth"}, {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid"},      {NID_subject_alt_name, names},
    };
    X509 *made = X509_new();
    bool good = made != NULL && bench_identity_fill(made, name, key, issuer);

    if (names == NULL) {
        good = good &&
               bench_identity_extend(made, NULL, authority, sizeof authority / sizeof authority[0]);
    } else {
        good = good &&
               bench_identity_extend(made, issuer->certificate, leaf, sizeof leaf / sizeof leaf[0]);
    }
    if (!good || X509_sign(made, key_evp(issuer->certificate != NULL ? issuer->key : key),
                           EVP_sha256()) == 0) {
        X509_free(made);
        return fail(why, STATUS_IO, "bench/certificate", "no certificate for %s could be made",
                    name);
    }
    *out_certificate = made;
    return STATUS_OK;
}

/* Writes a certificate, a key, or one after the other. Either may be NULL. */
static enum status bench_identity_save(const char *folder, const char *file, X509 *certificate,
                                       struct bytes key_pem, struct failure *why)
{
    char *path = memory_format("%s/%s", folder, file);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool good = out != NULL;

    free(path);
    good = good && (certificate == NULL || PEM_write_X509(out, certificate) == 1);
    good = good && (key_pem.len == 0 || fwrite(key_pem.at, 1, key_pem.len, out) == key_pem.len);
    if (out != NULL) {
        good = fclose(out) == 0 && good;
    } else if (fd >= 0) {
        (void)close(fd);
    }
    return good ? STATUS_OK
                : fail_os(why, errno, "bench/write", "%s/%s cannot be written", folder, file);
}

static enum status bench_identity_save_all(const char *folder, const char *name, X509 *certificate,
                                           struct bytes key_pem, struct failure *why)
{
    const struct bytes none = {0};
    char file[32];

    (void)snprintf(file, sizeof file, "%s.pem", name);
    TRY(bench_identity_save(folder, file, certificate, none, why));
    (void)snprintf(file, sizeof file, "%s.key", name);
    TRY(bench_identity_save(folder, file, NULL, key_pem, why));
    (void)snprintf(file, sizeof file, "%s-both.pem", name);
    return bench_identity_save(folder, file, certificate, key_pem, why);
}

static enum status bench_identity_write_leaf(const char *folder, const char *name,
                                             const char *names, const struct bench_issuer *issuer,
                                             struct failure *why)
{
    OWNED(key) *key = NULL;
    CLEARED(secret) pem = {0};
    X509 *certificate = NULL;
    enum status status;

    TRY(key_make(&key, why));
    TRY(key_to_pem(key, &pem, why));
    TRY(bench_identity_certify(name, key, issuer, names, &certificate, why));
    status = bench_identity_save_all(folder, name, certificate, secret_bytes(&pem), why);
    X509_free(certificate);
    return status;
}

enum status bench_identity_write(const char *folder, struct failure *why)
{
    OWNED(key) *key = NULL;
    struct bench_issuer issuer = {.certificate = NULL};
    enum status status;

    TRY(key_make(&key, why));
    issuer.key = key;
    TRY(bench_identity_certify("signet bench", key, &issuer, NULL, &issuer.certificate, why));
    status = bench_identity_save(folder, "ca.pem", issuer.certificate, bytes_of(""), why);
    if (status == STATUS_OK) {
        status = bench_identity_write_leaf(
            folder, "client", "URI:" BENCH_CLIENT_ID ",DNS:" BENCH_CLIENT_DNS, &issuer, why);
    }
    if (status == STATUS_OK) {
        status = bench_identity_write_leaf(
            folder, "server", "URI:" BENCH_SERVER_ID ",DNS:" BENCH_SERVER_DNS, &issuer, why);
    }
    X509_free(issuer.certificate);
    return status;
}
