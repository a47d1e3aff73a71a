"""The command: starts the gateway, opens a browser, and waits until it is not needed any more."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import urllib.parse
import webbrowser

from imgvecd.client.browse.admission import TOKEN_S
from imgvecd.client.browse.gateway import Gateway
from imgvecd.client.query import read_image
from imgvecd.client.socket_path import socket_path
from imgvecd.errors import BadRequestError


def run(options: argparse.Namespace) -> int:
    """Serve the page until it is closed."""
    like = None if options.like is None else read_image(options.like)
    gateway = Gateway(socket_path(options.socket), query=" ".join(options.query), like=like)
    return asyncio.run(_serve(gateway, options))


async def _serve(gateway: Gateway, options: argparse.Namespace) -> int:
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(gateway.running(options.port))
        except OSError as error:
            raise BadRequestError(f"--port {options.port}: {error.strerror}") from error
        _show(gateway, no_open=options.no_open)
        why = await gateway.ended()
    print(f"imgvec browse: {why}", file=sys.stderr)
    return 0


def _show(gateway: Gateway, *, no_open: bool) -> None:
    address = gateway.admission.new_address()
    if not no_open and _has_desktop() and webbrowser.open(address):
        print("Your photos are open in the browser; Ctrl-C ends it.", flush=True)
        return
    port = urllib.parse.urlsplit(address).port
    print(f"Open this within {TOKEN_S:g} s; it works once:\n\n  {address}\n")
    if "SSH_CONNECTION" in os.environ:
        host = os.environ["SSH_CONNECTION"].split()[2]
        print(f"On the machine you sit at, first: ssh -L {port}:127.0.0.1:{port} {host}\n")
    print("Ctrl-C ends it.", flush=True)


def _has_desktop() -> bool:
    if sys.platform == "darwin":
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
