/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/capture/sniff.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

SUITE(sniff);

/* The first bytes that the library sends as a client; free() them. `alpn` is a ProtocolNameList. */
static struct bytes sniff_hello(const char *host, struct bytes alpn, uint16_t least, uint16_t most)
{
    SSL_CTX *library = SSL_CTX_new(TLS_with_buffers_method());
    BIO *out = BIO_new(BIO_s_mem());
    SSL *ssl;
    const uint8_t *at;
    uint8_t *copy;
    size_t len;

    cr_assert(SSL_CTX_set_min_proto_version(library, least) == 1 &&
              SSL_CTX_set_max_proto_version(library, most) == 1);
    SSL_CTX_set_grease_enabled(library, 1);
    ssl = SSL_new(library);
    if (host != NULL) {
        cr_assert_eq(SSL_set_tlsext_host_name(ssl, host), 1);
    }
    if (alpn.len > 0) {
        cr_assert_eq(SSL_set_alpn_protos(ssl, alpn.at, alpn.len), 0);
    }
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    cr_assert_leq(SSL_connect(ssl), 0);
    cr_assert_eq(BIO_mem_contents(out, &at, &len), 1);
    copy = malloc(len);
    memcpy(copy, at, len);
    SSL_free(ssl);
    SSL_CTX_free(library);
    return bytes_make(copy, len);
}

/* A copy on the heap of exactly its length, so that a read beyond it is seen by ASan. */
static enum sniff_kind sniff_exactly(struct bytes first, struct sniff *out)
{
    uint8_t *copy = malloc(first.len == 0 ? 1 : first.len);

    if (first.len > 0) {
        memcpy(copy, first.at, first.len);
    }
    sniff_bytes(bytes_make(copy, first.len), out);
    free(copy);
    return out->kind;
}

Test(sniff, a_whole_hello_gives_host_and_protocols)
{
    static const struct {
        const char *host;
        const char *alpn;
        uint16_t least, most;
    } rows[] = {
        {NULL, "", TLS1_3_VERSION, TLS1_3_VERSION},
        {"pay.shop.example.org", "\6signet\5istio", TLS1_3_VERSION, TLS1_3_VERSION},
        {"a.example", "\2h2\10http/1.1", TLS1_2_VERSION, TLS1_3_VERSION},
        {NULL, "\2h2", TLS1_2_VERSION, TLS1_2_VERSION},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes alpn = bytes_of(rows[i].alpn);
        struct bytes hello = sniff_hello(rows[i].host, alpn, rows[i].least, rows[i].most);
        struct sniff sniff;

        cr_assert_eq(sniff_exactly(hello, &sniff), SNIFF_TLS, "row %zu", i);
        cr_assert_str_eq(sniff.sni, rows[i].host == NULL ? "" : rows[i].host);
        cr_assert(bytes_equal(bytes_make(sniff.protocols, sniff.protocols_len), alpn));
        free((void *)hello.at);
    }
}

Test(sniff, every_beginning_of_a_hello_asks_for_more)
{
    struct bytes hello = sniff_hello("a.example", bytes_of("\6signet"), TLS1_3_VERSION,
                                     TLS1_3_VERSION);
    struct sniff sniff;

    for (size_t len = 0; len < hello.len; len++) {
        cr_assert_eq(sniff_exactly(bytes_make(hello.at, len), &sniff), SNIFF_MORE, "%zu", len);
    }
    free((void *)hello.at);
}

/* The hello's message in records of `piece` bytes each, and `after` behind it. */
static size_t sniff_split(struct bytes hello, size_t piece, const char *after, uint8_t *out)
{
    struct bytes message = bytes_skip(hello, 5);
    size_t used = 0;

    while (message.len > 0) {
        size_t len = message.len < piece ? message.len : piece;

        memcpy(out + used, (const uint8_t[]){22, 3, 3, (uint8_t)(len >> 8), (uint8_t)len}, 5);
        memcpy(out + used + 5, message.at, len);
        used += 5 + len;
        message = bytes_skip(message, len);
    }
    memcpy(out + used, after, strlen(after));
    return used + strlen(after);
}

Test(sniff, a_hello_may_be_split_over_records_and_more_may_follow_it)
{
    static const size_t pieces[] = {1, 3, 4, 7, 100, 511, 512, 10000};
    struct bytes hello = sniff_hello("a.example", bytes_of("\6signet"), TLS1_3_VERSION,
                                     TLS1_3_VERSION);
    static uint8_t split[64 * 1024];
    struct sniff sniff;

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        size_t len = sniff_split(hello, pieces[i], "", split);

        cr_assert_eq(sniff_exactly(bytes_make(split, len), &sniff), SNIFF_TLS, "%zu", pieces[i]);
        cr_assert_str_eq(sniff.sni, "a.example");
        cr_assert_eq(sniff_exactly(bytes_make(split, len - 1), &sniff), SNIFF_MORE);
        len = sniff_split(hello, pieces[i], "\x17\x03\x03 and more", split);
        cr_assert_neq(sniff_exactly(bytes_make(split, len), &sniff), SNIFF_MORE);
    }
    free((void *)hello.at);
}

Test(sniff, anything_else_is_other_at_its_first_wrong_byte)
{
    static const struct {
        const char *at;
        size_t len;
    } rows[] = {
        {"GET / HTTP/1.1\r\n", 16},
        {"P", 1},
        {"\x15", 1},              /* an alert */
        {"\x16\x02", 2},          /* SSL 2 */
        {"\x16\x03\x05", 3},      /* no such version */
        {"\x16\x03\x01\x00\x00", 5}, /* an empty record */
        {"\x16\x03\x01\xff\xff", 5}, /* longer than a record may be */
        {"\x16\x03\x01\x02\x00\x02", 6}, /* a ServerHello */
        {"\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9}, /* an empty hello */
        {"\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9}, /* a hello of 16 MB */
        {"\x80\x2e\x01", 3},
        {"\0\0\0", 3},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sniff sniff;

        cr_assert_eq(sniff_exactly(bytes_make(rows[i].at, rows[i].len), &sniff), SNIFF_OTHER,
                     "row %zu", i);
        cr_assert(sniff.sni[0] == '\0' && sniff.protocols_len == 0);
    }
}

Test(sniff, a_hello_with_a_wrong_length_inside_is_other_or_shows_less)
{
    struct bytes hello = sniff_hello("a.example", bytes_of("\6signet"), TLS1_3_VERSION,
                                     TLS1_3_VERSION);
    uint8_t *copy = malloc(hello.len);

    for (size_t at = 9; at < hello.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            struct sniff sniff;

            memcpy(copy, hello.at, hello.len);
            copy[at] = (uint8_t)(copy[at] ^ 1 << bit);
            cr_assert_neq(sniff_exactly(bytes_make(copy, hello.len), &sniff), SNIFF_MORE);
            cr_assert_lt(strlen(sniff.sni), sizeof sniff.sni);
            cr_assert_leq(sniff.protocols_len, sizeof sniff.protocols);
        }
    }
    free(copy);
    free((void *)hello.at);
}

Test(sniff, no_more_than_its_bound_is_waited_for)
{
    static uint8_t first[SNIFF_MAX];
    struct sniff sniff;

    /* A hello that says 16,000 bytes, in a record of 16,384. */
    memcpy(first, "\x16\x03\x01\x40\x00\x01\x00\x3e\x80", 9);
    cr_assert_eq(sniff_exactly(bytes_make(first, 9), &sniff), SNIFF_MORE);
    cr_assert_eq(sniff_exactly(bytes_make(first, 16000), &sniff), SNIFF_MORE);
    cr_assert_eq(sniff_exactly(bytes_make(first, SNIFF_MAX), &sniff), SNIFF_OTHER,
                 "it is broken inside");
    /* One byte a record: five times overhead, so the bound comes first. */
    for (size_t i = 0; i + 6 <= sizeof first; i += 6) {
        memcpy(first + i, "\x16\x03\x01\x00\x01\x01", 6);
        first[i + 5] = i == 0 ? 1 : i == 12 ? 0x20 : 0;
    }
    memcpy(first + SNIFF_MAX - 4, "\x16\x03\x01\x00", 4);
    cr_assert_eq(sniff_exactly(bytes_make(first, SNIFF_MAX - 1), &sniff), SNIFF_MORE);
    cr_assert_eq(sniff_exactly(bytes_make(first, SNIFF_MAX), &sniff), SNIFF_OTHER);
}
