/* SPDX-License-Identifier: Apache-2.0 */
/* The judge: pure. */
#include "cmd/signet/demo_wire.h"

#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/map.h"
#include "core/runtime/base/memory.h"

#define DEMO_WIRE_FLOWS_MAX 32768
#define DEMO_WIRE_WORD_MAX 128
#define DEMO_WIRE_HELLO_MAX 2048 /* bytes of a ServerHello: a post-quantum key share is long */
#define DEMO_WIRE_RECORD_MAX (16384u + 256u)

enum demo_wire_flow_state {
    DEMO_WIRE_TLS,     /* every byte so far was in a record */
    DEMO_WIRE_OUTSIDE, /* something was not: all that follows is counted as outside */
    DEMO_WIRE_LOST,    /* the start, or a packet, was not seen */
};

/* One direction of a connection. */
struct demo_wire_flow {
    enum demo_wire_flow_state state;
    uint32_t next_seq; /* of the first byte not yet fed */
    uint8_t header[5]; /* of the record at hand */
    size_t header_len;
    size_t record_left; /* bytes of the record at hand still to come */
    bool hello_done;    /* the first handshake message was looked at */
    uint8_t hello[DEMO_WIRE_HELLO_MAX];
    size_t hello_len;
    uint8_t tail[DEMO_WIRE_WORD_MAX]; /* the last bytes, for a word across two packets */
    size_t tail_len;
};

/* One packet's part that matters. */
struct demo_wire_segment {
    uint8_t key[12]; /* addresses and ports: names the direction */
    uint32_t seq;
    bool is_syn;
    struct bytes payload;
};

struct demo_wire_judge {
    struct map flows; /* key → struct demo_wire_flow, owned */
    struct bytes word;
    uint16_t port;
    struct demo_wire_verdict seen;
};

static uint16_t demo_wire_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t demo_wire_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t demo_wire_count(struct bytes all, struct bytes word)
{
    uint64_t count = 0;

    while (all.len >= word.len) {
        const uint8_t *found = memmem(all.at, all.len, word.at, word.len);

        if (found == NULL) {
            break;
        }
        count++;
        all = bytes_skip(all, (size_t)(found - all.at) + word.len);
    }
    return count;
}

/* Extension supported_versions of a ServerHello: two bytes, the version chosen. */
static bool demo_wire_chose_13(struct bytes extensions)
{
    while (extensions.len >= 4) {
        uint16_t type = demo_wire_u16(extensions.at);
        size_t len = demo_wire_u16(extensions.at + 2);
        struct bytes body = bytes_skip(extensions, 4);

        if (type == 43) {
            return len == 2 && body.len >= 2 && demo_wire_u16(body.at) == 0x0304;
        }
        extensions = bytes_skip(body, len);
    }
    return false;
}

/* A direction's first handshake message, once it is whole or long enough. */
static void demo_wire_read_hello(struct demo_wire_judge *judge, struct demo_wire_flow *flow)
{
    struct bytes hello = bytes_make(flow->hello, flow->hello_len);
    size_t session_len;

    flow->hello_done = true;
    if (hello.len < 4 + 2 + 32 + 1 || hello.at[0] != 2) { /* 2: server_hello */
        return;
    }
    judge->seen.server_hellos++;
    hello = bytes_skip(hello, 4 + 2 + 32);
    session_len = hello.at[0];
    hello = bytes_skip(hello, 1 + session_len + 2 + 1 + 2);
    judge->seen.tls13_hellos += demo_wire_chose_13(hello);
}

static bool demo_wire_header_good(const uint8_t header[5])
{
    return header[0] >= 20 && header[0] <= 23 && header[1] == 3 && header[2] <= 4 &&
           demo_wire_u16(header + 3) <= DEMO_WIRE_RECORD_MAX;
}

/* Takes the bytes of the record at hand; returns how many. */
static size_t demo_wire_feed_record(struct demo_wire_judge *judge, struct demo_wire_flow *flow,
                                    struct bytes payload)
{
    size_t count = payload.len < flow->record_left ? payload.len : flow->record_left;
    size_t room = sizeof flow->hello - flow->hello_len;

    if (flow->header[0] == 22 && !flow->hello_done) {
        size_t kept = count < room ? count : room;

        memcpy(flow->hello + flow->hello_len, payload.at, kept);
        flow->hello_len += kept;
    }
    flow->record_left -= count;
    judge->seen.record_bytes += count;
    if (!flow->hello_done && (flow->record_left == 0 || flow->hello_len == sizeof flow->hello)) {
        demo_wire_read_hello(judge, flow);
    }
    return count;
}

static void demo_wire_feed_tls(struct demo_wire_judge *judge, struct demo_wire_flow *flow,
                               struct bytes payload)
{
    while (payload.len > 0) {
        if (flow->record_left > 0) {
            payload = bytes_skip(payload, demo_wire_feed_record(judge, flow, payload));
            continue;
        }
        flow->header[flow->header_len++] = payload.at[0];
        payload = bytes_skip(payload, 1);
        if (flow->header_len < sizeof flow->header) {
            continue;
        }
        flow->header_len = 0;
        if (!demo_wire_header_good(flow->header)) {
            flow->state = DEMO_WIRE_OUTSIDE;
            judge->seen.outside_bytes += sizeof flow->header + payload.len;
            return;
        }
        judge->seen.record_bytes += sizeof flow->header;
        flow->record_left = demo_wire_u16(flow->header + 3);
    }
}

/* The word may begin in one packet and end in the next. */
static void demo_wire_search_seam(struct demo_wire_judge *judge, struct demo_wire_flow *flow,
                                  struct bytes payload)
{
    uint8_t seam[2 * DEMO_WIRE_WORD_MAX];
    size_t most = judge->word.len - 1;
    size_t head = payload.len < most ? payload.len : most;
    size_t len = flow->tail_len;
    size_t kept;

    memcpy(seam, flow->tail, len);
    memcpy(seam + len, payload.at, head);
    len += head;
    judge->seen.word_bytes += judge->word.len * demo_wire_count(bytes_make(seam, len), judge->word);
    if (payload.len >= most) {
        memcpy(flow->tail, payload.at + payload.len - most, most);
        flow->tail_len = most;
        return;
    }
    kept = len < most ? len : most;
    memcpy(flow->tail, seam + len - kept, kept);
    flow->tail_len = kept;
}

static struct demo_wire_flow *demo_wire_flow_of(struct demo_wire_judge *judge,
                                                const struct demo_wire_segment *segment)
{
    struct bytes key = bytes_make(segment->key, sizeof segment->key);
    struct demo_wire_flow *flow = map_get(&judge->flows, key);

    if (flow == NULL) {
        if (judge->flows.count >= DEMO_WIRE_FLOWS_MAX) {
            return NULL;
        }
        flow = memory_make(sizeof *flow);
        flow->state = DEMO_WIRE_LOST;
        (void)map_put(&judge->flows, key, flow);
    }
    if (segment->is_syn && (flow->state == DEMO_WIRE_LOST || flow->next_seq != segment->seq + 1)) {
        *flow = (struct demo_wire_flow){.state = DEMO_WIRE_TLS, .next_seq = segment->seq + 1};
        judge->seen.connections++;
    }
    return flow;
}

static void demo_wire_feed(struct demo_wire_judge *judge, const struct demo_wire_segment *segment)
{
    struct demo_wire_flow *flow = demo_wire_flow_of(judge, segment);
    struct bytes payload = segment->payload;

    if (payload.len == 0) {
        return;
    }
    if (flow != NULL && flow->state != DEMO_WIRE_LOST) {
        /* What came before is a retransmission; what comes too early means that a packet is missing. */
        int32_t ahead = (int32_t)(segment->seq - flow->next_seq);

        if (ahead < 0) {
            payload = bytes_skip(payload, (size_t) - (int64_t)ahead);
        } else if (ahead > 0) {
            flow->state = DEMO_WIRE_LOST;
        }
        flow->next_seq += (uint32_t)payload.len;
    }
    judge->seen.tcp_bytes += payload.len;
    judge->seen.word_bytes += judge->word.len * demo_wire_count(payload, judge->word);
    if (flow == NULL || flow->state == DEMO_WIRE_LOST) {
        judge->seen.unjudged_bytes += payload.len;
        return;
    }
    if (payload.len > 0) {
        demo_wire_search_seam(judge, flow, payload);
    }
    if (flow->state == DEMO_WIRE_OUTSIDE) {
        judge->seen.outside_bytes += payload.len;
        return;
    }
    demo_wire_feed_tls(judge, flow, payload);
}

/* Ethernet, IPv4, TCP; false for anything else, and for other ports. */
static bool demo_wire_open(struct bytes frame, uint16_t port, struct demo_wire_segment *out)
{
    struct bytes ip, tcp;
    size_t ip_len, header_len;

    if (frame.len < 14 + 20 || demo_wire_u16(frame.at + 12) != 0x0800) {
        return false;
    }
    ip = bytes_skip(frame, 14);
    header_len = (size_t)(ip.at[0] & 15) * 4;
    ip_len = demo_wire_u16(ip.at + 2);
    if (ip.at[9] != 6 || header_len < 20 || ip.len < header_len + 20) {
        return false;
    }
    /* Padding of short frames goes; a length of 0 is a packet that the kernel would cut up later. */
    if (ip_len >= header_len + 20 && ip_len < ip.len) {
        ip.len = ip_len;
    }
    tcp = bytes_skip(ip, header_len);
    if (demo_wire_u16(tcp.at) != port && demo_wire_u16(tcp.at + 2) != port) {
        return false;
    }
    header_len = (size_t)(tcp.at[12] >> 4) * 4;
    memcpy(out->key, ip.at + 12, 8);
    memcpy(out->key + 8, tcp.at, 4);
    out->seq = demo_wire_u32(tcp.at + 4);
    out->is_syn = (tcp.at[13] & 2) != 0;
    out->payload = bytes_skip(tcp, header_len);
    return header_len >= 20;
}

static void demo_wire_judge_clear(struct demo_wire_judge *judge)
{
    size_t cursor = 0;
    void *flow = NULL;

    while (map_next(&judge->flows, &cursor, NULL, &flow)) {
        free(flow);
    }
    map_clear(&judge->flows);
}

enum status demo_wire_judge(struct bytes capture, uint16_t port, struct bytes word,
                            struct demo_wire_verdict *out_verdict, struct failure *why)
{
    CLEARED(demo_wire_judge) judge = {.word = word, .port = port};
    struct bytes rest = capture;
    uint32_t magic = 0;

    if (rest.len >= 24) {
        memcpy(&magic, rest.at, sizeof magic); /* written by this machine: its own byte order */
    }
    if (magic != 0xa1b2c3d4u || word.len == 0 || word.len > DEMO_WIRE_WORD_MAX) {
        return fail(why, STATUS_PROTOCOL, "demo/pcap", "this is no capture of ours");
    }
    rest = bytes_skip(rest, 24);
    while (rest.len >= 16) {
        struct demo_wire_segment segment;
        uint32_t len;

        memcpy(&len, rest.at + 8, sizeof len);
        rest = bytes_skip(rest, 16);
        if (rest.len < len) {
            break;
        }
        if (demo_wire_open(bytes_make(rest.at, len), port, &segment)) {
            judge.seen.packets++;
            demo_wire_feed(&judge, &segment);
        }
        rest = bytes_skip(rest, len);
    }
    *out_verdict = judge.seen;
    return STATUS_OK;
}
