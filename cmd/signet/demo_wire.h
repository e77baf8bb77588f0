/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be read on a link: packets are caught into a pcap file, which is then judged.
 *
 * Judged is every byte of the TCP connections to one port. TLS has records, each with a header; a byte
 * that is in no record was sent in plain. Beside that a word is searched that the application says in
 * every request and answer. Neither needs the keys. A search that finds nothing proves something only
 * where it could have found it: the demo searches the application's own loopback in the same way.
 *
 * Source: RFC 8446 sections 4.1.3, 4.2.1 and 5.1; the pcap file format (magic a1b2c3d4, link type 1).
 */
#ifndef SIGNET_CMD_SIGNET_DEMO_WIRE_H
#define SIGNET_CMD_SIGNET_DEMO_WIRE_H

#include <sys/types.h>

#include "core/runtime/base/bytes.h"
#include "core/runtime/base/status.h"

#define DEMO_WIRE_FILE_MAX ((size_t)16 << 20) /* bytes after which a capture stops writing */

struct demo_wire_verdict {
    uint64_t packets;      /* IPv4 packets of TCP to or from the port */
    uint64_t tcp_bytes;    /* payload in them, each byte counted once */
    uint64_t record_bytes; /* of these in TLS records, headers included */
    uint64_t
        outside_bytes; /* of these in no TLS record, though the connection was seen from its start */
    uint64_t
        unjudged_bytes;   /* of these not judged: the start was not seen, or a packet is missing */
    uint64_t word_bytes;  /* bytes of the application's word that were found */
    uint64_t connections; /* directions of connections seen from their start */
    uint64_t server_hellos; /* TLS ServerHello messages */
    uint64_t tls13_hellos;  /* those that choose TLS 1.3 (0x0304) */
};

/*
 * demo_wire_judge reads a pcap file.
 *
 *   capture  the whole file
 *   port     of the server
 *   word     to search for; at least one byte
 *
 * STATUS_PROTOCOL "demo/pcap" when it is no such file; a last packet that is cut off is passed over.
 * Pure.
 */
enum status demo_wire_judge(struct bytes capture, uint16_t port, struct bytes word,
                            struct demo_wire_verdict *out_verdict, struct failure *why) MUST_USE;

/*
 * demo_wire_start begins to catch packets of `interface` in the namespace `netns` into the file
 * `path`, in a child, and returns when it does. End it with demo_wire_stop(). STATUS_IO "demo/capture".
 */
enum status demo_wire_start(const char *netns, const char *interface, const char *path,
                            pid_t *out_child, struct failure *why) MUST_USE;

/* demo_wire_stop lets the child write what it has, and ends it. */
void demo_wire_stop(pid_t *child);

#endif
