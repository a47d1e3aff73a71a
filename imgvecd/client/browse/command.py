"""The command: starts the gateway, opens a browser, and waits until it is not needed any more."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import urllib.parse
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imgvecd.client.browse.admission import TOKEN_S, OneBrowser, SecretHolders
from imgvecd.client.query import read_image
from imgvecd.client.socket_path import socket_path
from imgvecd.config.load import load
from imgvecd.config.schema import BrowseConfig, expand, split_listen
from imgvecd.errors import BadRequestError, ConfigError
from imgvecd.heard_signals import hearing_the_end
from imgvecd.secret_file import read_secret_file
from imgvecd.terminal_output import flush, say, warn

if TYPE_CHECKING:
    from imgvecd.client.browse.gateway import Gateway


def run(options: argparse.Namespace) -> int:
    """Serve the page until it is closed; with `--serve`, as configured and until stopped."""
    like = None if options.like is None else read_image(options.like)
    socket_file = socket_path(options.socket)
    # those with a minus come apart, as `protect_negatives` leaves them
    query = " ".join([*options.query, *options.term])

    def gateway() -> Gateway:
        # aiohttp takes a while to import
        from imgvecd.client.browse.gateway import Gateway  # noqa: PLC0415

        return Gateway(socket_file, query=query, like=like)

    try:
        if options.serve:
            return asyncio.run(_serve_for_good(gateway(), load().browse))
        return _serve(gateway, options)
    except OSError as error:
        raise BadRequestError(f"{error.strerror or error}: another --port may do") from error


def _serve(make: Callable[[], Gateway], options: argparse.Namespace) -> int:
    with socket.create_server(("127.0.0.1", options.port)) as listener:
        admission = OneBrowser(listener.getsockname()[1])
        # the browser starts while the gateway is made; what it asks meanwhile waits
        _show(admission.new_address(), no_open=options.no_open)
        gateway = make()

        async def until_ended() -> str | None:
            with hearing_the_end(signal.SIGINT) as told:
                async with gateway.running(listener, admission):
                    ended = asyncio.create_task(gateway.ended())
                    either: set[asyncio.Future[Any]] = {ended, told}
                    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                    ended.cancel()
            return None if told.done() else ended.result()

        why = asyncio.run(until_ended())
    if why is None:
        return 128 + signal.SIGINT
    warn(f"imgvec browse: {why}")
    return 0


async def _serve_for_good(gateway: Gateway, config: BrowseConfig) -> int:
    if not config.listen:
        raise ConfigError("browse.listen: `imgvec browse --serve` needs ADDRESS:PORT to listen on.")
    host, port = split_listen(config.listen)
    origin = config.origin or f"http://{config.listen}"
    admission = SecretHolders(origin, read_secret(config.secret_file))
    family = socket.AF_INET6 if config.listen.startswith("[") else socket.AF_INET
    with (
        # before anybody can see that it runs; as the first process of a container nothing else
        # ends it
        hearing_the_end(signal.SIGTERM, signal.SIGINT) as told,
        socket.create_server((host, port), family=family) as listener,
    ):
        async with gateway.running(listener, admission):
            say(f"imgvec browse: {origin} (on {config.listen})")
            flush()
            number = await told
    return 0 if number == signal.SIGTERM else 128 + number


def read_secret(path: str) -> str:
    """Return the secret in a file that nobody else can read.

    Raises:
        ConfigError: there is none, or others can read it.
    """
    if not path:
        raise ConfigError(
            "browse.secret_file: browse.listen needs a secret: openssl rand -base64 32 > FILE, "
            "chmod 600 FILE, and name it here."
        )
    full = expand(path)
    return read_secret_file(full, "browse.secret_file").decode("ascii", errors="replace").strip()


def _show(address: str, *, no_open: bool) -> None:
    if not no_open and _has_desktop() and webbrowser.open(address):
        say("Your photos are open in the browser; Ctrl-C stops the page.")
        flush()
        return
    port = urllib.parse.urlsplit(address).port
    say(f"Open this within {TOKEN_S:g} s; it works once:", "", f"  {address}", "")
    if "SSH_CONNECTION" in os.environ:
        host = os.environ["SSH_CONNECTION"].split()[2]
        say(f"On the machine you sit at, first: ssh -L {port}:127.0.0.1:{port} {host}", "")
    say("Ctrl-C ends it.")
    flush()


def _has_desktop() -> bool:
    if sys.platform == "darwin":
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
