#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stopping.py PORT WORD URL SECONDS: an HTTP server as app.py that stops as servers do.

At TERM it goes on. At USR1 it calls URL outwards (its pre-stop hook) and prints "hook STATUS"; at the next USR1
it ends. For neither it waits longer than so many seconds.
"""
import http.server
import signal
import socketserver
import sys
import threading
import urllib.request


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words):
        print("request", self.requestline, flush=True)

    def do_GET(self):
        word = sys.argv[2].encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(word)))
        self.end_headers()
        self.wfile.write(word)


def stop():
    step.acquire(timeout=float(sys.argv[4]))
    try:
        with urllib.request.urlopen(sys.argv[3], timeout=5) as answer:
            print("hook", answer.status, flush=True)
    except OSError as error:
        print("hook", error, flush=True)
    step.acquire(timeout=float(sys.argv[4]))
    server.shutdown()


server = Server(("0.0.0.0", int(sys.argv[1])), Handler)
step = threading.Semaphore(0)
signal.signal(signal.SIGUSR1, lambda *_: step.release())
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=stop).start())
print("ready", flush=True)
server.serve_forever()
