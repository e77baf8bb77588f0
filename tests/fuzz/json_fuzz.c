/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as JSON to read, and as a text to write: what is written must be readable, whatever it
 * was. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/json/json.h"
#include "core/runtime/json/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

enum { JSON_FUZZ_MAX = 1 << 20 };

static void json_fuzz_read(struct bytes text)
{
    struct json_value *top = NULL;
    const struct json_value *array;
    struct failure why = {0};
    struct bytes id;

    if (json_read(text, JSON_FUZZ_MAX, &top, &why) != STATUS_OK) {
        if (why.reason == NULL || top != NULL) {
            abort();
        }
        return;
    }
    if (json_get_text(top, "id", 64, &id, &why) == STATUS_OK && id.len > 64) {
        abort();
    }
    if (json_get_array(top, "a", &array, &why) == STATUS_OK) {
        for (size_t i = 0; i < json_count(array); i++) {
            (void)json_text_of(json_at(array, i), &id);
        }
    }
    json_value_drop(&top);
}

static void json_fuzz_write(struct bytes text)
{
    CLEARED(buffer) out = {.max = (size_t)8 << 20};
    struct json_writer json = json_writer_to(&out);
    struct json_value *top = NULL;

    json_open_object(&json, NULL);
    json_put_bytes(&json, "text", text);
    json_close_object(&json);
    if (json_writer_end(&json, NULL) != STATUS_OK) {
        abort();
    }
    /* The reader refuses U+0000, which the writer escapes: such a text is written for other
     * readers. */
    if (text.len == 0 || memchr(text.at, '\0', text.len) == NULL) {
        if (json_read(buffer_bytes(&out), (size_t)8 << 20, &top, NULL) != STATUS_OK) {
            abort();
        }
        json_value_drop(&top);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    json_fuzz_read(bytes_make(at, len));
    json_fuzz_write(bytes_make(at, len));
    return 0;
}
