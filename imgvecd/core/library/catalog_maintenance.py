"""Keeps the open catalog safe: backups from time to time, and a look for damage."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol

from imgvecd.core.threads import BULK
from imgvecd.errors import CatalogDamagedError, CatalogError

logger = logging.getLogger(__name__)

_FIRST_BACKUP_S = 3600.0  # a library that was never backed up is by then, or soon, all indexed
_FIRST_TIDY_S = 120.0  # after the start, which has other things to do
_TIDY_S = 86_400.0
_RETRY_S = 600.0  # a backup that found no space is tried again
_LONGEST_SLEEP_S = 3600.0  # sleeping machines and changed clocks move what is due
_BETWEEN_SUSPICIONS_S = 60.0  # reading a large catalog through takes seconds


class MaintainedCatalog(Protocol):
    """What taking care asks of the catalog; every method blocks, and any thread may call it."""

    def examine(self) -> str | None:
        """Read it through; return what is wrong, None if it is sound."""
        ...

    def examined_age_s(self) -> float | None:
        """Return how long ago it was read through; None if it never was."""
        ...

    def note_age(self) -> None:
        """Note what is gone by now, and forget what the change log has no room for."""
        ...

    def forget(self, keep_s: float) -> tuple[int, int]:
        """Forget some of what was of no use for so long; return (texts, pictures)."""
        ...

    def back_up(self) -> bool:
        """Write a checked backup; False if nothing has changed since the last."""
        ...

    def backup_age_s(self) -> float | None:
        """Return how old the latest backup is; None if there is none, or nobody knows."""
        ...


def maintain_at_end(catalog: MaintainedCatalog, *, backup_interval_s: float, keep_s: float) -> None:
    """Tidy and back up, if that is due, for a program that ends; blocks.

    What fails is said in the log; the next end tries again.

    Args:
        backup_interval_s: nothing is done while the latest backup is younger; 0 makes none.
        keep_s: how long what is of no use any more is kept; 0 keeps it for ever.
    """
    try:
        age_s = catalog.backup_age_s()
        if age_s is not None and age_s < backup_interval_s:
            return
        catalog.note_age()
        while keep_s and any(catalog.forget(keep_s)):
            pass
        if backup_interval_s:
            catalog.back_up()
    except CatalogError as error:
        logger.error("%s", error)  # noqa: TRY400


class CatalogMaintenance:
    """Sleeps until something is due. For one event loop.

    Args:
        backup_interval_s: longest time that changes stay without a backup; 0 makes none.
        check_interval_s: how often the catalog is read through; 0 does not do so by the clock.
        keep_s: how long what is of no use any more is kept; 0 keeps it for ever.
        check_now: it was not closed in order, and nobody has looked at it since.
        report: what a person is told of the catalog's last restoration.

    Attributes:
        error: why there is no new backup; None when all is well.
    """

    def __init__(
        self,
        catalog: MaintainedCatalog,
        *,
        backup_interval_s: float,
        check_interval_s: float,
        check_now: bool,
        keep_s: float,
        report: str | None,
    ) -> None:
        self._catalog = catalog
        self._backup_interval_s = backup_interval_s
        self._check_interval_s = check_interval_s
        self._suspicion = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._check_now = check_now
        self._keep_s = keep_s
        self._tidy_at = float("inf")
        self._back_up_at = self._check_at = float("inf")
        self.report = report
        self.error: str | None = None

    def suspect(self) -> None:
        """Somebody has met bytes that cannot be the catalog's: look at once. From any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._suspicion.set)

    async def run(self) -> None:
        """Take care until cancelled.

        Raises:
            CatalogDamagedError: the catalog is damaged; it must be closed and restored.
        """
        self._loop = asyncio.get_running_loop()
        await self._plan()
        while True:
            due_s = min(self._back_up_at, self._check_at, self._tidy_at) - time.monotonic()
            try:
                async with asyncio.timeout(min(max(due_s, 0.0), _LONGEST_SLEEP_S)):
                    await self._suspicion.wait()
            except TimeoutError:
                pass
            if self._suspicion.is_set() or time.monotonic() >= self._check_at:
                await self._examine()
            if time.monotonic() >= self._back_up_at:
                await self._back_up()
            if time.monotonic() >= self._tidy_at:
                await self._tidy()

    async def forget(self, older_than_s: float | None = None) -> tuple[int, int]:
        """Forget what has not been of use for so long; return (texts, pictures).

        Args:
            older_than_s: None takes what the configuration says.

        Raises:
            CatalogError: the catalog cannot be written.
        """
        keep_s = self._keep_s if older_than_s is None else older_than_s
        await BULK.run(self._catalog.note_age)
        texts = pictures = 0
        while keep_s or older_than_s is not None:
            some = await BULK.run(self._catalog.forget, keep_s)
            if not any(some):
                break
            texts, pictures = texts + some[0], pictures + some[1]
        if texts or pictures:
            logger.info("forgot %d query texts and %d pictures that are gone", texts, pictures)
        return texts, pictures

    async def _tidy(self) -> None:
        self._tidy_at = time.monotonic() + _TIDY_S
        try:
            await self.forget()
        except CatalogDamagedError:
            raise
        except CatalogError as error:
            logger.error("nothing is forgotten: %s", error)  # noqa: TRY400

    async def _plan(self) -> None:
        now = time.monotonic()
        self._tidy_at = now + _FIRST_TIDY_S
        if self._backup_interval_s:
            try:
                age_s = await BULK.run(self._catalog.backup_age_s)
            except CatalogError as error:
                age_s, self.error = None, str(error)
            if age_s is None:
                wait_s = min(self._backup_interval_s, _FIRST_BACKUP_S)
            else:
                wait_s = self._backup_interval_s - age_s
            self._back_up_at = now + max(0.0, wait_s)
        if self._check_now:
            self._check_at = now
        elif self._check_interval_s:
            age_s = await BULK.run(self._catalog.examined_age_s)
            self._check_at = now + max(0.0, self._check_interval_s - (age_s or 0.0))

    async def _examine(self) -> None:
        suspected = self._suspicion.is_set()
        try:
            damage = await BULK.run(self._catalog.examine)
        except CatalogDamagedError:
            raise
        except CatalogError as error:
            self._suspicion.clear()
            self._check_at = time.monotonic() + _RETRY_S
            logger.error("%s; trying again in %.0f s", error, _RETRY_S)  # noqa: TRY400
            return
        if damage is not None:
            raise CatalogDamagedError(damage)
        self._checked()
        if suspected:
            logger.error("the catalog was found damaged once, and sound when it was looked at")
            await asyncio.sleep(_BETWEEN_SUSPICIONS_S)
            self._suspicion.clear()

    async def _back_up(self) -> None:
        started = time.monotonic()
        try:
            made = await BULK.run(self._catalog.back_up)
        except CatalogDamagedError:
            raise
        except CatalogError as error:
            self.error = str(error)
            self._back_up_at = time.monotonic() + _RETRY_S
            logger.error("%s; trying again in %.0f s", error, _RETRY_S)  # noqa: TRY400
            return
        self.error = None
        self._back_up_at = time.monotonic() + self._backup_interval_s
        if made:
            self._checked()
            logger.info("the catalog is backed up, in %.1f s", time.monotonic() - started)

    def _checked(self) -> None:
        self._check_at = time.monotonic() + (self._check_interval_s or float("inf"))
