#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""wire.py INTERFACE FILE: every packet of the interface, raw, one after the other, until it is killed."""
import socket
import sys


def main(interface, path):
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 25)
    packets.bind((interface, 0))
    with open(path, "ab", buffering=0) as file:
        print("ready", flush=True)
        while True:
            file.write(packets.recv(1 << 18))


main(*sys.argv[1:])
