#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""app.py PORT: answers whatever comes with one short HTTP answer, in one write, and closes."""
import socket
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64) as server:
    print("ready", flush=True)
    while True:
        with server.accept()[0] as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if connection.recv(4096):
                connection.sendall(ANSWER)
