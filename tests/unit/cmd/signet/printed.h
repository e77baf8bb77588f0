/* SPDX-License-Identifier: Apache-2.0 */
/* What a printing function printed, as a string. */
#ifndef SIGNET_TESTS_UNIT_CMD_SIGNET_PRINTED_H
#define SIGNET_TESTS_UNIT_CMD_SIGNET_PRINTED_H

#include <stdio.h>
#include <stdlib.h>

struct printed {
    FILE *out;  /* print here */
    char *text; /* after printed_end(): what was printed */
    size_t len;
};

static inline struct printed *printed_begin(void)
{
    struct printed *printed = calloc(1, sizeof *printed);

    printed->out = open_memstream(&printed->text, &printed->len);
    return printed;
}

static inline const char *printed_end(struct printed *printed)
{
    (void)fclose(printed->out);
    return printed->text;
}

static inline void printed_free(struct printed *printed)
{
    free(printed->text);
    free(printed);
}

#endif
