/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet-control/check.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/signet-control/folder.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/net/address.h"

/* The reasons that a start would give. */
struct check_reasons {
    const char *in_use;
    const char *refused;
};

/* Does somebody answer at this unix socket? */
static bool check_answers(const struct address *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answers = fd >= 0 && connect(fd, &address->at.any, address->len) == 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    return answers;
}

static enum status check_unix(const struct address *address, bool runs, struct failure *why)
{
    const char *path = address->at.local.sun_path;
    struct failure inner = {0};
    struct stat there;

    if (lstat(path, &there) == 0) {
        if (!S_ISSOCK(there.st_mode)) {
            return fail(why, STATUS_IO, "web/bind", "%s exists and is no socket", path);
        }
        if (!runs && check_answers(address)) {
            return fail(why, STATUS_IO, "web/in-use", "another process listens at unix:%s", path);
        }
        return STATUS_OK;
    }
    if (folder_look_above(path, &inner) != STATUS_OK) {
        return fail(why, STATUS_IO, "admin/folder", "%s", inner.detail);
    }
    return STATUS_OK;
}

/* Bound, and given back: 0 or an errno. */
static int check_bind(const struct addrinfo *place)
{
    int on = 1;
    int off = 0;
    int fd = socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int os_error = 0;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (place->ai_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0) ||
        bind(fd, place->ai_addr, place->ai_addrlen) != 0) {
        os_error = errno;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return os_error;
}

/* "host:port", "[v6]:port" or ":port" as its two parts; false for anything else. */
static bool check_split(const char *text, char **out_host, const char **out_port)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon == NULL ? 0 : (size_t)(colon - text);

    if (colon == NULL || colon[1] == '\0') {
        return false;
    }
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    *out_host = memory_format("%.*s", (int)len, text);
    *out_port = colon + 1;
    return true;
}

static enum status check_tcp(const char *text, const struct check_reasons *reasons, bool runs,
                             struct failure *why)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *places = NULL;
    const char *port;
    char *host = NULL;
    int os_error = EADDRNOTAVAIL;
    int code;

    if (!check_split(text, &host, &port)) {
        return fail(why, STATUS_IO, reasons->refused, "%.80s is no address with a port", text);
    }
    code = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &places);
    free(host);
    if (code != 0) {
        return fail(why, STATUS_IO, reasons->refused, "cannot listen on %.80s: %s", text,
                    gai_strerror(code));
    }
    for (const struct addrinfo *at = places; at != NULL && os_error != 0; at = at->ai_next) {
        os_error = check_bind(at);
    }
    freeaddrinfo(places);
    if (os_error == 0 || (os_error == EADDRINUSE && runs)) {
        return STATUS_OK;
    }
    return fail_os(why, os_error, os_error == EADDRINUSE ? reasons->in_use : reasons->refused,
                   "cannot listen on %.80s", text);
}

enum status check_addresses(const struct control_settings *settings, struct failure *why)
{
    static const struct check_reasons grpc = {"rpc/listen", "rpc/listen"};
    static const struct check_reasons web = {"web/in-use", "web/bind"};
    struct address admin;
    struct address metrics;
    bool runs;

    TRY(address_parse(bytes_of(settings->admin_address), &admin, why));
    runs = check_answers(&admin);
    TRY(check_unix(&admin, runs, why));
    TRY(address_parse(bytes_of(settings->metrics_address), &metrics, why));
    if (address_is_unix(&metrics)) {
        TRY(check_unix(&metrics, runs, why));
    } else {
        TRY(check_tcp(settings->metrics_address, &web, runs, why));
    }
    return check_tcp(settings->listen_address, &grpc, runs, why);
}

enum status check_bundle_out(const struct control_settings *settings, struct failure *why)
{
    const char *path = settings->bundle_out;
    char *folder;
    char *slash;
    struct stat about;
    int os_error = 0;

    if (path == NULL) {
        return STATUS_OK;
    }
    folder = memory_text(path);
    slash = strrchr(folder, '/');
    if (slash != NULL) {
        slash[slash == folder ? 1 : 0] = '\0';
    }
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
        os_error = EISDIR;
    } else if (access(slash != NULL ? folder : ".", W_OK | X_OK) != 0) {
        os_error = errno;
    }
    free(folder);
    return os_error == 0 ? STATUS_OK : fail_os(why, os_error, "file/write", "%s", path);
}
