/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without libFuzzer: first every file of the corpus folder as it is, then mutations
 * of them from a fixed seed, so that a run can be repeated exactly. Sanitizers do the judging.
 *
 * usage: NAME_fuzz CORPUS_FOLDER [MUTATIONS_PER_FILE]
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

enum { REPLAY_MAX = 1 << 20, REPLAY_GROWTH = 64, REPLAY_MUTATIONS = 2000 };

static uint64_t replay_seed = 0x5169e7;

static uint32_t replay_draw(uint32_t below)
{
    replay_seed = replay_seed * 6364136223846793005u + 1442695040888963407u;
    return below == 0 ? 0 : (uint32_t)(replay_seed >> 33) % below;
}

static size_t replay_mutate(uint8_t *at, size_t len)
{
    for (uint32_t changes = 1 + replay_draw(4); changes > 0; changes--) {
        uint32_t where = replay_draw((uint32_t)len);

        switch (replay_draw(5)) {
        case 0:
            if (len > 0) {
                at[where] = (uint8_t)(at[where] ^ 1u << replay_draw(8));
            }
            break;
        case 1:
            if (len > 0) {
                at[where] = (uint8_t)replay_draw(256);
            }
            break;
        case 2: /* cut the tail */
            len = where;
            break;
        case 3: /* repeat a byte */
            if (len > 0) {
                memmove(at + where + 1, at + where, len - where);
                len++;
            }
            break;
        default: /* drop a byte */
            if (len > 0) {
                memmove(at + where, at + where + 1, len - where - 1);
                len--;
            }
            break;
        }
    }
    return len;
}

static void replay_once(const uint8_t *at, size_t len)
{
    /* A copy of exactly this size: ASan then sees a read one byte past it. */
    uint8_t *exact = malloc(len == 0 ? 1 : len);

    if (exact == NULL) {
        abort();
    }
    memcpy(exact, at, len);
    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
}

static void replay_file(const char *path, unsigned long mutations)
{
    static uint8_t original[REPLAY_MAX];
    static uint8_t changed[REPLAY_MAX + REPLAY_GROWTH];
    FILE *file = fopen(path, "rb");
    size_t len;

    if (file == NULL) {
        perror(path);
        exit(2);
    }
    len = fread(original, 1, sizeof original, file);
    (void)fclose(file);
    replay_once(original, len);
    for (unsigned long i = 0; i < mutations; i++) {
        memcpy(changed, original, len);
        replay_once(changed, replay_mutate(changed, len));
    }
}

int main(int argc, char **argv)
{
    unsigned long mutations = argc > 2 ? strtoul(argv[2], NULL, 10) : REPLAY_MUTATIONS;
    struct dirent **entries;
    int count = argc < 2 ? -1 : scandir(argv[1], &entries, NULL, alphasort);
    int files = 0;

    if (count < 0) {
        (void)fprintf(stderr, "usage: %s CORPUS_FOLDER [MUTATIONS_PER_FILE]\n", argv[0]);
        return 2;
    }
    for (int i = 0; i < count; i++) {
        char path[4096];

        if (entries[i]->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
            replay_file(path, mutations);
            files++;
        }
        free(entries[i]);
    }
    free(entries);
    (void)printf("%d files, %lu mutations of each\n", files, mutations);
    return files > 0 ? 0 : 1; /* an empty corpus proves nothing */
}
