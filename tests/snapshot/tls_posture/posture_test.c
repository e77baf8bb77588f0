/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS posture as text beside this file, so that every change of it is seen in review. Write it anew
 * after a wanted change:
 *     bazel run //tests/snapshot/tls_posture:posture_test -- --write > tests/snapshot/tls_posture/posture.txt
 */
#include <stdio.h>
#include <string.h>

#include "core/trust/tls/posture.h"

int main(int count, char **words)
{
    struct posture posture = posture_default();
    CLEARED(buffer) is = {0};
    CLEARED(buffer) was = {0};
    struct failure why = {0};

    buffer_init(&is, 65536);
    buffer_init(&was, 65536);
    if (count < 2 || posture_print(&posture, &is) != STATUS_OK) {
        return 2;
    }
    if (strcmp(words[count - 1], "--write") == 0) {
        return fwrite(is.at, 1, is.len, stdout) == is.len ? 0 : 1;
    }
    if (buffer_read_file(&was, words[1], &why) != STATUS_OK) {
        (void)printf("%s\n", why.detail);
        return 2;
    }
    if (bytes_equal(buffer_bytes(&is), buffer_bytes(&was))) {
        return 0;
    }
    (void)printf("the posture differs from %s:\n--- was\n%.*s--- is\n%.*s", words[1], (int)was.len,
                 (const char *)was.at, (int)is.len, (const char *)is.at);
    return 1;
}
