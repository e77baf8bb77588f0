/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `signet token create`: a join token, from the control plane straight into a file. It is never printed
 * and never an argument (I21): a terminal scrolls back, and every user sees the arguments of a process.
 */
#include "cmd/signet/tokens.h"

#include <stdio.h>
#include <sys/prctl.h>

#include "cmd/signet/commands.h"
#include "cmd/signet/doors.h"
#include "cmd/signet/manual.h"
#include "cmd/signet/token_file.h"
#include "cmd/signet/words.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/json/json.h"
#include "core/runtime/json/writer.h"

#define TOKENS_TEXT_MAX 16384

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

/* What the command line gave; NULL where it did not. */
struct tokens_new {
    const char *entry;
    const char *out;
    const char *ttl;
    const char *owner;
    struct doors_choice choice;
};

static enum status tokens_question(const struct tokens_new *wanted, struct buffer *out,
                                   struct failure *why)
{
    struct json_writer json = json_writer_to(out);
    uint64_t life_s = 600;

    if (wanted->ttl != NULL) {
        TRY(words_read_span_s(wanted->ttl, &life_s, why));
    }
    json_open_object(&json, NULL);
    json_put_text(&json, "entry", wanted->entry);
    json_put_uint(&json, "life_s", life_s);
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
    (void)printf("%s holds a token for entry %s: good once, its time ends %s\n", wanted->out,
                 wanted->entry, words_moment(expires_at, clock_unix_s()).text);
    return VERDICT_OK;
}

static int tokens_create(int count, char **arguments)
{
    struct tokens_new wanted = {0};
    const struct manual_flag flags[] = {
        {"entry", "NAME", "the entry that it is for; needed", &wanted.entry, NULL},
        {"out", "FILE", "where it is put: a regular file, mode 0600; needed", &wanted.out, NULL},
        {"ttl", "SPAN", "how long it may be used: 30s, 10m (unless given), 1h", &wanted.ttl, NULL},
        {"owner", "UID", "whom the file shall belong to; else to you", &wanted.owner, NULL},
        {"admin", "ADDRESS", DOORS_HELP_ADMIN, &wanted.choice.address, NULL},
        {"run-folder", "FOLDER", DOORS_HELP_FOLDER, &wanted.choice.folder, NULL},
    };
    const struct manual manual = {
        .synopsis = "signet token create --entry NAME --out FILE [--ttl 10m]",
        .purpose =
            "Makes a join token, good once, and puts it into FILE, which only its owner can\n"
            "read. The file appears whole or not at all, and replaces an older one. A token\n"
            "is never printed: there is no way to have it on the standard output.",
        .flags = flags,
        .num_flags = sizeof flags / sizeof flags[0],
        .examples = "  signet token create --entry web --out /run/signet/web/token\n"
                    "  signet token create --entry web --out token --ttl 30s --owner 1337",
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
    };

    return manual_run_verb("signet token", verbs, sizeof verbs / sizeof verbs[0], count, arguments);
}
