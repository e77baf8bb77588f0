/* SPDX-License-Identifier: Apache-2.0 */
/* A settings file: what it holds is refused or taken, and what was taken can be printed and read
 * again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define SETTING_DEF "tests/unit/runtime/config/sample.def"
#define SETTING_STRUCT sample
#include "core/runtime/config/setting_struct.inc"
#include "core/runtime/config/setting_table.inc"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static const struct setting_table sample_table =
    SETTING_TABLE(sample, "sample", "SAMPLE_", "", "is fuzzed");

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    CLEARED(buffer) printed = {.max = 2 * SETTING_FILE_MAX};
    struct sample first = {0};
    struct sample second = {0};
    struct failure why = {0};

    if (setting_read_text(&sample_table, "F", bytes_make(at, len), &first, &why) == STATUS_OK) {
        if (setting_print_values(&sample_table, &first, &printed) != STATUS_OK ||
            setting_read_text(&sample_table, "P", buffer_bytes(&printed), &second, &why) ==
                STATUS_LIMIT) {
            abort();
        }
    } else if (why.reason == NULL) {
        abort();
    }
    setting_clear(&sample_table, &first);
    setting_clear(&sample_table, &second);
    return 0;
}
