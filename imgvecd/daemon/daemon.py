"""The daemon's life: everything is started, runs until told to stop, and is stopped in order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Protocol

from imgvecd.core.engine import Engine
from imgvecd.core.watch import Reconciler
from imgvecd.daemon.notify import Notifier
from imgvecd.errors import ImgvecdError

logger = logging.getLogger(__name__)


class Closing(Protocol):
    """Something that runs until it is closed."""

    async def close(self) -> None:
        """Stop it."""
        ...


class Daemon:
    """Runs an engine, a reconciler and a server together. For one event loop, once.

    Args:
        serve: starts the server and returns once clients can connect.
        reload: reads the configuration again and applies it, on SIGHUP.
        alive: returns if catalog and index answer, for the service manager's watchdog.
        progress: runs beside the daemon and draws for a person, or None.
    """

    def __init__(
        self,
        engine: Engine,
        reconciler: Reconciler,
        serve: Callable[[], Awaitable[Closing]],
        reload: Callable[[], Awaitable[None]],
        alive: Callable[[], Awaitable[object]],
        progress: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._engine = engine
        self._reconciler = reconciler
        self._serve = serve
        self._reload = reload
        self._alive = alive
        self._progress = progress
        self._stop = asyncio.Event()
        self._notifier = Notifier()
        self._reload_wanted = asyncio.Event()

    async def run(self) -> None:
        """Return after SIGTERM or SIGINT, with everything committed and checkpointed.

        Raises:
            AlreadyRunningError: another daemon has the socket.
            Exception: a part failed in a way that nobody foresaw.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        # from the first moment, since the signal would otherwise end the process
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)
        async with AsyncExitStack() as stack:
            # the socket first: whether another daemon runs is known before anything is touched
            server = await self._serve()
            stack.push_async_callback(server.close)
            engine = self._engine.start()
            stack.push_async_callback(self._engine.stop)
            await self._reconciler.start()
            stack.push_async_callback(self._reconciler.stop)
            stack.callback(asyncio.create_task(self._reload_when_told()).cancel)
            self._notifier.ready()
            stopped = asyncio.create_task(self._stop.wait())
            if self._progress is not None:
                stack.callback(asyncio.ensure_future(self._progress()).cancel)
            if self._notifier.watchdog_s is not None:
                beat = self._beat(self._notifier.watchdog_s / 2)
                stack.callback(asyncio.create_task(beat).cancel)
            await asyncio.wait([stopped, engine], return_when=asyncio.FIRST_COMPLETED)
            self._notifier.stopping()
            logger.info("stopping")
            if engine.done():
                engine.result()

    def _on_signal(self, number: int) -> None:
        if self._stop.is_set():
            # what is committed is safe; the checkpoint is only a shortcut for the next start
            os._exit(128 + number)
        self._stop.set()

    async def _reload_when_told(self) -> None:
        """Reload once more for a signal that comes while the configuration is being applied."""
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            self._notifier.reloading()
            try:
                await self._reload()
                logger.info("the configuration was read again")
            except ImgvecdError as error:
                logger.error("the new configuration is refused, the old one stays: %s", error)  # noqa: TRY400
            except Exception:  # whatever it is, the next attempt may go well
                logger.exception("the new configuration could not be applied")
            self._notifier.ready()

    async def _beat(self, interval_s: float) -> None:
        """Tell the service manager that all is well, for as long as it is."""
        while True:
            try:
                async with asyncio.timeout(interval_s):
                    await self._alive()
            except (TimeoutError, ImgvecdError) as error:
                logger.error("not alive: %s", error or "catalog and index do not answer")  # noqa: TRY400
            else:
                self._notifier.watchdog()
            await asyncio.sleep(interval_s)
