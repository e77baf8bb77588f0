/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/rpc/channel.h"

#include <arpa/inet.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/bytes.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/rpc/event.h"

struct rpc_channel {
    struct rpc_queue *queue; /* borrowed: must be closed after us */
    grpc_channel *raw;       /* owned */
};

/* Longest "host:port" that is taken: a DNS name of 253, a colon, a port. */
enum { RPC_TARGET_MAX = 260 };

/* What gRPC must not do by itself, and what it must not keep. Source: grpc/impl/channel_arg_names.h. */
static const struct {
    const char *key;
    int value;
} rpc_channel_rules[] = {
    {GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
     1},                             /* a renewal never rides on the old leaf's connection */
    {GRPC_ARG_ENABLE_HTTP_PROXY, 0}, /* no http_proxy from the environment */
    {GRPC_ARG_ENABLE_RETRIES, 0},    /* backing off is ours */
    /* Shorter than an attempt of the agent: the end then names what was silent, and not only that time is up. */
    {GRPC_ARG_DNS_ARES_QUERY_TIMEOUT_MS, 10000},
    {GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10000}, /* it bounds one address's connect and handshake */
    {GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1}, /* no orders from DNS */
    {GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)RPC_MESSAGE_MAX},
    {GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, (int)RPC_MESSAGE_MAX},
    {GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0},
    {GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0},
    {GRPC_ARG_ENABLE_CHANNELZ, 0},
    {GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0},
    {GRPC_ARG_KEEPALIVE_TIME_MS, 20000},
    {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000},
    {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0},
};

/* "host:port" into the name of one of gRPC's resolvers; NULL when it is neither host and port nor a path. */
static char *rpc_channel_uri(const char *target)
{
    char host[RPC_TARGET_MAX];
    const char *colon = strrchr(target, ':');
    struct in6_addr address;
    uint64_t port;
    size_t host_len;

    if (strncmp(target, "unix:/", 6) == 0) {
        return memory_text(target);
    }
    if (colon == NULL || strlen(target) >= sizeof host ||
        !bytes_to_number(bytes_of(colon + 1), UINT16_MAX, &port) || port == 0) {
        return NULL;
    }
    host_len = (size_t)(colon - target);
    memcpy(host, target, host_len);
    host[host_len] = '\0';
    if (host_len > 2 && host[0] == '[' && host[host_len - 1] == ']') {
        host[host_len - 1] = '\0';
        return inet_pton(AF_INET6, host + 1, &address) == 1
                   ? memory_format("ipv6:%%5B%s%%5D:%u", host + 1, (unsigned)port)
                   : NULL;
    }
    if (inet_pton(AF_INET, host, &address) == 1) {
        return memory_format("ipv4:%s:%u", host, (unsigned)port);
    }
    if (host_len == 0 ||
        strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") !=
            host_len) {
        return NULL;
    }
    return memory_format("dns:///%s:%u", host, (unsigned)port);
}

enum status rpc_channel_make(struct rpc_queue *queue, const char *target,
                             struct grpc_channel_credentials *credentials,
                             struct rpc_channel **out_channel, struct failure *why)
{
    enum { RULES = sizeof rpc_channel_rules / sizeof rpc_channel_rules[0] };
    grpc_arg arguments[RULES];
    grpc_channel_args all = {RULES, arguments};
    char *uri = rpc_channel_uri(target);

    if (uri == NULL) {
        return fail(why, STATUS_CONFIG, "rpc/target", "\"%.80s\" is not host:port", target);
    }
    for (size_t i = 0; i < RULES; i++) {
        arguments[i].type = GRPC_ARG_INTEGER;
        arguments[i].key = (char *)(uintptr_t)rpc_channel_rules[i].key; /* gRPC copies it */
        arguments[i].value.integer = rpc_channel_rules[i].value;
    }
    *out_channel = rpc_channel_adopt(queue, grpc_channel_create(uri, credentials, &all));
    free(uri);
    return STATUS_OK;
}

struct rpc_channel *rpc_channel_adopt(struct rpc_queue *queue, struct grpc_channel *raw)
{
    struct rpc_channel *channel = memory_make(sizeof *channel);

    channel->queue = queue;
    channel->raw = raw;
    rpc_queue_hold(queue);
    return channel;
}

void rpc_channel_drop(struct rpc_channel **channel)
{
    struct rpc_channel *gone = TAKE(*channel);

    if (gone != NULL) {
        grpc_channel_destroy(gone->raw);
        rpc_queue_release(gone->queue);
        free(gone);
    }
}

struct rpc_queue *rpc_channel_queue(const struct rpc_channel *channel)
{
    return channel->queue;
}

struct grpc_channel *rpc_channel_raw(const struct rpc_channel *channel)
{
    return channel->raw;
}
