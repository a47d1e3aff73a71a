"""Signals that an event loop hears: in a flood of them none that counts is lost, none a fault."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any, NamedTuple

_SIGNALS = 4096  # as many at once wake the loop once
_libc = ctypes.CDLL(None)


class Heard(NamedTuple):
    """What a signal does.

    Attributes:
        told: called by the loop, once for all that came before.
        afterwards: what it does when it is no longer heard: a handler of Python's, or the system's.
        at_once: called in the signal's handler, even if the loop hangs.
    """

    told: Callable[[], None]
    afterwards: Callable[[int, FrameType | None], Any] | signal.Handlers
    at_once: Callable[[], None] | None = None


@contextlib.contextmanager
def hearing(signals: dict[signal.Signals, Heard]) -> Iterator[None]:
    """Have the running loop hear signals meanwhile. For the main thread.

    Not `loop.add_signal_handler`, under which a flood of signals fills the socket that wakes the
    loop: then the one that asks for the end is lost, or CPython, which wants to tell of it from
    within the signal, waits for ever for a lock that the thread it interrupted holds.
    """
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_woken_by_signals(loop))
        for number, heard in signals.items():
            signal.signal(number, calling(loop, heard.told, heard.at_once))
            stack.callback(no_longer_hear, number, heard.afterwards)
        yield


@contextlib.contextmanager
def hearing_the_end(*numbers: signal.Signals) -> Iterator[asyncio.Future[signal.Signals]]:
    """Have the running loop hear what asks for the end; if it came, what comes later is ignored.

    Returns: as a future, the first that came.
    """
    told: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()

    def hear(number: signal.Signals) -> None:
        if not told.done():
            told.set_result(number)

    former = {number: signal.getsignal(number) for number in numbers}
    try:
        with hearing({each: Heard(partial(hear, each), signal.SIG_IGN) for each in numbers}):
            yield told
    finally:
        if not told.done():
            for number, handler in former.items():
                signal.signal(number, handler)


def no_longer_hear(
    number: signal.Signals, afterwards: Callable[[int, FrameType | None], Any] | signal.Handlers
) -> None:
    """Leave a signal to `afterwards`, a handler of Python's or what the system is to do with it.

    The system is told first: what comes between the steps of `signal.signal`, which tells it
    before it forgets the former handler, CPython would write to the log as a fault.
    """
    if isinstance(afterwards, signal.Handlers):
        _libc.signal(number, ctypes.c_void_p(afterwards))
    signal.signal(number, afterwards)


def calling(
    loop: asyncio.AbstractEventLoop, told: Callable[[], None], at_once: Callable[[], None] | None
) -> Callable[[int, FrameType | None], None]:
    """Return a handler of a signal that has the loop call `told`, once for all that came before.

    Signals may come faster than the loop is told, each within the handler of the one before.

    Args:
        at_once: called first, even if the loop hangs.
    """
    is_told = False

    def answer() -> None:
        nonlocal is_told
        is_told = False
        told()

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_told
        if at_once is not None:
            at_once()
        if not is_told:
            is_told = True
            loop.call_soon_threadsafe(answer)

    return handle


@contextlib.contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Have every signal end the wait of the loop, whichever thread it came to."""
    woken, waker = socket.socketpair()
    with woken, waker:
        woken.setblocking(False)
        waker.setblocking(False)
        loop.add_reader(woken, woken.recv, _SIGNALS)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            loop.remove_reader(woken)
