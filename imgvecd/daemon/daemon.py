"""The daemon's life: everything is started, runs until told to stop, and is stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import itertools
import logging
import math
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Protocol

from imgvecd import api
from imgvecd.core.library.catalog_maintenance import CatalogMaintenance
from imgvecd.core.library.engine import Engine
from imgvecd.core.threads import ALIVE
from imgvecd.core.watch import Reconciler
from imgvecd.daemon import state_dump
from imgvecd.daemon.status_line import status_line
from imgvecd.daemon.systemd_notify import Notifier
from imgvecd.errors import ImgvecdError
from imgvecd.heard_signals import Heard, hearing

logger = logging.getLogger(__name__)

STOP_S = 45.0
"""A stop that takes longer ends at once, with every thread's stack in the log.

The units wait for 60 s.
"""

_STATE_LOOK_S = 5.0  # somebody may put another state directory in its place
_TELL_S = 3.0  # between two lines for `systemctl status`: often enough to see it move
_REST = 20  # turns between two looks while nothing goes on: a folder may have gone offline
_STACKS_S = 0.2  # between two writings of stacks; one takes some milliseconds
_STATUS_S = 5.0  # a state dump goes without a status that takes longer


class Closing(Protocol):
    """Something that runs until it is closed."""

    async def close(self) -> None:
        """Stop it; harmless when repeated."""
        ...

    async def failed(self) -> None:
        """Return never; raise ImgvecdError if it cannot go on."""
        ...


class Observed(Protocol):
    """What tells how the daemon fares."""

    @property
    def working(self) -> bool:
        """Whether anything is going on that changes the status; asking costs nothing."""
        ...

    async def status(self) -> api.Status:
        """Return what the daemon is doing."""
        ...

    async def alive(self) -> None:
        """Return if catalog and index answer.

        Raises:
            ImgvecdError: they do not.
        """
        ...


class Daemon:
    """Runs an engine, a reconciler, maintenance and a server together. For one event loop, once.

    Args:
        serve: starts the server and returns once clients can connect.
        reload: reads the configuration again and applies it, on SIGHUP.
        observed: is asked for the service manager's status line and watchdog, and on SIGUSR1.
        state_dir: where SIGUSR1 writes.
        require_state: raises ImgvecdError if the state directory was replaced; blocks.
        accompany: runs beside the daemon for a person who looks on, or None.
    """

    def __init__(
        self,
        engine: Engine,
        reconciler: Reconciler,
        catalog_maintenance: CatalogMaintenance,
        serve: Callable[[], Awaitable[Closing]],
        reload: Callable[[], Awaitable[None]],
        observed: Observed,
        state_dir: str,
        require_state: Callable[[], None],
        accompany: Callable[[], Coroutine[Any, Any, None]] | None,
    ) -> None:
        self._engine = engine
        self._reconciler = reconciler
        self._catalog_maintenance = catalog_maintenance
        self._serve = serve
        self._reload = reload
        self._observed = observed
        self._state_dir = state_dir
        self._require_state = require_state
        self._accompany = accompany
        self._stop = asyncio.Event()
        self._reload_wanted = asyncio.Event()
        self._dump_wanted = asyncio.Event()
        self._notifier = Notifier()
        self._log = state_dump.RecentLog()

    async def run(self) -> None:
        """Return after SIGTERM or SIGINT, with everything committed and checkpointed.

        Raises:
            AlreadyRunningError: another daemon has the socket.
            CatalogDamagedError: the catalog is to be restored; everything is closed.
            Exception: a part failed in a way that nobody foresaw.
        """
        async with AsyncExitStack() as stack:
            self._hear_signals(stack)
            # the socket first: whether another daemon runs is known before anything is touched
            server = await self._serve()
            stack.push_async_callback(server.close)
            engine = self._engine.start()
            stack.push_async_callback(self._engine.stop)
            self._notifier.ready()
            # a folder on a dead network drive must keep neither searches nor a stop waiting
            watching = asyncio.create_task(self._reconciler.start(), name="start watching")
            stack.push_async_callback(self._reconciler.stop)
            stack.push_async_callback(_cancel, watching)
            for name, work in self._beside(watching).items():
                stack.push_async_callback(_cancel, asyncio.create_task(work, name=name))
            stopped = asyncio.create_task(self._stop.wait(), name="wait for the end")
            caring = asyncio.create_task(
                self._catalog_maintenance.run(), name="take care of the catalog"
            )
            failing = asyncio.create_task(self._fail(server), name="look whether all is there")
            for task in (caring, failing):
                stack.push_async_callback(_cancel, task)
            await _first({stopped, engine, caring, failing}, unless_failed=watching)
            self._notifier.stopping()
            self._notifier.status("stopping")
            logger.info("stopping")
            # never cancelled: the end of the process lies beyond this, and may hang as well
            faulthandler.dump_traceback_later(STOP_S, exit=True)
            await server.close()  # what still comes would start workers anew
            for task in (engine, caring, failing):
                if task.done() and not task.cancelled():  # as what it waits for was, by the close
                    task.result()

    async def _fail(self, server: Closing) -> None:
        """Return never; raise ImgvecdError once socket or state directory are another's."""
        failed = asyncio.ensure_future(server.failed())
        try:
            while not (await asyncio.wait([failed], timeout=_STATE_LOOK_S))[0]:
                await ALIVE.run(self._require_state)
        finally:
            failed.cancel()
        await failed

    def _hear_signals(self, stack: AsyncExitStack) -> None:
        logging.getLogger("imgvecd").addHandler(self._log)
        stack.callback(logging.getLogger("imgvecd").removeHandler, self._log)
        on_terminal = _on_terminal()
        heard = {
            signal.SIGTERM: Heard(lambda: self._on_stop(signal.SIGTERM), signal.SIG_DFL),
            signal.SIGINT: Heard(lambda: self._on_stop(signal.SIGINT), signal.default_int_handler),
            # they would end the process by default, in the little that is left to do
            signal.SIGHUP: Heard(lambda: self._on_hangup(on_terminal), signal.SIG_IGN),
            signal.SIGUSR1: Heard(self._dump_wanted.set, signal.SIG_IGN, _Stacks().write),
        }
        stack.enter_context(hearing(heard))
        # whoever started us may have them wait until here
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP, signal.SIGUSR1})
        faulthandler.enable()  # systemd's watchdog ends us by SIGABRT: the log shall say where

    def _on_stop(self, number: int) -> None:
        if self._stop.is_set():
            # what is committed is safe; the checkpoint is only a shortcut for the next start
            os._exit(128 + number)
        logger.info("told to stop by %s", signal.Signals(number).name)
        self._stop.set()

    def _on_hangup(self, on_terminal: bool) -> None:
        if on_terminal and not _on_terminal():
            logger.info("the terminal was closed")
            self._stop.set()  # nobody is there to reload for
        else:
            self._reload_wanted.set()

    def _beside(self, watching: asyncio.Task[None]) -> dict[str, Coroutine[Any, Any, None]]:
        """Return what goes on beside the work, by name."""
        beside = {"reload": self._reload_on_signal(watching), "dump": self._dump_on_signal()}
        if self._accompany is not None:
            beside["person"] = self._accompany()
        if self._notifier.listening:
            beside["status line"] = self._tell()
        if self._notifier.watchdog_s is not None:
            beside["watchdog"] = self._beat(self._notifier.watchdog_s)
        return beside

    async def _reload_on_signal(self, watching: asyncio.Task[None]) -> None:
        await asyncio.wait([watching])
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            self._notifier.reloading()
            try:
                await self._reload()
                logger.info("the configuration was read again")
            except ImgvecdError as error:
                logger.error("the new configuration is refused, the old one stays: %s", error)  # noqa: TRY400
            except Exception:  # a reload that fails, for whatever reason, is no reason to end
                logger.exception("the new configuration could not be applied")
            self._notifier.ready()

    async def _dump_on_signal(self) -> None:
        while True:
            await self._dump_wanted.wait()
            self._dump_wanted.clear()
            status = None
            with contextlib.suppress(TimeoutError, ImgvecdError):
                async with asyncio.timeout(_STATUS_S):
                    status = await self._observed.status()
            try:
                path = state_dump.write(self._state_dir, status, self._log)
                logger.warning("state dump: %s", path)
            except OSError as error:
                logger.error("no state dump: %s", error)  # noqa: TRY400

    async def _tell(self) -> None:
        """Keep the service manager's line up to date; while nothing goes on, ask but rarely."""
        told, was_working = "", True
        for turn in itertools.count():
            working = self._observed.working
            if working or was_working or turn % _REST == 0:
                with contextlib.suppress(ImgvecdError):
                    line = status_line(await self._observed.status())
                    if line != told:
                        self._notifier.status(line)
                        told = line
            was_working = working
            await asyncio.sleep(_TELL_S)

    async def _beat(self, watchdog_s: float) -> None:
        """Tell the service manager that all is well, for as long as it is."""
        while True:
            started = time.monotonic()
            try:
                async with asyncio.timeout(watchdog_s / 2):
                    await self._observed.alive()
            except (TimeoutError, ImgvecdError) as error:
                logger.error("not alive: %s", str(error) or "catalog and index do not answer")  # noqa: TRY400
            else:
                self._notifier.watchdog()
            await asyncio.sleep(max(0.0, started + watchdog_s / 3 - time.monotonic()))


async def _first(tasks: set[asyncio.Task[Any]], *, unless_failed: asyncio.Task[None]) -> None:
    """Return once one of the tasks is done; raise what `unless_failed` raises before that."""
    waiting = tasks | {unless_failed}
    while not any(task.done() for task in tasks):
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if unless_failed in done:
            unless_failed.result()


class _Stacks:
    """Writes the stacks of all threads to standard error, but seldom: the work goes on between.

    For a signal's handler, where no thread goes on: `faulthandler.register` has it done wherever a
    signal comes, and reads stacks that change and threads that end, to a crash.
    """

    def __init__(self) -> None:
        self._due = 0.0

    def write(self) -> None:
        """Write them, unless they are being written, or have just been."""
        if time.monotonic() < self._due:
            return
        self._due = math.inf  # another signal comes before this one is done with
        try:
            faulthandler.dump_traceback()
        finally:
            self._due = time.monotonic() + _STACKS_S


def _on_terminal() -> bool:
    """Whether there is a terminal that Ctrl-C and hanging up come from."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
