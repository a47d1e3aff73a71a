"""Asks whoever sits at the terminal, once, whether a larger model may be fetched."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

from imgvecd.api import Status
from imgvecd.terminal_output import warn

_PATIENCE_S = 30.0  # the daemon works meanwhile; only the progress bar waits
_LOOK_S = 5.0
_MOST_BYTES = 1024  # of an answer

Acting = Callable[[], Awaitable[object]]


def somebody_there() -> bool:
    """Return whether a person is at the terminal that this process was started from."""
    try:
        return (
            sys.stdin.isatty()
            and sys.stderr.isatty()
            # reading in the background would stop us
            and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
        )
    except (OSError, ValueError):
        return False


def asked_now() -> bool | None:
    """Return what a person answers before there is a daemon; None if it is to be asked later."""
    if not somebody_there():
        return None
    # numpy, which most commands can do without
    from imgvecd.core.library import model_choice  # noqa: PLC0415

    names = model_choice.auto_name(), model_choice.EMBEDDED
    warn(f"{_question(*names, model_choice.AUTO_DOWNLOAD_MB)} [y/n, Enter: later] ", end="")
    return _answer(sys.stdin.readline())


class DownloadQuestion:
    """Asks beside a running daemon, which does not wait for the answer.

    Args:
        fetch, stay: what is done when the answer is yes or no, for good.
    """

    def __init__(self, fetch: Acting, stay: Acting, patience_s: float = _PATIENCE_S) -> None:
        self._fetch, self._stay = fetch, stay
        self._patience_s = patience_s
        self._asked = False

    async def ask_if_due(self, now: Status) -> None:
        """Ask if a download waits for a yes, and wait a while for the answer."""
        move = now.move
        if move is None or not move.to_fetch_mb or self._asked or not somebody_there():
            return
        self._asked = True
        small = now.model.name
        warn(f"{_question(move.name, small, move.to_fetch_mb)} [y/n] ", end="")
        answer = await self._answered()
        if answer is None:
            warn("", f"{small} stays for now; `imgvec move resume` fetches {move.name}.")
        elif answer:
            await self._fetch()
            warn(f"{move.name} is fetched once all is indexed; `imgvec move stop` takes that back.")
        else:
            await self._stay()
            warn(f"{small} stays; `imgvec move resume` fetches {move.name} after all.")

    async def watch(self, status: Callable[[], Awaitable[Status]]) -> None:
        """Ask once it is due; return when that is done or will never be."""
        while not self._asked:
            now = await status()
            move = now.move
            if move is not None and (move.stopped or move.indexed):
                return
            if move is None and now.state != "starting":
                return
            await self.ask_if_due(now)
            await asyncio.sleep(_LOOK_S)

    async def _answered(self) -> bool | None:
        """Return what is typed; None if that is no answer, or does not come in time."""
        loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()
        typed: asyncio.Future[str] = loop.create_future()

        def take() -> None:
            loop.remove_reader(descriptor)
            data = os.read(descriptor, _MOST_BYTES) if somebody_there() else b""
            typed.set_result(data.decode(errors="replace"))

        loop.add_reader(descriptor, take)
        try:
            async with asyncio.timeout(self._patience_s):
                return _answer(await typed)
        except TimeoutError:
            return None
        finally:
            loop.remove_reader(descriptor)


def _question(name: str, small: str, size_mb: int) -> str:
    return f"May {name}, which finds better than {small}, be fetched ({size_mb} MB, once)?"


def _answer(line: str) -> bool | None:
    return {"y": True, "yes": True, "n": False, "no": False}.get(line.strip().lower())
