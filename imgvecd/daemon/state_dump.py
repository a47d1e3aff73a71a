"""What goes on inside, written to a file for a bug report: SIGUSR1.

Tasks and threads with their stacks, the status, the latest log lines. Without names of photos:
stacks are code only, folders have numbers, and lines lose what may be a path.
"""

from __future__ import annotations

import asyncio
import collections
import gc
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from types import FrameType

import msgspec

import imgvecd
from imgvecd import api
from imgvecd.core.library.anonymity import Placeholders
from imgvecd.terminal_output import record_lines

FILE_NAME = "state-dump.txt"
_LINES = 200  # of the log: some minutes of indexing, days of rest
_TIME = "%Y-%m-%d %H:%M:%S %z"
_FORMAT = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")


class RecentLog(logging.Handler):
    """Keeps the latest lines of the log, but for those at debug level, which name photos."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(_FORMAT)
        self._lines: collections.deque[str] = collections.deque(maxlen=_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._lines.append("\n".join(record_lines(self.format(record))))

    def lines(self) -> list[str]:
        """Return the lines kept, oldest first."""
        return list(self._lines)


def placeholders(status: api.Status | None, state_dir: str) -> Placeholders:
    """Return what to show instead of the paths that a daemon knows."""
    names = Placeholders({os.path.expanduser("~"): "<home>", state_dir: "<state>"})
    return names if status is None else names.with_roots(root.path for root in status.roots)


def public_status(status: api.Status, names: Placeholders) -> api.Status:
    """Return the status without private names."""
    roots = tuple(
        msgspec.structs.replace(
            root,
            path=names.path(root.path),
            path_base64=None,
            offline_reason=root.offline_reason and names.text(root.offline_reason),
            warning=root.warning and names.text(root.warning),
        )
        for root in status.roots
    )
    model = msgspec.structs.replace(
        status.model,
        pretrained=_public_checkpoint(status.model.pretrained),
        note=status.model.note and names.text(status.model.note),
        error=status.model.error and names.text(status.model.error),
    )
    move = status.move and msgspec.structs.replace(
        status.move,
        pretrained=_public_checkpoint(status.move.pretrained),
        error=status.move.error and names.text(status.move.error),
    )
    warnings = tuple(map(names.text, status.warnings))
    shared = status.shared and msgspec.structs.replace(
        status.shared,
        source="<source>",
        engine=status.shared.engine.partition(" at ")[0],
        error=status.shared.error and names.text(status.shared.error),
    )
    return msgspec.structs.replace(
        status, roots=roots, model=model, move=move, warnings=warnings, shared=shared
    )


def write(state_dir: str, status: api.Status | None, log: RecentLog) -> str:
    """Write the dump over the one before it, and return its path. For the event loop's thread.

    Args:
        status: None if the daemon cannot tell.

    Raises:
        OSError: it cannot be written.
    """
    path = os.path.join(state_dir, FILE_NAME)
    text = render(status, log, placeholders(status, state_dir))
    part = path + ".part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    os.replace(part, path)  # who waits for it shall see the whole
    return path


def render(status: api.Status | None, log: RecentLog, names: Placeholders) -> str:
    """Return the dump; as for `write`."""
    parts = [f"imgvecd {imgvecd.__version__}, process {os.getpid()}, {time.strftime(_TIME)}"]
    parts += ["", "[memory]", *_memory(), f"open files: {_open_files()}"]
    parts += [f"gc: {gc.get_count()}, {gc.get_freeze_count()} objects are not looked at"]
    parts += ["", "[status]"]
    if status is None:
        parts.append("it does not answer")
    else:
        encoded = msgspec.json.encode(public_status(status, names))
        parts.append(msgspec.json.format(encoded).decode())
    tasks = sorted(asyncio.all_tasks(), key=lambda task: task.get_name())
    parts += ["", f"[tasks: {len(tasks)}]"]
    for task in tasks:
        parts += [task.get_name(), *_stack(_awaited(task.get_coro()), names)]
    titles = {thread.ident: thread.name for thread in threading.enumerate()}
    parts += ["", f"[threads: {len(titles)}]"]
    for ident, frame in sys._current_frames().items():  # noqa: SLF001  # public, though named so
        called = reversed(list(traceback.walk_stack(frame)))
        parts += [titles.get(ident, str(ident)), *_stack(called, names)]
    parts += ["", "[log]", names.text("\n".join(log.lines()))]
    return "\n".join(parts) + "\n"


def _awaited(waiting: object) -> Iterator[tuple[FrameType, int]]:
    """Yield (frame, line) of a suspended coroutine, and of each one that it waits for."""
    while True:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(waiting, f"{kind}_frame", None)
            if frame is not None:
                break
        else:
            return
        yield frame, frame.f_lineno
        waiting = getattr(waiting, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")


def _stack(frames: Iterable[tuple[FrameType, int]], names: Placeholders) -> list[str]:
    """Return frames as lines, outermost first; no source text, which would look like paths."""
    return [
        names.text(f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_name}')
        for frame, line in frames
    ]


def _public_checkpoint(pretrained: str) -> str:
    return "<file>" if os.path.sep in pretrained else pretrained


def _memory() -> list[str]:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return [line.strip() for line in file if line.startswith(("VmRSS", "VmHWM", "Threads"))]
    except OSError:
        return []


def _open_files() -> int | str:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return "unknown"
