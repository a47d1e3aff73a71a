"""`imgvec browse`, and what puts it into the menus of desktops."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable

from imgvecd.client.http_connection import DaemonConnection
from imgvecd.client.output import Output
from imgvecd.client.socket_path import socket_path
from imgvecd.errors import ConfigError, ImgvecdError

_NOTIFY_S = 10.0


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands."""
    _add_browse(add)
    _add_desktop(add)


def _add_browse(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("browse", "look at your photos in a browser", browse)
    command.add_argument("query", nargs="*", help="what to search for at first")
    command.add_argument("--term", action="append", default=[], help=argparse.SUPPRESS)
    command.add_argument("--like", metavar="FILE", help="begin with photos like this image")
    command.add_argument(
        "--no-open", action="store_true", help="print the address instead of opening a browser"
    )
    command.add_argument(
        "--notify", action="store_true", help="show what goes wrong on the desktop, too, for menus"
    )
    command.add_argument(
        "--serve",
        action="store_true",
        help="for good, as `browse` in the configuration says: for a machine without a screen",
    )
    command.add_argument(
        "--port", type=_port, default=0, metavar="N", help="on this machine (default: a free one)"
    )


def _add_desktop(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "install-desktop",
        'put "Find similar photos" into the menus of Dolphin, Nautilus, Nemo, Thunar and KRunner',
        install_desktop,
    )
    command.add_argument("--remove", action="store_true", help="take all of it away again")
    add("krunner", "answer KRunner over D-Bus; the session bus starts it", krunner)


def browse(daemon: DaemonConnection, options: argparse.Namespace, _output: Output) -> int:
    """Serve the page to one browser until it is not needed any more."""
    if not options.serve:  # which may start before the daemon
        try:
            daemon.get("/v1/health")
        except ImgvecdError as error:
            if options.notify:
                _notify(str(error))
            raise
        daemon.close()
    from imgvecd.client.browse import command  # noqa: PLC0415  # it needs aiohttp

    return command.run(options)


def _notify(message: str) -> None:
    """Show a message where nobody sees standard error; without notify-send that has to do."""
    import subprocess  # noqa: PLC0415  # not for every start

    with contextlib.suppress(OSError):
        show = ("notify-send", "--app-name=imgvecd", "--", "imgvecd", message)
        subprocess.run(show, check=False, timeout=_NOTIFY_S)  # no shell


def install_desktop(_daemon: DaemonConnection, options: argparse.Namespace, _output: Output) -> int:
    """Write the entries of menus, for this user."""
    from imgvecd.client.desktop import command  # noqa: PLC0415  # not for every start

    return command.run(options)


def krunner(_daemon: DaemonConnection, options: argparse.Namespace, _output: Output) -> int:
    """Answer KRunner until it has not asked for a while."""
    import asyncio  # noqa: PLC0415  # not for every start

    try:
        from imgvecd.client.desktop import runner  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ConfigError("KRunner needs an extra: `pip install 'imgvecd[desktop]'`") from error
    return asyncio.run(runner.serve(socket_path(options.socket)))


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65536):  # noqa: PLR2004  # 16 bits
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, not {text!r}")
    return int(text)
