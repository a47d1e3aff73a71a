"""What goes on, told as events: implements `imgvecd.server.services.EventService`.

Events are the differences between one status and the next, so nothing has to remember to tell
them, and who comes back after a while is told what is different now. Somebody looks only while
somebody listens.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

import msgspec

from imgvecd import api
from imgvecd.errors import ImgvecdError

logger = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
"""A listener hears something at least so often, which is how it is noticed that one has left."""

_LOOK_S = 1.0  # between two looks while something goes on: as often as a person reads
_REST_LOOKS = 5  # at rest the clock is read each time, and all of it every so many times
_DIGITS = 18  # of the largest number that counts
_REMEMBERED = 256  # events: who missed more than these is told the state instead
# Of these only the latest counts: older ones are forgotten, however slow a listener is.
_LATEST = {"progress", "clock"}


class Events:
    """Tells every listener what changes. For one event loop.

    A listener asks for one event after the other; for one that is slow nothing is kept, but what
    all share: the latest `_REMEMBERED` events.

    Args:
        status: returns what the daemon is doing.
        clock: returns the catalog's clock, for less than the status costs.
        working: tells whether anything goes on that changes the status.
    """

    def __init__(
        self,
        status: Callable[[], Awaitable[api.Status]],
        clock: Callable[[], Awaitable[int]],
        working: Callable[[], bool],
    ) -> None:
        self._status = status
        self._clock = clock
        self._working = working
        self._run = f"{time.time_ns():x}"
        self._count = 0  # of the latest event
        self._forgotten = 0  # of the latest event that is not remembered
        self._events: list[tuple[int, str, api.Event]] = []
        self._last: api.Status | None = None
        self._listeners = 0
        self._looking: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()

    async def listen(self, last_id: str | None) -> AsyncGenerator[api.Event | None, None]:
        """Yield what happens after the event `last_id`, without end; None as a heartbeat.

        The state comes first where that event is not remembered, or there is none.
        """
        position = self._position(last_id)
        self._listeners += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            while True:
                if position is None or position < self._forgotten:
                    status = await self._status()
                    self._last = self._last or status
                    position = self._count
                    yield api.Event(id=self._name(position), status=status)
                    continue
                found = next((event for event in self._events if event[0] > position), None)
                if found is not None:
                    position, _, event = found
                    yield event
                elif not await self._wait(position):
                    yield None
        finally:
            self._listeners -= 1
            if not self._listeners and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def _wait(self, position: int) -> bool:
        """Return whether there is an event after `position` before a heartbeat is due."""
        try:
            async with asyncio.timeout(HEARTBEAT_S), self._news:
                await self._news.wait_for(lambda: self._count > position)
        except TimeoutError:
            return False
        return True

    async def _look(self) -> None:
        clock, rested = -1, _REST_LOOKS
        while True:
            try:
                now = await self._clock()
                rested += 1
                if self._working() or now != clock or rested >= _REST_LOOKS:
                    clock, rested = now, 0
                    await self._tell(await self._status())
            except ImgvecdError as error:
                logger.debug("no look at the state: %s", error)
            except Exception:  # those who listen would wait for ever
                logger.exception("unexpected error while looking at the state")
            await asyncio.sleep(_LOOK_S)

    async def _tell(self, status: api.Status) -> None:
        last, self._last = self._last, status
        if last is None:
            return
        for kind, fields in _differences(last, status):
            self._count += 1
            event = msgspec.structs.replace(fields, id=self._name(self._count))
            if kind in _LATEST:
                self._events = [entry for entry in self._events if entry[1] != kind]
            self._events.append((self._count, kind, event))
        if len(self._events) > _REMEMBERED:
            self._forgotten = self._events[-_REMEMBERED - 1][0]
            self._events = self._events[-_REMEMBERED:]
        async with self._news:
            self._news.notify_all()

    def _name(self, count: int) -> str:
        return f"{self._run}.{count}"

    def _position(self, last_id: str | None) -> int | None:
        run, _, count = (last_id or "").partition(".")
        if run != self._run or not (count.isascii() and count.isdigit()) or len(count) > _DIGITS:
            return None
        return int(count) if int(count) <= self._count else None


def _differences(old: api.Status, new: api.Status) -> Iterator[tuple[str, api.Event]]:
    """Yield (kind, event without its id) for everything that has changed."""
    known = {root.path: root for root in old.roots}
    for root in new.roots:
        before = known.get(root.path)
        if before is None or (before.online, before.watching) != (root.online, root.watching):
            yield "root", api.Event(id="", root=root)
    if (old.model, old.move) != (new.model, new.move):
        yield "model", api.Event(id="", model=api.ModelEvent(model=new.model, move=new.move))
    if old.index.checkpoint_clock != new.index.checkpoint_clock:
        yield "checkpoint", api.Event(id="", checkpoint=new.index)
    if old.index.clock != new.index.clock:
        instance = new.clock.rpartition(":")[0]
        yield "clock", api.Event(id="", clock=f"{instance}:{new.index.clock}")
    progress = _progress(new)
    if progress != _progress(old):
        yield "progress", api.Event(id="", progress=progress)


def _progress(status: api.Status) -> api.Progress:
    return api.Progress(
        state=status.state,
        pause=status.pause,
        files=status.files,
        encoded=status.encoded,
        rate_per_s=status.rate_per_s,
        eta_s=status.eta_s,
    )
