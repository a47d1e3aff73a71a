"""Opening files for workers, in threads that may be left alone: a drive may never answer."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future

from imgvecd.errors import UnreadableImageError

_MOST_STUCK = 16  # opens that hang and were given up, before further ones are refused


class Opening:
    """Opens files without blocking the event loop. For the event loop's thread only.

    Args:
        opener: returns a descriptor of a file; it may block, and raise.
    """

    def __init__(self, opener: Callable[[bytes], int]) -> None:
        self._opener = opener
        self._left_alone: list[Future[int]] = []

    async def descriptor(self, path: bytes) -> int:
        """Return a descriptor of the file, to be closed by the caller.

        Raises:
            UnreadableImageError: "changed", too many files hang; or what the opener raises.
            Exception: what else the opener raises.
        """
        self._left_alone = [opened for opened in self._left_alone if not opened.done()]
        if len(self._left_alone) >= _MOST_STUCK:
            raise UnreadableImageError("changed", "a drive does not answer")
        opened: Future[int] = Future()
        opened.set_running_or_notify_cancel()  # it cannot be called back
        threading.Thread(target=self._open, args=(path, opened), daemon=True).start()
        arriving = asyncio.wrap_future(opened)
        try:
            return await asyncio.shield(arriving)
        except asyncio.CancelledError:
            self._left_alone.append(opened)
            arriving.add_done_callback(lambda end: end.cancelled() or end.exception())  # heard
            opened.add_done_callback(_close)
            raise

    def _open(self, path: bytes, opened: Future[int]) -> None:
        try:
            opened.set_result(self._opener(path))
        except Exception as error:  # noqa: BLE001  # told to whoever waits
            opened.set_exception(error)


def _close(opened: Future[int]) -> None:
    if opened.exception() is None:
        os.close(opened.result())
