"""Events are what changes, resume where a listener was, and cost nothing while nobody listens."""

import asyncio
import contextlib

import msgspec
import pytest
from running import DEADLINE_S
from statuses import daemon_status

from imgvecd import api
from imgvecd.daemon import events as events_module
from imgvecd.daemon.events import Events

ROOT = api.RootStatus(path="/photos")
STATUS = daemon_status(
    "indexing",
    roots=(ROOT,),
    files={"seen": 10, "pending": 10},
    index=api.IndexStatus(clock=1),
)


class Library:
    """A state that can be changed, and how often it was asked for."""

    def __init__(self):
        self.status = STATUS
        self.asked = 0
        self.events = Events(self.tell, self.clock, lambda: True)

    async def tell(self):
        self.asked += 1
        return self.status

    async def clock(self):
        return self.status.index.clock

    def change(self, **fields):
        self.status = msgspec.structs.replace(self.status, **fields)

    def index(self, **fields):
        self.change(index=msgspec.structs.replace(self.status.index, **fields))

    def indexed(self, count):
        self.change(files=api.FileCounts(seen=10, indexed=count, pending=10 - count))


@pytest.fixture
def library(monkeypatch):
    monkeypatch.setattr(events_module, "_LOOK_S", 0.01)
    return Library()


async def hear(listener):
    return await asyncio.wait_for(anext(listener), DEADLINE_S)


@contextlib.asynccontextmanager
async def listening(library, last_id=None):
    listener = library.events.listen(last_id)
    try:
        yield listener
    finally:
        await listener.aclose()


async def test_a_listener_begins_with_the_state_and_hears_each_change(library):
    async with listening(library) as listener:
        assert (await hear(listener)).status == STATUS
        changes = [
            ("root", lambda: library.change(roots=(msgspec.structs.replace(ROOT, online=False),))),
            ("model", lambda: library.change(model=msgspec.structs.replace(STATUS.model, dim=5))),
            ("checkpoint", lambda: library.index(checkpoint_clock=1)),
            ("clock", lambda: library.index(clock=7)),
            ("progress", lambda: library.indexed(3)),
        ]
        for kind, change in changes:
            change()
            event = await hear(listener)
            assert event.kind == kind
        assert event.progress.files.indexed == 3
        assert event.id != ""


async def test_the_clock_is_one_that_changes_takes(library):
    async with listening(library) as listener:
        await hear(listener)
        library.index(clock=9)
        assert (await hear(listener)).clock == "c:x:9"


async def test_who_comes_back_hears_what_he_missed_and_nothing_twice(library):
    async with listening(library) as other, listening(library) as listener:
        await hear(other)
        last = (await hear(listener)).id
        await listener.aclose()
        library.index(checkpoint_clock=1)
        assert (await hear(other)).kind == "checkpoint"
        library.index(clock=2)
        assert (await hear(other)).kind == "clock"
        async with listening(library, last) as again:
            heard = [await hear(again), await hear(again)]
            assert [event.kind for event in heard] == ["checkpoint", "clock"]
        async with listening(library, heard[0].id) as again:
            assert (await hear(again)).kind == "clock"


async def test_changes_while_nobody_listened_are_told(library):
    async with listening(library) as listener:
        last = (await hear(listener)).id
    library.index(checkpoint_clock=5)
    async with listening(library, last) as listener:
        assert (await hear(listener)).checkpoint.checkpoint_clock == 5


@pytest.mark.parametrize("unknown", ["", "nonsense", "1.1", "{run}.99", "{run}.-1", "{run}.٣"])
async def test_who_was_elsewhere_is_told_the_state(library, unknown):
    async with listening(library) as first:
        run = (await hear(first)).id.partition(".")[0]
        async with listening(library, unknown.format(run=run)) as listener:
            assert (await hear(listener)).kind == "status"


async def test_nothing_is_kept_for_a_slow_listener(library, monkeypatch):
    monkeypatch.setattr(events_module, "_REMEMBERED", 4)
    async with listening(library) as fast, listening(library) as slow:
        await hear(fast)
        last = (await hear(slow)).id
        for count in range(1, 10):  # progress is only ever the latest
            library.indexed(count)
            assert (await hear(fast)).progress.files.indexed == count
        event = await hear(slow)
        assert event.progress.files.indexed == 9
        for number in range(10):
            library.index(checkpoint_clock=number)
            await hear(fast)
        assert len(library.events._events) == 4
        assert (await hear(slow)).status == library.status
        async with listening(library, last) as again:
            assert (await hear(again)).kind == "status"


async def test_nobody_looks_while_nobody_listens(library):
    async with listening(library) as listener:
        await hear(listener)
    asked = library.asked
    await asyncio.sleep(0.05)  # several looks' time: there is nothing to wait for
    assert library.asked == asked
    assert library.events._looking is None


async def test_a_heartbeat_comes_while_nothing_happens(library, monkeypatch):
    monkeypatch.setattr(events_module, "HEARTBEAT_S", 0.05)
    async with listening(library) as listener:
        await hear(listener)
        assert await hear(listener) is None


async def test_an_error_that_nobody_foresaw_does_not_end_the_telling(library, caplog):
    listener = library.events.listen(None)
    await hear(listener)
    clock, library.events._clock = library.events._clock, None  # calling it is a TypeError
    while "unexpected error" not in caplog.text:
        await asyncio.sleep(0.01)
    library.events._clock = clock
    library.indexed(3)
    assert (await hear(listener)).progress.files.indexed == 3
    await listener.aclose()
