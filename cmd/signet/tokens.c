/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `signet token create`: a join token, from the control plane straight into a file. It is never printed
 * and never an argument (I21): a terminal scrolls back, and every user sees the arguments of a process.
 */
#include "cmd/signet/tokens.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "cmd/signet/commands.h"
#include "cmd/signet/manual.h"
#include "cmd/signet/token_file.h"
#include "cmd/signet/words.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/base/ip.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/json/json.h"
#include "core/runtime/json/writer.h"

#define TOKENS_TEXT_MAX 16384
#define TOKENS_USES_MAX 10000

enum status tokens_reply_parse(struct bytes body, struct secret *out_token, int64_t *out_expires_at,
                               struct failure *why)
{
    OWNED(json_value) *top = NULL;
    struct bytes token = {0};
    int64_t expires_at = 0;

    struct failure inner = {0};
    enum status status = json_read(body, DOORS_REPLY_MAX, &top, &inner);

    /* A syntax error quotes what it stumbled over, which may be the token. */
    if (status != STATUS_OK) {
        return fail(why, status, inner.reason,
                    "the control plane's reply is not the JSON it should be");
    }
    TRY(json_get_text(top, "token", TOKENS_TEXT_MAX, &token, why));
    TRY(json_get_number(top, "expires_at", 0, INT64_MAX, &expires_at, why));
    for (size_t i = 0; i < token.len; i++) {
        if (token.at[i] <= 0x20 || token.at[i] >= 0x7f) {
            return fail(why, STATUS_PROTOCOL, "token/form",
                        "the token holds more than plain characters");
        }
    }
    if (token.len == 0) {
        return fail(why, STATUS_PROTOCOL, "token/form", "the token is empty");
    }
    secret_set(out_token, token);
    *out_expires_at = expires_at;
    return STATUS_OK;
}

/* A span from now on, or a date; a span goes as such, so that no clock but one counts. */
static enum status tokens_put_until(struct json_writer *json, const char *until,
                                    struct failure *why)
{
    uint64_t life_s = 0;
    int64_t at_s = 0;

    if (words_read_span_s(until, &life_s, NULL) == STATUS_OK) {
        json_put_uint(json, "life_s", life_s);
        return STATUS_OK;
    }
    if (words_read_date(until, &at_s, NULL) == STATUS_OK) {
        json_put_int(json, "until", at_s);
        return STATUS_OK;
    }
    return fail(why, STATUS_CONFIG, "token/until",
                "--until must be a span from now on (30d, 12h) or a date with its time "
                "(2027-06-30T00:00:00Z), not \"%s\"",
                until);
}

static enum status tokens_put_end(struct json_writer *json, const struct tokens_new *wanted,
                                  struct failure *why)
{
    uint64_t life_s = 600;

    if (wanted->ttl != NULL && wanted->until != NULL) {
        return fail(why, STATUS_CONFIG, "token/life", "--ttl or --until, not both");
    }
    if (wanted->until != NULL) {
        return tokens_put_until(json, wanted->until, why);
    }
    if (wanted->ttl != NULL) {
        TRY(words_read_span_s(wanted->ttl, &life_s, why));
    }
    json_put_uint(json, "life_s", life_s);
    return STATUS_OK;
}

/* CIDRs with commas between them. */
static enum status tokens_put_from(struct json_writer *json, const char *from, struct failure *why)
{
    const char *at = from;

    json_open_array(json, "from");
    while (at != NULL) {
        const char *comma = strchr(at, ',');
        struct bytes one = bytes_make(at, comma == NULL ? strlen(at) : (size_t)(comma - at));
        struct ip_block block;
        char text[IP_BLOCK_TEXT_MAX];

        if (!ip_block_parse(one, &block)) {
            return fail(why, STATUS_CONFIG, "token/from",
                        "--from must be CIDRs (10.0.0.0/8,fd00::/16) or addresses, not \"%.*s\"",
                        (int)one.len, (const char *)one.at);
        }
        ip_block_print(&block, text);
        json_put_text(json, NULL, text);
        at = comma == NULL ? NULL : comma + 1;
    }
    json_close_array(json);
    return STATUS_OK;
}

enum status tokens_question(const struct tokens_new *wanted, struct buffer *out,
                            struct failure *why)
{
    struct json_writer json = json_writer_to(out);
    uint64_t uses = 1;

    if (wanted->uses != NULL &&
        (!bytes_to_number(bytes_of(wanted->uses), TOKENS_USES_MAX, &uses) || uses == 0)) {
        return fail(why, STATUS_CONFIG, "token/uses",
                    "--uses must be a whole number from 1 to %d, not \"%s\"", TOKENS_USES_MAX,
                    wanted->uses);
    }
    json_open_object(&json, NULL);
    json_put_text(&json, "entry", wanted->entry);
    TRY(tokens_put_end(&json, wanted, why));
    if (wanted->uses != NULL) {
        json_put_uint(&json, "uses", uses);
    }
    if (wanted->from != NULL) {
        TRY(tokens_put_from(&json, wanted->from, why));
    }
    json_close_object(&json);
    return json_writer_end(&json, why);
}

static enum status tokens_open_file(const struct tokens_new *wanted, struct token_file **out_file,
                                    struct failure *why)
{
    uint64_t owner = (uid_t)-1;

    if (wanted->owner != NULL &&
        !bytes_to_number(bytes_of(wanted->owner), UINT32_MAX - 1u, &owner)) {
        return fail(why, STATUS_CONFIG, "token/owner",
                    "--owner must be a user's number, not \"%s\"", wanted->owner);
    }
    return token_file_open(wanted->out, (uid_t)owner, out_file, why);
}

/* tokens_fetch asks for the token and puts it into the opened file. */
static int tokens_fetch(const struct tokens_new *wanted, struct bytes body_to_send,
                        struct token_file *file)
{
    const struct door_question question = {"POST", "/tokens", body_to_send};
    bool once = wanted->uses == NULL || strcmp(wanted->uses, "1") == 0;
    CLEARED(doors) doors = {0};
    CLEARED(buffer) body = {0};
    CLEARED(secret) token = {0};
    struct failure why = {0};
    int64_t expires_at = 0;
    unsigned code = 0;
    enum status status;

    doors_control(&wanted->choice, &doors);
    if (door_ask(&doors.items[0], &question, &code, &body, &why) != STATUS_OK) {
        (void)fprintf(stderr, "signet: %s\n", why.detail);
        return VERDICT_UNREACHABLE;
    }
    if (code >= 200 && code <= 299) {
        status = tokens_reply_parse(buffer_bytes(&body), &token, &expires_at, &why);
        memory_wipe(body.at, body.len);
        if (status == STATUS_OK) {
            status = token_file_commit(file, secret_bytes(&token), &why);
        }
    } else {
        status = door_refusal(&doors.items[0], code, buffer_bytes(&body), &why);
    }
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "signet: no token for entry \"%s\": %s\n", wanted->entry, why.detail);
        return VERDICT_NO;
    }
    (void)printf("%s holds a token for entry %s: good %s%s, its time ends %s\n", wanted->out,
                 wanted->entry, once ? "once" : wanted->uses, once ? "" : " times",
                 words_moment(expires_at, clock_unix_s()).text);
    return VERDICT_OK;
}

static int tokens_create(int count, char **arguments)
{
    struct tokens_new wanted = {0};
    const struct manual_flag flags[] = {
        {"entry", "NAME", "the entry that it is for; needed", &wanted.entry, NULL},
        {"out", "FILE", "where it is put: a regular file, mode 0600; needed", &wanted.out, NULL},
        {"uses", "N", "how many starts it is good for; else 1", &wanted.uses, NULL},
        {"ttl", "SPAN", "how long it may be used: 30s, 10m (unless given), 30d", &wanted.ttl, NULL},
        {"until", "TIME", "until when: 2027-06-30T00:00:00Z, or as --ttl; at most a year",
         &wanted.until, NULL},
        {"from", "CIDRS", "where it may be used from: 10.0.0.0/8,fd00::/16; else anywhere",
         &wanted.from, NULL},
        {"owner", "UID", "whom the file shall belong to; else to you", &wanted.owner, NULL},
        {"admin", "ADDRESS", DOORS_HELP_ADMIN, &wanted.choice.address, NULL},
        {"run-folder", "FOLDER", DOORS_HELP_FOLDER, &wanted.choice.folder, NULL},
    };
    const struct manual manual = {
        .synopsis = "signet token create --entry NAME --out FILE [--uses N] [--until TIME]",
        .purpose =
            "Makes a join token and puts it into FILE, which only its owner can read. The file\n"
            "appears whole or not at all, and replaces an older one. A token is never printed:\n"
            "there is no way to have it on the standard output.\n"
            "\n"
            "Each start of a workload's sidecar spends a use: a token is good for one unless\n"
            "--uses says more. A sidecar that runs on renews its certificate without the token,\n"
            "and one whose first certificate was lost on the way asks again without spending a\n"
            "use. For a workload that may be started again with nobody there (systemd's\n"
            "Restart=always, a pod), give it a token for as many starts as it may have until\n"
            "somebody looks, and --from to make a stolen one worth less: `signet token list`\n"
            "and `signet status` say how many are left, `signet token revoke` withdraws it.",
        .flags = flags,
        .num_flags = sizeof flags / sizeof flags[0],
        .examples = "  signet token create --entry web --out /run/signet/web/token\n"
                    "  signet token create --entry web --out token --ttl 30s --owner 1337\n"
                    "  signet token create --entry web --out web.token --owner 1337 \\\n"
                    "      --uses 100 --until 90d --from 10.0.3.0/24",
    };
    struct manual_words words;
    OWNED(token_file) *file = NULL;
    CLEARED(buffer) question = {.max = 4096};
    struct failure why = {0};
    int verdict;

    if (!manual_open(&manual, count, arguments, &words, &verdict)) {
        return verdict;
    }
    if (wanted.entry == NULL || wanted.out == NULL) {
        (void)fprintf(stderr, "signet: --%s is missing\nUsage: %s\n",
                      wanted.entry == NULL ? "entry NAME" : "out FILE", manual.synopsis);
        return VERDICT_USAGE;
    }
    /* Whatever happens to us, the token must not end in a core file. */
    (void)prctl(PR_SET_DUMPABLE, 0);
    if (tokens_question(&wanted, &question, &why) != STATUS_OK ||
        tokens_open_file(&wanted, &file, &why) != STATUS_OK) {
        (void)fprintf(stderr, "signet: %s\n", why.detail);
        return VERDICT_USAGE;
    }
    return tokens_fetch(&wanted, buffer_bytes(&question), file);
}

int tokens_command(int count, char **arguments)
{
    static const struct manual_verb verbs[] = {
        {"create", "make a join token and put it into a file", tokens_create},
        {"list", "list tokens: whose, how many uses are left, until when", tokens_list},
        {"revoke", "withdraw a token by its id", tokens_revoke},
    };

    return manual_run_verb("signet token", verbs, sizeof verbs / sizeof verbs[0], count, arguments);
}
