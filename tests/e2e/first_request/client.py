#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""client.py HOST PORT CERTS N: N new connections of mutual TLS, one request each; prints the median in ms.

As Python's ssl is used: Nagle's algorithm is on.
"""
import socket
import ssl
import statistics
import sys
import time

host, port, certs, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.load_verify_locations(f"{certs}/bundle.pem")
context.load_cert_chain(f"{certs}/web.pem", f"{certs}/web.key")
times = []
for _ in range(count):
    began = time.monotonic()
    with socket.create_connection((host, port), timeout=10) as plain:
        with context.wrap_socket(plain) as tls:
            tls.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            if not tls.recv(4096).startswith(b"HTTP/1.1 200"):
                sys.exit("no answer")
    times.append((time.monotonic() - began) * 1000)
print(f"{statistics.median(times):.1f}")
