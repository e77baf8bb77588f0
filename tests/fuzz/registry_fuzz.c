/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry's parsers: an entries file, and the records of entries, tokens and their uses. The first byte says
 * which; what was read from a record must be written again and read back the same.
 */
#include <stdlib.h>
#include <string.h>

#include "core/control/registry/entry_file.h"
#include "core/control/registry/token_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void registry_fuzz_must(bool held)
{
    if (!held) {
        abort();
    }
}

static void registry_fuzz_entry(struct bytes record)
{
    CLEARED(buffer) again = {0};
    struct entry entry;
    struct entry same;
    struct failure why = {0};

    if (entry_decode(record, &entry, &why) != STATUS_OK) {
        registry_fuzz_must(why.reason != NULL);
        return;
    }
    entry_encode(&entry, &again);
    registry_fuzz_must(entry_decode(buffer_bytes(&again), &same, &why) == STATUS_OK);
    registry_fuzz_must(strcmp(entry.name, same.name) == 0);
    registry_fuzz_must(spiffe_id_equal(&entry.spiffe_id, &same.spiffe_id));
}

static void registry_fuzz_token(struct bytes record)
{
    CLEARED(buffer) again = {0};
    struct token token;
    struct token same;
    struct failure why = {0};

    if (token_decode(record, &token, &why) != STATUS_OK) {
        registry_fuzz_must(why.reason != NULL);
        return;
    }
    token_encode(&token, &again);
    registry_fuzz_must(token_decode(buffer_bytes(&again), &same, &why) == STATUS_OK);
    registry_fuzz_must(digest_equal(&token.hash, &same.hash) && token.used_at == same.used_at);
    registry_fuzz_must(token.uses == same.uses && token.num_used == same.num_used &&
                       token.num_used <= token.uses && token.num_from == same.num_from);
}

static void registry_fuzz_use(struct bytes record)
{
    CLEARED(buffer) again = {0};
    struct token_use_record use;
    struct token_use_record same;
    struct failure why = {0};

    if (token_use_decode(record, &use, &why) != STATUS_OK) {
        registry_fuzz_must(why.reason != NULL);
        return;
    }
    token_use_encode(&use, &again);
    registry_fuzz_must(token_use_decode(buffer_bytes(&again), &same, &why) == STATUS_OK);
    registry_fuzz_must(use.number == same.number && use.ended == same.ended &&
                       digest_equal(&use.process, &same.process));
}

static void registry_fuzz_file(struct bytes text)
{
    CLEARED(entry_file) file = {0};
    struct registry registry;
    struct failure why = {0};

    registry_fuzz_must(registry_init(&registry, NULL, "cluster.local", &why) == STATUS_OK);
    if (entry_file_parse(&registry, "fuzz.yaml", text, &file, &why) != STATUS_OK) {
        registry_fuzz_must(why.reason != NULL && file.entries == NULL);
    }
    for (size_t i = 0; i < file.count; i++) {
        registry_fuzz_must(!bytes_starts(spiffe_id_path(&file.entries[i].spiffe_id),
                                         bytes_of("/ns/signet-system/")));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct bytes rest = bytes_make(at, len);

    if (len == 0) {
        return 0;
    }
    rest = bytes_skip(rest, 1);
    switch (at[0]) {
    case 'e':
        registry_fuzz_entry(rest);
        break;
    case 't':
        registry_fuzz_token(rest);
        break;
    case 'u':
        registry_fuzz_use(rest);
        break;
    default:
        registry_fuzz_file(bytes_make(at, len));
        break;
    }
    return 0;
}
