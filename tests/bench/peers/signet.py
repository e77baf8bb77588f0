# SPDX-License-Identifier: Apache-2.0
"""Signet: two signet-proxy processes in explicit mode, identity from files.

A peer description for the side-by-side bench harness, which finds it by BENCH_PEERS=tests/bench/peers.
The program is $SIGNET_PROXY, or bazel-bin/cmd/signet-proxy/signet-proxy of this tree.
"""
import os
import subprocess
import urllib.parse

TITLE = "Signet"
IDENTITY = "URI SAN, exact, both sides"

_HERE = os.path.dirname(os.path.realpath(__file__))
_BUILT = os.path.join(_HERE, "..", "..", "..", "bazel-bin", "cmd", "signet-proxy", "signet-proxy")


def binary():
    path = os.environ.get("SIGNET_PROXY") or os.path.normpath(_BUILT)
    return path if os.access(path, os.X_OK) else None


def version():
    out = subprocess.run([binary(), "--version"], capture_output=True, text=True).stdout
    return out.strip().removeprefix("signet-proxy ")


def _command(ctx, cert, key, own_id, listener):
    return [binary(), "--capture=explicit", listener, f"--chain-file={cert}", f"--key-file={key}",
            f"--bundle-file={ctx.ca}", f"--trust-domain={urllib.parse.urlparse(own_id).netloc}",
            f"--workers={ctx.workers}", f"--tls-groups={ctx.group}", "--access-log=off", "--log-level=error",
            "--drain-limit-ms=0",
            "--admin-address=off", "--metrics-address=off", "--health-address=off"]


def outbound(ctx):
    return _command(ctx, ctx.client_cert, ctx.client_key, ctx.client_id,
                    f"--outbound=127.0.0.1:{ctx.port_out}=127.0.0.1:{ctx.port_in},peer={ctx.server_id}")


def inbound(ctx):
    return _command(ctx, ctx.server_cert, ctx.server_key, ctx.server_id,
                    f"--inbound=127.0.0.1:{ctx.port_in}=127.0.0.1:{ctx.port_backend},peer={ctx.client_id}")
