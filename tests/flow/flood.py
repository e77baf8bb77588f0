#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""A stranger: pipelines requests at HTTP servers without end, over several connections at once.

usage: flood.py SECONDS CONNECTIONS ADDRESS:PORT/PATH...     prints what was answered, by server
"""
import selectors
import socket
import sys
import time

PIECE = 200  # requests written at once


class Stranger:
    def __init__(self, selector, target):
        host, _, rest = target.rpartition(":")
        port, _, path = rest.partition("/")
        self.selector, self.target, self.answers, self.connections = selector, target, 0, 0
        self.address = (host.strip("[]"), int(port))
        self.text = f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * PIECE

    def connect(self):
        sock = socket.socket(socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET)
        sock.setblocking(False)
        sock.connect_ex(self.address)
        self.connections += 1
        self.selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def ready(self, sock, events):
        try:
            if events & selectors.EVENT_READ:
                got = sock.recv(1 << 18)
                if not got:
                    raise ConnectionResetError
                self.answers += got.count(b"HTTP/1.1 200")
            if events & selectors.EVENT_WRITE:
                sock.send(self.text)  # cut anywhere: the server sees one stream, and may refuse it
        except BlockingIOError:
            pass
        except OSError:
            self.selector.unregister(sock)
            sock.close()
            self.connect()


def main():
    selector = selectors.DefaultSelector()
    until = time.monotonic() + float(sys.argv[1])
    strangers = [Stranger(selector, target) for target in sys.argv[3:]]
    for stranger in strangers:
        for _ in range(int(sys.argv[2])):
            stranger.connect()
    while time.monotonic() < until:
        for key, events in selector.select(0.5):
            key.data.ready(key.fileobj, events)
    for stranger in strangers:
        print(f"{stranger.target}: {stranger.answers} answers on {stranger.connections} connections")


main()
