/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/bench_peer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/signet/bench_config.h"
#include "cmd/signet/bench_identity.h"
#include "core/runtime/base/memory.h"

enum { BENCH_PEER_SAYS_MAX = 65536, BENCH_PEER_CONFIG_MAX = 16384 };

/* What is known of a kind before its program is found. */
struct bench_nature {
    const char *name, *title, *program, *identity;
};

static const struct bench_nature bench_natures[BENCH_KINDS] = {
    [BENCH_SIGNET] = {"signet", "Signet", "signet-proxy", "URI SAN, exact, both sides"},
    [BENCH_NGINX] = {"nginx", "nginx", "nginx", "chain; DNS name of the server; no URI SAN"},
    [BENCH_HAPROXY] = {"haproxy", "HAProxy", "haproxy",
                       "chain; DNS name of the server; no URI SAN"},
    [BENCH_ENVOY] = {"envoy", "Envoy", "envoy", "URI SAN, exact, both sides"},
    [BENCH_NONE] = {"none", "no proxy", "", "-"},
};

const char *bench_peer_name(enum bench_kind kind)
{
    return bench_natures[kind].name;
}

const char *bench_peer_title(enum bench_kind kind)
{
    return bench_natures[kind].title;
}

const char *bench_peer_identity(enum bench_kind kind)
{
    return bench_natures[kind].identity;
}

enum status bench_peer_read_list(const char *text, bool wanted[BENCH_KINDS], struct failure *why)
{
    struct bytes rest = bytes_of(text);
    bool found[BENCH_KINDS] = {false};

    while (rest.at != NULL) {
        struct bytes word = bytes_trim(bytes_split(&rest, ','));
        bool known = bytes_equal_text(word, "none") || bytes_equal_text(word, "all");

        for (int kind = BENCH_NGINX; kind <= BENCH_ENVOY; kind++) {
            if (bytes_equal_text(word, bench_natures[kind].name) || bytes_equal_text(word, "all")) {
                found[kind] = true;
                known = true;
            }
        }
        if (!known) {
            return fail(why, STATUS_CONFIG, "bench/peer",
                        "--peers: \"%.*s\" is none of nginx, haproxy, envoy, all, none",
                        (int)word.len, (const char *)word.at);
        }
    }
    memcpy(wanted, found, sizeof found);
    return STATUS_OK;
}

/* Finding ---------------------------------------- */

static bool bench_peer_is_program(const char *path)
{
    struct stat found;

    return stat(path, &found) == 0 && S_ISREG(found.st_mode) && access(path, X_OK) == 0;
}

/* Takes FOLDER/NAME when it is a program; the path made absolute, since children run elsewhere. */
static bool bench_peer_take(struct bench_peer *peer, const char *folder, const char *name)
{
    char *path = folder == NULL ? memory_text(name) : memory_format("%s/%s", folder, name);
    char *absolute = bench_peer_is_program(path) ? realpath(path, NULL) : NULL;
    bool good = absolute != NULL && strlen(absolute) < sizeof peer->program;

    if (good) {
        (void)snprintf(peer->program, sizeof peer->program, "%s", absolute);
    }
    free(absolute);
    free(path);
    return good;
}

static bool bench_peer_look_beside_us(struct bench_peer *peer)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    if (len <= 0) {
        return false;
    }
    self[len] = '\0';
    slash = strrchr(self, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    return bench_peer_take(peer, self, "signet-proxy") ||
           bench_peer_take(peer, self, "../signet-proxy/signet-proxy");
}

static bool bench_peer_look_around(struct bench_peer *peer, const char *name)
{
    static const char *const usual[] = {"/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/local/bin"};
    const char *path = getenv("PATH");
    struct bytes rest = bytes_of(path != NULL ? path : "");

    while (rest.len > 0) {
        char *folder = bytes_text(bytes_split(&rest, ':'));
        bool found = folder[0] == '/' && bench_peer_take(peer, folder, name);

        free(folder);
        if (found) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        if (bench_peer_take(peer, usual[i], name)) {
            return true;
        }
    }
    return false;
}

/* The piece of `text` between `before` and the next blank or line's end, into the version. */
static void bench_peer_take_version(struct bench_peer *peer, const char *text, const char *before)
{
    const char *at = strstr(text, before);

    if (at != NULL) {
        at += strlen(before);
        at += strspn(at, " \t");
        (void)snprintf(peer->version, sizeof peer->version, "%.*s", (int)strcspn(at, " \t\r\n"),
                       at);
    }
}

/* nginx may have its stream module built in, beside it in a file, or not at all. */
static void bench_peer_judge_nginx(struct bench_peer *peer, const char *text)
{
    const char *folder = strstr(text, "--modules-path=");
    int len = 0;

    bench_peer_take_version(peer, text, "nginx version: nginx/");
    if (strstr(text, "--with-stream ") != NULL || strstr(text, "--with-stream\n") != NULL) {
        peer->usable = true;
        return;
    }
    if (strstr(text, "--with-stream=dynamic") != NULL && folder != NULL) {
        folder += strlen("--modules-path=");
        len = (int)strcspn(folder, " \n");
        char *module = memory_format("%.*s/ngx_stream_module.so", len, folder);

        peer->usable = access(module, R_OK) == 0 && strlen(module) < PATH_MAX / 4;
        if (peer->usable) {
            (void)snprintf(peer->preamble, sizeof peer->preamble, "load_module %s;\n", module);
        }
        free(module);
    }
    if (!peer->usable) {
        (void)snprintf(peer->why_not, sizeof peer->why_not,
                       "%.80s has no stream module (Debian: apt install libnginx-mod-stream)",
                       peer->program);
    }
}

/* Leaves the second of the words between slashes. */
static void bench_peer_shorten(struct bench_peer *peer)
{
    char *at = strchr(peer->version, '/');

    if (at != NULL) {
        size_t len = strcspn(at + 1, "/");

        memmove(peer->version, at + 1, len);
        peer->version[len] = '\0';
    }
}

static void bench_peer_judge(struct bench_peer *peer, const char *text)
{
    switch (peer->kind) {
    case BENCH_NGINX:
        bench_peer_judge_nginx(peer, text);
        break;
    case BENCH_HAPROXY:
        bench_peer_take_version(peer, text, "version ");
        peer->usable = strstr(text, "+OPENSSL") != NULL;
        if (!peer->usable) {
            (void)snprintf(peer->why_not, sizeof peer->why_not, "%.80s is built without TLS",
                           peer->program);
        }
        break;
    case BENCH_ENVOY:
        bench_peer_take_version(peer, text, "version:"); /* COMMIT/VERSION/STATE/KIND/TLS */
        bench_peer_shorten(peer);
        peer->usable = peer->version[0] != '\0';
        break;
    default:
        bench_peer_take_version(peer, text, "signet-proxy ");
        peer->usable = peer->version[0] != '\0';
        break;
    }
    if (!peer->usable && peer->why_not[0] == '\0') {
        (void)snprintf(peer->why_not, sizeof peer->why_not, "%.80s does not say its version",
                       peer->program);
    }
}

/* Asks the program for its version and judges whether it has what is needed. */
static enum status bench_peer_ask(struct bench_peer *peer, const char *folder, struct failure *why)
{
    static const char *const question[BENCH_KINDS] = {"--version", "-V", "-vv", "--version"};
    CLEARED(buffer) said = {.max = BENCH_PEER_SAYS_MAX};
    CLEARED(bench_command) command = {.num_words = 0};
    struct failure inner = {0};
    enum status status;
    char *text;

    bench_command_add(&command, "%s", peer->program);
    bench_command_add(&command, "%s", question[peer->kind]);
    status = bench_process_said(&command, folder, &said, &inner);
    if (status == STATUS_CLOSED) {
        return fail(why, status, inner.reason, "%s", inner.detail);
    }
    if (status != STATUS_OK) {
        (void)snprintf(peer->why_not, sizeof peer->why_not, "%.150s", inner.detail);
        return STATUS_OK;
    }
    text = bytes_text(buffer_bytes(&said));
    bench_peer_judge(peer, text);
    free(text);
    return STATUS_OK;
}

enum status bench_peer_find(enum bench_kind kind, const char *given, const char *folder,
                            struct bench_peer *out_peer, struct failure *why)
{
    const char *name = bench_natures[kind].program;
    bool found;

    *out_peer = (struct bench_peer){.kind = kind};
    if (kind == BENCH_NONE) {
        out_peer->usable = true;
        return STATUS_OK;
    }
    if (given != NULL) {
        found = bench_peer_take(out_peer, NULL, given);
    } else {
        found = (kind == BENCH_SIGNET && bench_peer_look_beside_us(out_peer)) ||
                bench_peer_look_around(out_peer, name);
    }
    if (!found) {
        (void)snprintf(out_peer->why_not, sizeof out_peer->why_not,
                       given != NULL ? "%.100s is no program" : "%.100s is not installed",
                       given != NULL ? given : name);
        return STATUS_OK;
    }
    return bench_peer_ask(out_peer, folder, why);
}

/* Commands ---------------------------------------- */

static enum status bench_peer_save(const struct bench_site *site, const char *name,
                                   struct bytes text, struct failure *why)
{
    char *path = memory_format("%s/%s", site->folder, name);
    FILE *out = fopen(path, "we");
    bool good = out != NULL && fwrite(text.at, 1, text.len, out) == text.len;

    good = out != NULL && fclose(out) == 0 && good;
    free(path);
    return good ? STATUS_OK
                : fail_os(why, errno, "bench/write", "%s/%s cannot be written", site->folder, name);
}

static void bench_peer_command_signet(const struct bench_peer *peer, enum bench_side side,
                                      const int ports[2], struct bench_command *out)
{
    bool outbound = side == BENCH_OUTBOUND;

    bench_command_add(out, "%s", peer->program);
    bench_command_add(out, "--capture=explicit");
    bench_command_add(out, "--%s=127.0.0.1:%d=127.0.0.1:%d,peer=%s",
                      outbound ? "outbound" : "inbound", ports[0], ports[1],
                      outbound ? BENCH_SERVER_ID : BENCH_CLIENT_ID);
    bench_command_add(out, "--chain-file=%s.pem", outbound ? "client" : "server");
    bench_command_add(out, "--key-file=%s.key", outbound ? "client" : "server");
    bench_command_add(out, "--bundle-file=ca.pem");
    bench_command_add(out, "--trust-domain=%s", BENCH_TRUST_DOMAIN);
    bench_command_add(out, "--workers=%d", BENCH_WORKERS);
    bench_command_add(out, "--tls-groups=X25519");
    bench_command_add(out, "--drain-limit-ms=0");
    bench_command_add(out, "--access-log=off");
    bench_command_add(out, "--log-level=error");
    bench_command_add(out, "--admin-address=off");
    bench_command_add(out, "--metrics-address=off");
    bench_command_add(out, "--health-address=off");
}

/* The words behind the program's name. `file` is the configuration in the processes' folder. */
static void bench_peer_add_words(enum bench_kind kind, const char *file, struct bench_command *out)
{
    switch (kind) {
    case BENCH_NGINX:
        bench_command_add(out, "-p");
        bench_command_add(out, ".");
        bench_command_add(out, "-e");
        bench_command_add(out, "stderr");
        bench_command_add(out, "-c");
        bench_command_add(out, "%s", file);
        break;
    case BENCH_HAPROXY:
        bench_command_add(out, "-db");
        bench_command_add(out, "-q");
        bench_command_add(out, "-f");
        bench_command_add(out, "%s", file);
        break;
    default:
        bench_command_add(out, "-c");
        bench_command_add(out, "%s", file);
        bench_command_add(out, "--concurrency");
        bench_command_add(out, "%d", BENCH_WORKERS);
        bench_command_add(out, "--disable-hot-restart");
        bench_command_add(out, "--log-level");
        bench_command_add(out, "error");
        break;
    }
}

enum status bench_peer_command(const struct bench_peer *peer, const struct bench_site *site,
                               enum bench_side side, const int ports[2],
                               struct bench_command *out_command, struct failure *why)
{
    const struct bench_config config = {
        .side = side,
        .listen = ports[0],
        .forward = ports[1],
        .connections = site->connections,
        .preamble = peer->preamble,
        .as_root = geteuid() == 0,
    };
    CLEARED(buffer) text = {.max = BENCH_PEER_CONFIG_MAX};
    enum status status;
    char file[48];

    if (peer->kind == BENCH_SIGNET) {
        bench_peer_command_signet(peer, side, ports, out_command);
        return STATUS_OK;
    }
    status = peer->kind == BENCH_NGINX     ? bench_config_nginx(&config, &text)
             : peer->kind == BENCH_HAPROXY ? bench_config_haproxy(&config, &text)
                                           : bench_config_envoy(&config, &text);
    if (status != STATUS_OK) {
        return fail(why, status, "bench/config", "a configuration does not fit");
    }
    (void)snprintf(file, sizeof file, "%s-%s.%s", bench_peer_name(peer->kind),
                   side == BENCH_OUTBOUND ? "outbound" : "inbound",
                   peer->kind == BENCH_ENVOY ? "json" : "conf");
    TRY(bench_peer_save(site, file, buffer_bytes(&text), why));
    bench_command_add(out_command, "%s", peer->program);
    bench_peer_add_words(peer->kind, file, out_command);
    return STATUS_OK;
}
