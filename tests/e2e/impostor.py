#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""impostor.py ADDRESS PORT CERTIFICATE KEY FILE: a TLS server that writes down all that it is told.

It offers h2 and sends an empty SETTINGS frame, so that a gRPC client that trusts it goes on to speak.
"""
import socket
import ssl
import sys
import threading


def hear(conn, context, path):
    try:
        with context.wrap_socket(conn, server_side=True) as stream:
            stream.settimeout(3)
            stream.sendall(b"\0\0\0\4\0\0\0\0\0")
            while True:
                heard = stream.recv(65536)
                if not heard:
                    return
                with open(path, "ab") as file:
                    file.write(heard)
    except OSError as error:
        print("error", error, flush=True)


def main(address, port, certificate, key, path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    open(path, "wb").close()
    server = socket.create_server((address, int(port)))
    print("ready", flush=True)
    while True:
        conn, peer = server.accept()
        print("accept", peer[0], flush=True)
        threading.Thread(target=hear, args=(conn, context, path), daemon=True).start()


main(*sys.argv[1:])
