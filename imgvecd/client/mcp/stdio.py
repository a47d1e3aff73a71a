"""The server on stdin and stdout, a message a line: `serve`, and the command that starts it."""

from __future__ import annotations

import argparse
import contextlib
import queue
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO

from imgvecd.client.mcp.protocol import LONGEST_LINE, McpServer, is_ping, too_long
from imgvecd.client.mcp.tools import tools
from imgvecd.client.sdk import Client

_MOST_WAITING = 16  # then nothing more is read until one is answered


def run(options: argparse.Namespace) -> int:
    """Serve until stdin ends."""
    with Client(options.socket) as client:
        server = McpServer(client, tools(write=options.write))
        serve(server, sys.stdin.buffer, sys.stdout.buffer)
    return 0


def serve(server: McpServer, source: BinaryIO, target: BinaryIO) -> None:
    """Answer every line of `source` on `target`, in order; pings at once."""
    waiting: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
    writing = threading.Lock()

    def say(answer: bytes | None) -> None:
        if answer is not None:
            # whoever does not listen any more ends stdin, too
            with writing, contextlib.suppress(BrokenPipeError):
                target.write(answer + b"\n")
                target.flush()

    def work() -> None:
        while (line := waiting.get()) is not None:
            say(server.answer(line))

    worker = threading.Thread(target=work, name="tools", daemon=True)
    worker.start()
    for line in _lines(source):
        if line is None:
            say(too_long())
        elif is_ping(line):
            say(server.answer(line))
        elif line.strip():
            waiting.put(line)
    waiting.put(None)
    worker.join()


def _lines(source: BinaryIO) -> Iterator[bytes | None]:
    """Yield the lines; None for one that is too long, which is read over."""
    while line := source.readline(LONGEST_LINE + 1):
        if len(line) <= LONGEST_LINE or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = source.readline(LONGEST_LINE)
        yield None
