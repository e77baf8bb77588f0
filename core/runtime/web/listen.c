/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/web/listen.h"

#include <errno.h>
#include <unistd.h>

enum { WEB_BACKLOG = 128 };

/* A socket file without a process behind it is left over from a crash; anything else stays. */
static enum status web_listen_clean(const struct address *address, struct failure *why)
{
    const char *path = address->at.local.sun_path;
    struct stat there;
    int probe;
    int error;

    if (lstat(path, &there) != 0) {
        return STATUS_OK; /* bind() will tell what is wrong, if anything is */
    }
    if (!S_ISSOCK(there.st_mode)) {
        return fail(why, STATUS_IO, "web/bind", "%s exists and is no socket: it stays as it is",
                    path);
    }
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) {
        return fail_os(why, errno, "web/bind", "unix:%s", path);
    }
    error = connect(probe, &address->at.any, address->len) == 0 ? 0 : errno;
    (void)close(probe);
    if (error != ECONNREFUSED) {
        return fail(why, STATUS_IO, "web/in-use", "another process listens at unix:%s", path);
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        return fail_os(why, errno, "web/bind", "removing the old unix:%s", path);
    }
    return STATUS_OK;
}

static enum status web_listen_failed(int fd, const char *address, struct failure *why)
{
    int error = errno;

    if (fd >= 0) {
        (void)close(fd);
    }
    return fail_os(why, error, error == EADDRINUSE ? "web/in-use" : "web/bind", "%s", address);
}

static enum status web_listen_unix(const char *text, struct web_listener *listener,
                                   struct failure *why)
{
    const struct address *address = &listener->address;
    struct stat made;
    int fd;

    TRY(web_listen_clean(address, why));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /*
     * The mode is set before bind(), which makes the file with it: at no time is it open to
     * others.
     */
    if (fd < 0 || fchmod(fd, S_IRUSR | S_IWUSR) != 0 ||
        bind(fd, &address->at.any, address->len) != 0 || listen(fd, WEB_BACKLOG) != 0 ||
        lstat(address->at.local.sun_path, &made) != 0) {
        return web_listen_failed(fd, text, why);
    }
    listener->fd = fd;
    listener->socket_device = made.st_dev;
    listener->socket_inode = made.st_ino;
    return STATUS_OK;
}

static enum status web_listen_tcp(const char *text, struct web_listener *listener,
                                  struct failure *why)
{
    const struct address *address = &listener->address;
    int on = 1;
    int off = 0;
    int family = address->at.any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0) ||
        bind(fd, &address->at.any, address->len) != 0 || listen(fd, WEB_BACKLOG) != 0) {
        return web_listen_failed(fd, text, why);
    }
    listener->fd = fd;
    return STATUS_OK;
}

enum status web_listen(const char *address, struct web_listener *out_listener, struct failure *why)
{
    struct web_listener listener = {.fd = -1};
    struct ip any = {0};
    enum status status;

    TRY(address_parse(bytes_of(address), &listener.address, why));
    if (address_is_unix(&listener.address)) {
        TRY(web_listen_unix(address, &listener, why));
        *out_listener = listener;
        return STATUS_OK;
    }
    status = web_listen_tcp(address, &listener, why);
    if (status != STATUS_OK && address[0] == ':') { /* every address, on a machine without IPv6 */
        any = ip_of_v4((const uint8_t[4]){0});
        listener.address = address_of_ip(&any, address_port(&listener.address));
        status = web_listen_tcp(address, &listener, why);
    }
    if (status == STATUS_OK) {
        *out_listener = listener;
    }
    return status;
}

void web_listener_unlink(const struct web_listener *listener)
{
    const char *path = listener->address.at.local.sun_path;
    struct stat there;

    if (address_is_unix(&listener->address) && lstat(path, &there) == 0 &&
        there.st_dev == listener->socket_device && there.st_ino == listener->socket_inode) {
        (void)unlink(path);
    }
}
