"""`imgvecd bugreport`: all that helps to find a fault, and nothing that tells of the photos."""

from __future__ import annotations

import argparse
import collections
import contextlib
import getpass
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import msgspec

import imgvecd
from imgvecd import api
from imgvecd.cli.settings import add_flags, load_config
from imgvecd.client.http_connection import DaemonConnection, read
from imgvecd.config import paths
from imgvecd.config.load import config_path
from imgvecd.config.schema import Config, expand
from imgvecd.core.library.anonymity import Placeholders
from imgvecd.errors import ConfigError, ImgvecdError
from imgvecd.spelling import on_disk
from imgvecd.terminal_output import say, warn, write_lines

_JOURNAL_LINES = 200
_FAILURES = 10_000  # are counted; more would keep a daemon busy that may have trouble enough
_PAGE = 1000
_DUMP_S = 10.0  # a daemon that writes no state dump by then hangs
_TIMEOUT_S = 20.0
_LIMITS = (
    "fs/inotify/max_user_watches",
    "fs/inotify/max_user_instances",
    "fs/inotify/max_queued_events",
    "vm/max_map_count",
    "vm/overcommit_memory",
)
# Settings whose value is one of a few words of ours; all other text may be a name.
_OPEN_TEXT = re.compile(r"[a-z0-9_]*|ViT-[\w-]+|imgvecd-mini")


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "bugreport",
        help="gather what helps to find a fault, without private names",
        description="Print versions, system, configuration, status, failures by reason, and the "
        "latest log lines, if the daemon runs with a dump of its state. Paths are replaced by "
        "placeholders; names of photos and words of queries do not appear.",
    )
    add_flags(command)
    command.add_argument("--output", metavar="FILE", help="write to FILE (default: print)")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print or write the report."""
    lines = _report(options)
    if options.output is None:
        write_lines("\n".join([*lines, ""]).encode())
    else:
        try:
            with open(options.output, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
        except OSError as error:
            raise ConfigError(f"{options.output}: {error.strerror}.") from error
        say(f"Wrote {options.output}.")
    warn("Names of photos and folders are left out; read it before you send it.")
    return 0


def _report(options: argparse.Namespace) -> Iterator[str]:
    yield from _section("versions", _versions())
    try:
        config, refused = load_config(options), None
    except ConfigError as error:
        config, refused = Config(), error
    names = _names(config, options)
    state = config.state_path()
    socket = options.socket or os.environ.get("IMGVECD_SOCKET") or config.server.socket
    daemon = DaemonConnection(expand(socket) if socket else paths.socket(), _TIMEOUT_S)
    status, why_not = _status(daemon)
    if status is not None:
        names = names.with_roots(root.path for root in status.roots)
    yield from _section("system", _system())
    yield from _section("file systems", _file_systems(config, state, names))
    if refused is not None:
        yield from _section("configuration", [f"refused: {names.text(str(refused))}"])
    else:
        yield from _section("configuration", _configuration(config))
    if status is None:
        yield from _section("daemon", [f"no answer: {names.text(why_not)}"])
    else:
        yield from _section("counts", _counts(daemon, names))
    yield from _section("journal", map(names.text, _journal()))
    if status is not None:
        yield from _section("state dump", _dump(status.pid, state))


def _section(title: str, lines: Iterator[str] | list[str]) -> Iterator[str]:
    yield f"[{title}]"
    yield from lines
    yield ""


def _names(config: Config, options: argparse.Namespace) -> Placeholders:
    others = {
        os.path.expanduser("~"): "<home>",
        config_path() or paths.config_file(): "<config>",
        config.state_path(): "<state>",
        os.getcwd(): "<here>",
    }
    if options.config:
        others[os.path.abspath(options.config)] = "<config>"
    return Placeholders(others).with_roots(
        os.fsdecode(on_disk(os.fsencode(root.path))) for root in config.root_configs()
    )


def _versions() -> Iterator[str]:
    import importlib.metadata  # noqa: PLC0415  # no other command needs it

    yield f"imgvecd {imgvecd.__version__}"
    yield f"Python {platform.python_version()} ({platform.python_implementation()})"
    wanted = [text for text in importlib.metadata.requires("imgvecd") or [] if ";" not in text]
    for name in sorted({re.split(r"[^\w-]", text, maxsplit=1)[0] for text in wanted}):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield f"{name} {importlib.metadata.version(name)}"


def _system() -> Iterator[str]:
    yield f"{platform.system()} {platform.release()}, {platform.machine()}"
    with contextlib.suppress(OSError):
        yield platform.freedesktop_os_release().get("PRETTY_NAME", "")
    yield " ".join(["libc", *platform.libc_ver()])
    yield f"{os.cpu_count()} cores, {len(os.sched_getaffinity(0))} of them for us"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield f"{memory / 1e9:.1f} GB of memory"
    for limit in _LIMITS:
        with contextlib.suppress(OSError), open(f"/proc/sys/{limit}", encoding="ascii") as file:
            yield f"{limit}: {file.read().strip()}"


def _file_systems(config: Config, state: str, names: Placeholders) -> Iterator[str]:
    from imgvecd.wiring import parts  # noqa: PLC0415  # Faiss and aiohttp, which other commands can do without

    for path in [state, *(root.path for root in config.root_configs())]:
        kind = parts.filesystem_type(path) or "unknown"
        try:
            usage = shutil.disk_usage(path)
        except OSError as error:
            yield f"{names.path(path)}: {kind}, {error.strerror}"
        else:
            free = f"{usage.free / 1e9:.1f} of {usage.total / 1e9:.1f} GB free"
            yield f"{names.path(path)}: {kind}, {free}"


def _configuration(config: Config) -> Iterator[str]:
    """Yield every setting: numbers and our own words as they are, other text as `<text>`."""
    yield f"roots: {len(config.roots)}"
    for key, value in _flat(msgspec.to_builtins(config), ""):
        if not key.startswith("roots"):
            hidden = isinstance(value, str) and not _OPEN_TEXT.fullmatch(value)
            yield f"{key}: {'<text>' if hidden else json.dumps(value)}"


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  # JSON is any
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list | tuple):
        yield key, len(value)
    else:
        yield key, value


def _status(daemon: DaemonConnection) -> tuple[api.Status | None, str]:
    try:
        return read(daemon.get("/v1/status"), api.Status), ""
    except ImgvecdError as error:
        return None, str(error)


def _counts(daemon: DaemonConnection, names: Placeholders) -> Iterator[str]:
    try:
        stats = read(daemon.get("/v1/stats"), api.Stats)
        counts = msgspec.structs.replace(stats, oldest_taken_at=None, newest_taken_at=None)
        yield from msgspec.json.format(msgspec.json.encode(counts)).decode().splitlines()
        reasons: collections.Counter[str] = collections.Counter()
        after: int | None = -1
        while after is not None and reasons.total() < _FAILURES:
            page = read(daemon.get(f"/v1/failures?after={after}&limit={_PAGE}"), api.FailureList)
            reasons.update(failure.reason for failure in page.failures)
            after = page.next_after
        yield f"failures by reason: {json.dumps(dict(reasons.most_common()))}"
        health = read(daemon.get("/v1/health"), api.Health)
        yield names.text("; ".join(["health: " + health.status, *health.reasons]))
    except ImgvecdError as error:
        yield f"no answer: {names.text(str(error))}"


def _journal() -> Iterator[str]:
    """Yield the latest lines that systemd has of the daemon, without those that name photos."""
    command = ["journalctl", "--output=json", f"--lines={_JOURNAL_LINES}", "--no-pager", "--quiet"]
    for unit in (["--user", "--unit=imgvecd"], [f"--unit=imgvecd@{getpass.getuser()}"]):
        try:
            done = subprocess.run(
                [*command, *unit], capture_output=True, timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        for line in done.stdout.splitlines():
            entry = json.loads(line)
            message = entry.get("MESSAGE")
            if isinstance(message, str) and not message.startswith("DEBUG"):
                at = time.gmtime(int(entry["__REALTIME_TIMESTAMP"]) // 1_000_000)
                yield f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', at)} {message}"


def _dump(pid: int, state: str) -> list[str]:
    """Have the daemon write its state, and return it; it holds no private names."""
    from imgvecd.daemon import state_dump  # noqa: PLC0415  # asyncio, for this command alone

    path = os.path.join(state, state_dump.FILE_NAME)
    before = _changed_ns(path)
    try:
        os.kill(pid, signal.SIGUSR1)
    except OSError as error:
        return [f"not available: {error.strerror}"]
    deadline = time.monotonic() + _DUMP_S
    while _changed_ns(path) == before:
        if time.monotonic() > deadline:
            return ["the daemon did not write it in time"]
        time.sleep(0.05)
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def _changed_ns(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
