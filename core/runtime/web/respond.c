/* SPDX-License-Identifier: Apache-2.0 */
/* Which route answers, and whether the caller may ask: the rules of server.h. */
#include <string.h>

#include "core/runtime/base/ip.h"
#include "core/runtime/json/writer.h"
#include "core/runtime/web/connection.h"

static void web_answer_fill(struct web_answer *answer, unsigned status, const char *reason,
                            const char *detail)
{
    struct json_writer json;

    answer->status = status;
    answer->content_type = "application/json";
    buffer_reset(&answer->body);
    json = json_writer_to(&answer->body);
    json_open_object(&json, NULL);
    json_put_text(&json, "reason", reason);
    json_put_text(&json, "detail", detail);
    json_close_object(&json);
    if (json_writer_end(&json, NULL) != STATUS_OK) {
        buffer_reset(&answer->body); /* no room for words: the status has to do */
    }
}

void web_answer_error(struct web_answer *answer, enum status status, const struct failure *why)
{
    unsigned code = 500;

    if (status == STATUS_NOT_FOUND) {
        code = 404;
    } else if (status == STATUS_DENIED || status == STATUS_UNTRUSTED) {
        code = 403;
    } else if (status == STATUS_PROTOCOL || status == STATUS_CONFIG || status == STATUS_LIMIT) {
        code = 400;
    }
    web_answer_fill(answer, code, why->reason, why->detail);
}

/* Does the Host header name this machine itself: localhost, 127.0.0.0/8 or ::1, with any port? */
static bool web_host_is_local(struct bytes host)
{
    struct ip ip;

    if (host.len > 0 && host.at[0] == '[') {
        struct bytes rest = bytes_skip(host, 1);
        struct bytes inner = bytes_split(&rest, ']');
        static const uint8_t loopback[16] = {[15] = 1};

        return rest.at != NULL && ip_parse(inner, &ip) &&
               memcmp(ip.at, loopback, sizeof loopback) == 0;
    }
    host = bytes_split(&host, ':');
    return bytes_equal_text(host, "localhost") ||
           (ip_parse(host, &ip) && ip_is_v4(&ip) && ip.at[12] == 127);
}

static bool web_method_is_safe(struct bytes method)
{
    return bytes_equal_text(method, "GET") || bytes_equal_text(method, "HEAD");
}

/* False, and the answer is filled, when the caller may not ask at all. */
static bool web_request_is_allowed(const struct web_server_options *options,
                                   const struct web_request *request, struct web_answer *answer)
{
    struct bytes value = bytes_make(NULL, 0);

    if (options->local_host_only && !request->is_unix) {
        (void)http_message_get(request->message, "host", &value);
        if (!web_host_is_local(value)) {
            web_answer_fill(answer, 421, "web/host", "the Host header must be localhost");
            return false;
        }
    }
    if (!web_method_is_safe(http_message_method(request->message)) &&
        !http_message_get(request->message, WEB_REQUEST_HEADER, &value)) {
        web_answer_fill(answer, 403, "web/no-request-header",
                        "a request that changes something needs the header X-Signet-Request: 1");
        return false;
    }
    return true;
}

static bool web_route_takes(const struct web_route *route, struct bytes path,
                            struct bytes *out_rest)
{
    struct bytes pattern = bytes_of(route->path);

    *out_rest = bytes_make(NULL, 0);
    if (!bytes_ends(pattern, bytes_of("*"))) {
        return bytes_equal(pattern, path);
    }
    pattern.len--;
    *out_rest = bytes_skip(path, pattern.len);
    return bytes_starts(path, pattern);
}

static bool web_route_has_method(const struct web_route *route, struct bytes method)
{
    return bytes_equal_text(method, route->method) ||
           (bytes_equal_text(method, "HEAD") && strcmp(route->method, "GET") == 0);
}

void web_respond(const struct web_server_options *options, const struct web_request *request,
                 struct web_answer *answer)
{
    struct bytes method = http_message_method(request->message);
    bool path_known = false;

    if (!web_request_is_allowed(options, request, answer)) {
        return;
    }
    for (size_t i = 0; i < options->num_routes; i++) {
        const struct web_route *route = &options->routes[i];
        struct web_request routed = *request;

        if (!web_route_takes(route, request->path, &routed.rest)) {
            continue;
        }
        path_known = true;
        if (web_route_has_method(route, method)) {
            route->respond(route->user, &routed, answer);
            return;
        }
    }
    if (path_known) {
        web_answer_fill(answer, 405, "web/method", "this page is not asked in that way");
    } else {
        web_answer_fill(answer, 404, "web/path", "there is no such page");
    }
}
