#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""app.py PORT WORD: an HTTP server that knows nothing of TLS, on IPv4 and IPv6.

Prints "accept ADDRESS" for each connection and the request line of each request. / answers with the word;
/slow/SECONDS sends a chunk of it ten times a second for so long.
"""
import http.server
import socket
import socketserver
import sys
import time


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def process_request(self, request, client_address):
        print("accept", client_address[0].removeprefix("::ffff:"), flush=True)
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        print("error", sys.exc_info()[1], flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        print("request", self.requestline, flush=True)

    def do_GET(self):
        word = sys.argv[2].encode() + b"\n"
        seconds = float(self.path.removeprefix("/slow/")) if self.path.startswith("/slow/") else 0
        chunks = max(1, int(seconds * 10))
        self.send_response(200)
        self.send_header("Content-Length", str(len(word) * chunks))
        self.end_headers()
        for _ in range(chunks):
            self.wfile.write(word)
            if seconds:
                time.sleep(0.1)


server = Server(("::", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
