"""One child process: starting it, asking it, ending it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence

import msgspec

import imgvecd
from imgvecd.errors import WorkerError
from imgvecd.processes.framing import Buffer, Closed, FrameError, pack, read_frame
from imgvecd.processes.worker_messages import Answer, Request, answer_decoder

logger = logging.getLogger(__name__)

_READ_AHEAD_BYTES = 4 << 20  # a whole answer fits: fewer pauses of the transport
_AT_ONCE = 1 << 18  # bytes that are sent before others are served
_EXIT_S = 5.0  # a worker whose channel was closed has this long to end by itself
_LINE_BYTES = 1 << 16  # longer lines on stderr lose their beginning


class Worker:
    """A child process that answers one request at a time.

    Its stdin is one end of a socket pair, and the only channel; what it prints on stdout or stderr
    is passed to `on_line`. When this process ends, the channel closes and the child ends too.
    Thread-safety: the event loop's thread only.
    """

    def __init__(
        self,
        name: str,
        process: asyncio.subprocess.Process,
        channel: socket.socket,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_line: Callable[[str], None],
        most_bytes: int,
    ) -> None:
        self._name = name
        self._most_bytes = most_bytes
        self._process = process
        self._channel = channel
        self._reader = reader
        self._writer = writer
        self._last_line = ""
        self._listening = asyncio.create_task(self._listen(on_line))

    @classmethod
    async def start(
        cls,
        name: str,
        module: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
        most_bytes: int,
    ) -> Worker:
        """Start `python -m module arguments`; its first answer says when it is ready.

        Args:
            most_bytes: of an answer's body; a worker that announces more is killed.

        Raises:
            WorkerError: the system refuses another process.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise WorkerError(f"no {name} can be started: {error.strerror}") from error
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # whatever lies in the current folder is not to be imported
                    "-m",
                    module,
                    *arguments,
                    stdin=theirs.fileno(),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    env={**os.environ, "PYTHONPATH": python_path(), **environment},
                    process_group=0,  # Ctrl-C is for the daemon, which ends its workers in order
                )
            except OSError as error:
                ours.close()
                raise WorkerError(f"no {name} can be started: {error.strerror}") from error
        reader, writer = await asyncio.open_connection(sock=ours, limit=_READ_AHEAD_BYTES)
        return cls(name, process, ours, reader, writer, on_line, most_bytes)

    @property
    def alive(self) -> bool:
        """Whether the process has not ended yet, as far as is known."""
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._process.pid

    async def ask(
        self, request: Request, body: Sequence[Buffer] = (), descriptor: int | None = None
    ) -> tuple[Answer, bytes]:
        """Send a request and return (answer, its body).

        Args:
            descriptor: of a file that the worker gets one of its own of.

        Raises:
            WorkerError: the worker ended, or answered nonsense (and was killed for it).
        """
        with contextlib.suppress(ConnectionError):  # the answer will say why
            lengths, *rest = pack(request, body)
            if descriptor is None:
                self._writer.write(lengths)
            else:  # nothing is on its way while the worker waits, so these few bytes fit
                socket.send_fds(self._channel, [lengths], [descriptor])
            for part in rest:
                # what is not taken at once is copied: of a picture of megabytes, bit by bit
                view = memoryview(part)
                for start in range(0, len(view), _AT_ONCE):
                    self._writer.write(view[start : start + _AT_ONCE])
                    await self._writer.drain()
        return await self.answer()

    async def answer(self) -> tuple[Answer, bytes]:
        """Return the next answer; errors as for `ask`."""
        try:
            header, body = await read_frame(self._reader, self._most_bytes)
            return answer_decoder.decode(header), body
        except Closed:
            raise WorkerError(f"the {self._name} ended: {await self._ending()}") from None
        except (FrameError, msgspec.MsgspecError) as error:
            self.kill()
            raise WorkerError(f"the {self._name}'s answer cannot be read: {error}") from error

    def kill(self) -> None:
        """End it at once, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """Close the channel, which tells the worker to end, and wait until it has."""
        self._writer.close()
        await self._ending()

    async def _ending(self) -> str:
        """Return how it ended, once it has; a worker that does not end is killed."""
        try:
            async with asyncio.timeout(_EXIT_S):
                code = await self._process.wait()
                await asyncio.shield(self._listening)
        except TimeoutError:
            self.kill()
            # gone in a moment, unless a disk holds it; its pipes close with it
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EXIT_S):
                    await self._process.wait()
            return "it does not respond"
        return _describe(code, self._last_line)

    async def _listen(self, on_line: Callable[[str], None]) -> None:
        """Pass on what the child prints; a progress bar rewrites its line with carriage returns."""
        assert self._process.stdout is not None  # noqa: S101  # asked for in `start`
        pending = b""
        while chunk := await self._process.stdout.read(_LINE_BYTES):
            *lines, pending = (pending + chunk).replace(b"\r", b"\n").split(b"\n")
            for line in filter(None, map(bytes.strip, lines)):
                self._last_line = line.decode(errors="replace")
                on_line(self._last_line)
            pending = pending[-_LINE_BYTES:]


def python_path() -> str:
    """Return where the child finds this very package, even when it was never installed."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(imgvecd.__file__)))
    return os.pathsep.join(filter(None, [own, os.environ.get("PYTHONPATH", "")]))


def _describe(code: int, last_line: str) -> str:
    if code > 0:
        return f"exit code {code} ({last_line})"
    if code == 0:
        return "without a reason"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
