/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool reads from an admin socket: every reply parser, and what is printed of it. */
#include <stdlib.h>

#include "cmd/signet/certs.h"
#include "cmd/signet/connections.h"
#include "cmd/signet/control_plane.h"
#include "cmd/signet/entries.h"
#include "cmd/signet/proxies.h"
#include "cmd/signet/tokens.h"
#include "cmd/signet/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

#define REPLIES_NOW INT64_C(1700000000)

static void replies_try_status(struct bytes body, FILE *out)
{
    struct reply_status status = {0};
    CLEARED(buffer) notes = {.max = 65536};
    CLEARED(table) table = {0};

    table_init(&table, proxies_titles, PROXIES_COLUMNS);
    if (reply_status_parse(body, &status, NULL) == STATUS_OK) {
        proxies_add_row(&table, &status, REPLIES_NOW);
        proxies_add_notes(&notes, &status);
        table_print(&table, out, true);
    }
    reply_status_clear(&status);
}

static void replies_try_certs(struct bytes body, FILE *out)
{
    struct reply_certs certs = {0};
    bool good;

    if (reply_certs_parse(body, &certs, NULL) == STATUS_OK) {
        (void)!certs_print("fuzz", &certs, REPLIES_NOW, out, &good, NULL);
    }
    reply_certs_clear(&certs);
}

/* What a person types: a date. What was read says the same date again. */
static void replies_try_words(struct bytes body)
{
    char *text = bytes_text(body);
    int64_t at_s = 0;
    int64_t again_s = 0;

    if (words_read_date(text, &at_s, NULL) == STATUS_OK && at_s > 0 && at_s < 253402300800) {
        struct words said = words_date(at_s);

        said.text[19] = 'Z'; /* instead of " UTC" */
        said.text[20] = '\0';
        if (words_read_date(said.text, &again_s, NULL) != STATUS_OK || again_s != at_s) {
            abort();
        }
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct bytes body = bytes_make(at, len);
    const struct connections_filter filter = {0};
    CLEARED(table) connections = {0};
    CLEARED(table) entries = {0};
    CLEARED(table) tokens = {0};
    CLEARED(secret) token = {0};
    int64_t expires_at;
    char *printed = NULL;
    size_t printed_len;
    FILE *out = open_memstream(&printed, &printed_len);

    replies_try_status(body, out);
    replies_try_certs(body, out);
    table_init(&connections, connections_titles, CONNECTIONS_COLUMNS);
    table_init(&entries, entries_titles, ENTRIES_COLUMNS);
    table_init(&tokens, tokens_titles, TOKENS_COLUMNS);
    (void)!connections_add(&connections, "fuzz", body, &filter, NULL);
    (void)!entries_add(&entries, body, REPLIES_NOW, NULL);
    (void)!tokens_add(&tokens, body, REPLIES_NOW, NULL);
    replies_try_words(body);
    table_print(&connections, out, false);
    table_print(&entries, out, false);
    table_print(&tokens, out, false);
    (void)!control_plane_print(body, REPLIES_NOW, out, NULL);
    (void)!tokens_reply_parse(body, &token, &expires_at, NULL);
    (void)fclose(out);
    free(printed);
    return 0;
}
