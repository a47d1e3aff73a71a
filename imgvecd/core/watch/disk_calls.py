"""Calls to a disk that may never return: a network drive that went away holds a thread for ever.

Nothing can end such a call. So it is made in a thread that can be left behind, and until it returns
nothing below the same place is asked for.
"""

from __future__ import annotations

import concurrent.futures
import errno
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")
_Work = tuple[Callable[[], Any], "concurrent.futures.Future[Any]"]

STALL_S = 15.0
"""The slowest disks need ten seconds to spin up; a folder of a hundred thousand files takes one."""

MOST_STUCK = 4
"""Calls that hang, before nothing is asked of any disk that has one: threads are memory."""


class DiskCalls:
    """Makes calls and gives them up. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[_Work | None]] = []
        self._stuck: dict[queue.SimpleQueue[_Work | None], tuple[bytes, bytes]] = {}

    def call(
        self,
        root: bytes,
        place: bytes,
        work: Callable[[], Result],
        dispose: Callable[[Result], object] = lambda _: None,
    ) -> Result:
        """Return what `work` returns.

        Args:
            root: absolute path of the root that the place belongs to.
            place: absolute path of the folder that is asked for.
            dispose: called with a result that comes after all.

        Raises:
            OSError: as `work` does; with ETIMEDOUT, the drive does not answer.
        """
        with self._lock:
            if self._is_stuck(root, place):
                raise _no_answer(place)
            worker = self._idle.pop() if self._idle else self._start()
        done: concurrent.futures.Future[Result] = concurrent.futures.Future()
        worker.put((work, done))
        finished, _ = concurrent.futures.wait([done], STALL_S)
        if not finished:
            with self._lock:
                self._stuck[worker] = (root, place)
            done.add_done_callback(lambda late: self._answered(worker, late, dispose))
            raise _no_answer(place)
        with self._lock:
            self._idle.append(worker)
        return done.result()

    def close(self) -> None:
        """Let the threads end that wait for nothing."""
        with self._lock:
            while self._idle:
                self._idle.pop().put(None)

    def _is_stuck(self, root: bytes, place: bytes) -> bool:
        of_root = [where for other, where in self._stuck.values() if other == root]
        return len(of_root) >= MOST_STUCK or any(
            place == where or place.startswith(where.rstrip(b"/") + b"/") for where in of_root
        )

    def _answered(
        self,
        worker: queue.SimpleQueue[_Work | None],
        late: concurrent.futures.Future[Result],
        dispose: Callable[[Result], object],
    ) -> None:
        with self._lock:
            self._stuck.pop(worker, None)
            self._idle.append(worker)
        if late.exception() is None:
            dispose(late.result())

    @staticmethod
    def _start() -> queue.SimpleQueue[_Work | None]:
        todo: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        # a daemon: the end of the process must not wait for a drive
        threading.Thread(target=_work_off, args=(todo,), name="list", daemon=True).start()
        return todo


def _work_off(todo: queue.SimpleQueue[_Work | None]) -> None:
    while True:
        item = todo.get()
        if item is None:
            return
        work, done = item
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is the caller's
            done.set_exception(error)
        else:
            done.set_result(result)


def _no_answer(place: bytes) -> OSError:
    return OSError(errno.ETIMEDOUT, "its drive does not answer", place)
