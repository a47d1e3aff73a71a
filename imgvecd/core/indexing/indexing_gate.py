"""When indexing rests: by request, in quiet hours, on battery, while others need the processor.

Reading, decoding and encoding ask here before each piece of work; nothing else does.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imgvecd.api import Pause, PauseCause
from imgvecd.config.schema import IndexingConfig
from imgvecd.core.threads import BULK
from imgvecd.protocols import Machine, PauseStore

logger = logging.getLogger(__name__)

# Between two looks at battery and load: soon enough for a person, and no burden. Loads are averages
# over so long.
_LOOK_S = 10.0
# A load pause ends below this share of the limit, so that it does not come and go.
_EASED = 0.7


@dataclass(frozen=True, slots=True)
class Readings:
    """What the machine says; see `protocols.Machine`."""

    on_battery: bool = False
    other_load: float = 0.0


class PauseRules:
    """Decides from the time and what the machine says. Times are aware.

    Args:
        zone: whose time of day counts; None is the machine's.
    """

    def __init__(self, config: IndexingConfig, zone: datetime.tzinfo | None = None) -> None:
        self.config = config
        self._zone = zone
        self._asked = False
        self._asked_until: datetime.datetime | None = None
        self._loaded = False
        # causes that are passed over while they hold, at the longest until then
        self._forced: dict[PauseCause, datetime.datetime | None] = {}

    def ask(self, until: datetime.datetime | None) -> None:
        """Pause indexing, until it is resumed if no end is given."""
        self._asked, self._asked_until = True, until

    def resume(self, now: datetime.datetime, readings: Readings, *, force: bool) -> None:
        """Take back what was asked for; with `force`, pass over every other cause of today too."""
        self._asked = False
        if force:
            self._forced = {pause.cause: end for pause, end in self._causes(now, readings)}

    def decide(self, now: datetime.datetime, readings: Readings) -> Pause | None:
        """Return why indexing rests now; None if it does not."""
        causes = list(self._causes(now, readings))
        holding = {pause.cause for pause, _ in causes}
        self._forced = {
            cause: end
            for cause, end in self._forced.items()
            if cause in holding and (end is None or now < end)
        }
        return next((pause for pause, _ in causes if pause.cause not in self._forced), None)

    def _causes(
        self, now: datetime.datetime, readings: Readings
    ) -> Iterator[tuple[Pause, datetime.datetime | None]]:
        """Yield every cause that holds, and its end where that is known."""
        if self._asked and self._asked_until is not None and now >= self._asked_until:
            self._asked = False
        now = now.astimezone(self._zone)
        if self._asked:
            # as clocks will show it then: summer time may begin or end before
            end = self._asked_until and self._asked_until.astimezone(self._zone)
            until = f" until {_clock(end, now)}" if end else ""
            yield _pause("request", f"by request{until}", end), end
        for begin, finish in self.config.hours():
            if (end := self._end_of(begin, finish, now)) is not None:
                yield _pause("quiet_hours", f"quiet hours until {_clock(end, now)}", end), end
                break
        if self.config.pause_on_battery and readings.on_battery:
            yield _pause("battery", "on battery"), None
        limit = self.config.max_other_load
        self._loaded = bool(limit) and readings.other_load > limit * (_EASED if self._loaded else 1)
        if self._loaded:
            load = f"other programs use {readings.other_load:.0%} of the processor"
            yield _pause("load", load), None

    def _end_of(
        self, begin: datetime.time, end: datetime.time, now: datetime.datetime
    ) -> datetime.datetime | None:
        """Return when the hours that `now` lies in end; None if it lies outside."""
        time_of_day = now.time()
        if begin < end:
            inside = begin <= time_of_day < end
        else:
            inside = time_of_day >= begin or time_of_day < end
        if not inside:
            return None
        tomorrow = datetime.timedelta(days=int(time_of_day >= end))
        day = now.date() + tomorrow
        # the offset of then: summer time may begin or end before, and that hour comes twice
        first, second = (self._moment(day, end.replace(fold=fold)) for fold in (0, 1))
        return first if first.timestamp() > now.timestamp() else second

    def _moment(self, day: datetime.date, time: datetime.time) -> datetime.datetime:
        moment = datetime.datetime.combine(day, time)
        return moment.replace(tzinfo=self._zone) if self._zone else moment.astimezone()


class IndexingGate:
    """The gate in front of every piece of work. For one event loop.

    Args:
        machine: tells of battery and load; None where nobody does.
        store: remembers a request for the next start; None where nobody does.
        clock: the local time, aware.
    """

    def __init__(
        self,
        config: IndexingConfig | None = None,
        machine: Machine | None = None,
        store: PauseStore | None = None,
        clock: Callable[[], datetime.datetime] | None = None,
    ) -> None:
        self._rules = PauseRules(config or IndexingConfig())
        self._machine = machine
        self._store = store
        self._now = clock or _local_now
        self._readings = Readings()
        self._read_at = -_LOOK_S
        self._reading = asyncio.Lock()
        self._changed = asyncio.Event()
        self._holding = 0
        self._held = asyncio.Event()
        self._logged: str | None = None
        if store is not None and (until_ns := store.load()) is not None:
            self._rules.ask(_moment(until_ns))

    async def look(self) -> Pause | None:
        """Return why indexing rests now; None if it does not."""
        await self._read()
        pause = self._rules.decide(self._now(), self._readings)
        cause = pause.cause if pause else None
        if cause != self._logged:
            logger.info("indexing %s", f"rests: {pause.reason}" if pause else "goes on")
            self._logged = cause
            if pause is None:  # whoever found that out, all who wait shall know
                self._tell()
        return pause

    async def over(self) -> bool:
        """Return once indexing may work: False if it always might, True if that took a while."""
        if await self.look() is None:
            return False
        self._holding += 1
        self._held.set()
        try:
            while await self.look() is not None:
                changed = self._changed
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S):
                        await changed.wait()
        finally:
            self._holding -= 1
            if not self._holding:
                self._held.clear()
        return True

    async def holds_up(self) -> None:
        """Return once there is work that waits for a pause to end."""
        await self._held.wait()

    async def pause(self, for_s: float | None) -> Pause | None:
        """Rest, for so many seconds or until `resume`; return the pause in force.

        Raises:
            CatalogError: the pause holds, but the next start will not know of it.
        """
        end = None if for_s is None else self._now() + datetime.timedelta(seconds=for_s)
        self._rules.ask(end)
        await self._remember(0 if end is None else int(end.timestamp() * 1e9))
        return await self.look()

    async def resume(self, *, force: bool) -> Pause | None:
        """End a pause that was asked for; return what keeps indexing from going on, if anything.

        Args:
            force: go on whatever the cause, until that cause ends.

        Raises:
            CatalogError: indexing goes on, but the next start will rest again.
        """
        await self._read()
        self._rules.resume(self._now(), self._readings, force=force)
        self._wake()
        await self._remember(None)
        return await self.look()

    def use(self, config: IndexingConfig) -> None:
        """Follow other rules from now on."""
        self._rules.config = config
        self._wake()

    async def _read(self) -> None:
        """Renew what the machine says, if that is old and the rules ask for it."""
        if self._machine is None:
            return
        async with self._reading:
            if time.monotonic() - self._read_at >= _LOOK_S:
                self._readings = await BULK.run(self._read_machine, self._machine)
                self._read_at = time.monotonic()

    def _read_machine(self, machine: Machine) -> Readings:
        config = self._rules.config
        return Readings(
            on_battery=config.pause_on_battery and machine.on_battery(),
            other_load=machine.other_load() if config.max_other_load else 0.0,
        )

    async def _remember(self, until_ns: int | None) -> None:
        if self._store is not None:
            await BULK.run(self._store.save, until_ns)

    def _wake(self) -> None:
        """Have everybody who waits look again, at the machine too."""
        self._read_at = -_LOOK_S
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _pause(cause: PauseCause, reason: str, end: datetime.datetime | None = None) -> Pause:
    until = None if end is None else end.isoformat(timespec="seconds")
    return Pause(cause=cause, reason=reason, until=until)


def _clock(moment: datetime.datetime, now: datetime.datetime) -> str:
    """Return a moment as one says it: the time, and the day unless it is within a day."""
    near = moment - now < datetime.timedelta(days=1)
    return moment.strftime("%H:%M" if near else "%Y-%m-%d %H:%M")


def _moment(time_ns: int) -> datetime.datetime | None:
    return datetime.datetime.fromtimestamp(time_ns / 1e9).astimezone() if time_ns else None


def _local_now() -> datetime.datetime:
    return datetime.datetime.now().astimezone()
