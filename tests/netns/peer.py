#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The two ends of a test connection.

    peer.py listen NAME PORT...      on each port, both families: greet with
                                     "NAME PORT meant ADDRESS PORT from ADDRESS", then echo
    peer.py dial ADDRESS PORT        connect, print the greeting or the error's name; LIMIT_S=12: wait longer than 3 s
    peer.py hold ADDRESS PORT        connect, print the greeting; then for each line on standard input
                                     send it and print the echo
"""

import errno
import os
import selectors
import socket
import struct
import sys

SO_ORIGINAL_DST = 80
LIMIT_S = float(os.environ.get("LIMIT_S", 3))


def meant(conn):
    """Where the client wanted to go: what connection tracking remembers, else the address it reached."""
    try:
        return tracked(conn)
    except OSError:
        address, port = conn.getsockname()[:2]
        return address.removeprefix("::ffff:"), port


def tracked(conn):
    local = conn.getsockname()[0]
    if local.startswith("::ffff:") or ":" not in local:
        raw = conn.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
        return socket.inet_ntop(socket.AF_INET, raw[4:8]), struct.unpack("!H", raw[2:4])[0]
    raw = conn.getsockopt(socket.IPPROTO_IPV6, SO_ORIGINAL_DST, 28)
    return socket.inet_ntop(socket.AF_INET6, raw[8:24]), struct.unpack("!H", raw[2:4])[0]


def listen(name, ports):
    ready = selectors.DefaultSelector()
    for port in ports:
        server = socket.socket(socket.AF_INET6)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", port))
        server.listen(64)
        ready.register(server, selectors.EVENT_READ, port)
    print("ready", flush=True)
    while True:
        for key, _ in ready.select():
            if key.data is None:
                try:
                    data = key.fileobj.recv(65536)
                except OSError:
                    data = b""
                if data:
                    key.fileobj.sendall(data)
                else:
                    ready.unregister(key.fileobj)
                    key.fileobj.close()
                continue
            conn, peer = key.fileobj.accept()
            address, port = meant(conn)
            greeting = f"{name} {key.data} meant {address} {port} from {peer[0].removeprefix('::ffff:')}"
            print(greeting, flush=True)
            try:
                conn.sendall(greeting.encode() + b"\n")
                ready.register(conn, selectors.EVENT_READ, None)
            except OSError:
                conn.close()


def dial(address, port):
    conn = socket.create_connection((address, port), timeout=LIMIT_S)
    lines = conn.makefile("r")
    print(lines.readline().strip(), flush=True)
    return conn, lines


def hold(address, port):
    conn, lines = dial(address, port)
    for line in sys.stdin:
        conn.sendall(line.encode())
        print(lines.readline().strip(), flush=True)


def main(arguments):
    what = arguments[0]
    try:
        if what == "listen":
            listen(arguments[1], [int(port) for port in arguments[2:]])
        elif what == "dial":
            dial(arguments[1], int(arguments[2]))
        else:
            hold(arguments[1], int(arguments[2]))
    except TimeoutError:
        print("ETIMEDOUT")
        return 1
    except OSError as error:
        print(errno.errorcode.get(error.errno, str(error)))
        return 1
    return 0


sys.exit(main(sys.argv[1:]))
