/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `signet version`: this build and the libraries that are inside. All of them are linked from static
 * archives, so the headers' numbers are the programs' numbers.
 */
#include <grpc/grpc.h>
#include <jansson.h>
#include <llhttp.h>
#include <nghttp2/nghttp2ver.h>
#include <openssl/base.h>
#include <protobuf-c/protobuf-c.h>
#include <sqlite3.h>
#include <stdio.h>
#include <uv.h>
#include <yaml.h>

#include "cmd/signet/commands.h"
#include "cmd/signet/manual.h"
#include "cmd/signet/version.h"
#include "cmd/version.h"
#include "core/runtime/base/buffer.h"
#include "core/runtime/json/writer.h"

#define VERSION_TEXT_(number) #number
#define VERSION_TEXT(number) VERSION_TEXT_(number)

size_t version_libraries(struct version_library out_libraries[VERSION_LIBRARIES_MAX])
{
    static char yaml[32];
    int major, minor, patch;
    size_t count = 0;

    yaml_get_version(&major, &minor, &patch);
    (void)snprintf(yaml, sizeof yaml, "%d.%d.%d", major, minor, patch);
    out_libraries[count++] = (struct version_library){"gRPC core", grpc_version_string()};
    out_libraries[count++] =
        (struct version_library){"BoringSSL", "API " VERSION_TEXT(BORINGSSL_API_VERSION)};
    out_libraries[count++] = (struct version_library){"libuv", uv_version_string()};
    out_libraries[count++] = (struct version_library){"protobuf-c", PROTOBUF_C_VERSION};
    out_libraries[count++] = (struct version_library){"nghttp2", NGHTTP2_VERSION};
    out_libraries[count++] = (struct version_library){
        "llhttp", VERSION_TEXT(LLHTTP_VERSION_MAJOR) "." VERSION_TEXT(
                      LLHTTP_VERSION_MINOR) "." VERSION_TEXT(LLHTTP_VERSION_PATCH)};
    out_libraries[count++] = (struct version_library){"SQLite", SQLITE_VERSION};
    out_libraries[count++] = (struct version_library){"jansson", JANSSON_VERSION};
    out_libraries[count++] = (struct version_library){"libyaml", yaml};
    return count;
}

static enum status version_write_json(const struct version_library *libraries, size_t count,
                                      struct buffer *out, struct failure *why)
{
    struct json_writer json = json_writer_to(out);

    json_open_object(&json, NULL);
    json_put_text(&json, "version", SIGNET_VERSION);
    json_open_object(&json, "libraries");
    for (size_t i = 0; i < count; i++) {
        json_put_text(&json, libraries[i].name, libraries[i].version);
    }
    json_close_object(&json);
    json_close_object(&json);
    return json_writer_end(&json, why);
}

int version_command(int count, char **arguments)
{
    bool as_json = false;
    const struct manual_flag flags[] = {
        {"json", NULL, "one JSON object instead of lines", NULL, &as_json},
    };
    const struct manual manual = {
        .synopsis = "signet version [--json]",
        .purpose =
            "Prints the version of this build and of the libraries linked into the programs.",
        .flags = flags,
        .num_flags = sizeof flags / sizeof flags[0],
    };
    struct version_library libraries[VERSION_LIBRARIES_MAX];
    struct manual_words words;
    CLEARED(buffer) text = {.max = 4096};
    int verdict;

    if (!manual_open(&manual, count, arguments, &words, &verdict)) {
        return verdict;
    }
    size_t num_libraries = version_libraries(libraries);
    if (as_json) {
        if (version_write_json(libraries, num_libraries, &text, NULL) != STATUS_OK) {
            return VERDICT_NO;
        }
        (void)printf("%.*s\n", (int)text.len, (const char *)text.at);
        return VERDICT_OK;
    }
    (void)printf("signet %s\n", SIGNET_VERSION);
    for (size_t i = 0; i < num_libraries; i++) {
        (void)printf("  %-10s  %s\n", libraries[i].name, libraries[i].version);
    }
    return VERDICT_OK;
}
