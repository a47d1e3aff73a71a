"""One thread for what may hang on a disk, and must not keep the process from ending."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

Result = TypeVar("Result")


class StepThread:
    """Does one thing after the other, in a thread that is started with the first. For one loop.

    It is kept, since the event loop stands still while a thread starts.
    """

    def __init__(self) -> None:
        self._todo: queue.SimpleQueue[Callable[[], None] | None] | None = None

    def do(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """Have work done; return what its result is, or its error, once it is done."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def tell(set_outcome: Callable[[], None]) -> None:
            if not future.done():
                set_outcome()

        def run() -> None:
            try:
                outcome = partial(future.set_result, work())
            except BaseException as error:  # noqa: BLE001  # whatever it is, it is the caller's
                outcome = partial(future.set_exception, error)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(tell, outcome)

        if self._todo is None:
            self._todo = queue.SimpleQueue()
            threading.Thread(
                target=_work_off, args=(self._todo,), name="reconcile", daemon=True
            ).start()
        self._todo.put(run)
        return future

    def close(self) -> None:
        """Let the thread end after what it is at; what comes next has one of its own."""
        if self._todo is not None:
            self._todo.put(None)
            self._todo = None


def _work_off(todo: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while (step := todo.get()) is not None:
        step()
        del step  # what it holds is not kept until the next one
