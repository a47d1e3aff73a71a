"""The command that makes a server come up: Wake-on-LAN, mostly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

_INTERVAL_S = 600.0  # between two runs: a machine that does not come up is not asked all night
_LONGEST_S = 60.0
_MOST_OUTPUT = 500  # bytes that are kept, for the log
_CHUNK = 4096


class WantedCommand:
    """Runs a command when somebody is wanted, at most every ten minutes and never two at once.

    For one event loop.

    Args:
        command: program and arguments; none runs nothing. No shell sees them.
        url: of the server, which the command finds in $IMGVECD_SERVER.
        clock: monotonic, in seconds.
    """

    def __init__(
        self, command: tuple[str, ...], url: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._command = command
        self._url = url
        self._clock = clock
        self._last = float("-inf")
        self._running: asyncio.Task[None] | None = None

    def want(self) -> None:
        """Run the command in the background, unless it ran lately."""
        now = self._clock()
        if self._command and now >= self._last + _INTERVAL_S:
            self._last = now
            self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End it, if it still runs."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        name = self._command[0]
        logger.info("%s is wanted: running %s", self._url, name)
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, "IMGVECD_SERVER": self._url},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            logger.warning("on_wanted: %s cannot be run: %s", name, error)
            return
        try:
            async with asyncio.timeout(_LONGEST_S):
                said = await _last_output(process)
                code = await process.wait()
            if code:
                logger.warning("on_wanted: %s ended with %d: %s", name, code, said)
        except TimeoutError:
            logger.warning("on_wanted: %s took longer than %g s and is ended", name, _LONGEST_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _last_output(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None  # noqa: S101  # asked for
    said = b""
    while chunk := await process.stdout.read(_CHUNK):
        said = (said + chunk)[-_MOST_OUTPUT:]
    return said.decode(errors="replace").strip()
