/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subcommand's command line: its flags as a table, read from argv, and the help made of them.
 *
 * Elsewhere: the settings of the long-running programs come from core/runtime/config; a tool that is
 * typed by hand has neither file nor environment.
 */
#ifndef SIGNET_CMD_SIGNET_MANUAL_H
#define SIGNET_CMD_SIGNET_MANUAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/runtime/base/status.h"

/* One flag: `--name` alone (a switch) or `--name VALUE`, `--name=VALUE`. */
struct manual_flag {
    const char *name;      /* without the dashes */
    const char *value;     /* what to call the value in the help: "ADDRESS"; NULL: a switch */
    const char *text;      /* one line of help */
    const char **out_text; /* set to the value, borrowed from argv; of a switch NULL */
    bool *out_on;          /* set to true when the switch is given; else NULL */
};

struct manual {
    const char *synopsis; /* "signet conn [flags]" */
    const char *purpose;  /* sentences; lines broken by hand */
    const struct manual_flag *flags;
    size_t num_flags;
    const char *examples; /* lines, each indented by two blanks; NULL: none */
    size_t operands_max;  /* how many words that are no flags may stand there */
};

/* What a command line gave beside its flags. */
struct manual_words {
    const char *operands[4]; /* borrowed from argv */
    size_t num_operands;
    bool help; /* --help or -h was given: print the help, do nothing else */
};

/*
 * manual_read reads arguments[1..count-1]. A flag given twice keeps the last value. "--" ends the flags.
 *
 * STATUS_CONFIG "flags/unknown" (the detail names the nearest known one), "flags/no-value",
 * "flags/needless-value", "flags/too-many-words". The targets of the flags may then be half set.
 */
enum status manual_read(const struct manual *manual, int count, char **arguments,
                        struct manual_words *out_words, struct failure *why) MUST_USE;

/* manual_print writes the help: synopsis, purpose, flags, examples, exit codes. */
void manual_print(const struct manual *manual, FILE *out);

/*
 * manual_open does both and decides whether to go on: true when the command shall run. Otherwise
 * *out_verdict is the exit code, the help or the refusal having been printed.
 */
bool manual_open(const struct manual *manual, int count, char **arguments,
                 struct manual_words *out_words, int *out_verdict);

/*
 * manual_nearest is the word of `words` that `given` was probably meant to be (at most two letters
 * off), or NULL. `words` is `count` strings at a distance of `stride` bytes.
 */
const char *manual_nearest(const char *given, const char *const *words, size_t count,
                           size_t stride);

/* A word that chooses what is done: `signet status`, `signet entry add`. */
struct manual_verb {
    const char *name;
    const char *text;                        /* one line of help */
    int (*run)(int count, char **arguments); /* arguments[0] is the verb; returns an exit code */
};

/*
 * manual_run_verb runs the verb that arguments[1] names. With --help, -h or "help" it prints the list;
 * without a verb, or with an unknown one, it says so and returns VERDICT_USAGE. `program` is what stands
 * before the verb: "signet entry".
 */
int manual_run_verb(const char *program, const struct manual_verb *verbs, size_t num_verbs,
                    int count, char **arguments);

#endif
