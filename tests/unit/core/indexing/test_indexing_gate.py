"""When indexing rests: the rules with a clock and readings of the test's own, and the gate."""

import asyncio
import datetime
import time
import zoneinfo

import pytest
from running import DEADLINE_S

from imgvecd.config.schema import IndexingConfig
from imgvecd.core.indexing import indexing_gate
from imgvecd.core.indexing.indexing_gate import IndexingGate, PauseRules, Readings

CALM = Readings()
BATTERY = Readings(on_battery=True)
ZONE = datetime.timezone(datetime.timedelta(hours=2))


def at(text, day=1):
    clock = datetime.time.fromisoformat(text)
    return datetime.datetime.combine(datetime.date(2026, 5, day), clock, ZONE)


@pytest.fixture
def berlin(monkeypatch):
    """A zone with summer time, which is the machine's as well."""
    try:
        zone = zoneinfo.ZoneInfo("Europe/Berlin")
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("the system has no time zones")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield zone
    monkeypatch.undo()
    time.tzset()


def rules(**settings):
    return PauseRules(IndexingConfig(**settings), ZONE)


def cause(pause):
    return pause.cause if pause else None


@pytest.mark.parametrize(
    ("hours", "time", "end"),
    [
        ("22:00-07:00", "21:59", None),
        ("22:00-07:00", "22:00", at("07:00", 2)),
        ("22:00-07:00", "06:59", at("07:00", 1)),
        ("22:00-07:00", "07:00", None),
        ("09:00-17:30", "12:00", at("17:30")),
        ("09:00-17:30", "17:30", None),
        ("12:00-13:00, 22:00-07:00", "12:30", at("13:00")),
        ("12:00-13:00,22:00-07:00", "23:00", at("07:00", 2)),
        ("", "03:00", None),
    ],
)
def test_quiet_hours(hours, time, end):
    pause = rules(quiet_hours=hours).decide(at(time), CALM)
    assert (pause and pause.until) == (end and end.isoformat(timespec="seconds"))
    if end:
        assert pause.reason == f"quiet hours until {end:%H:%M}"


@pytest.mark.parametrize("hours", ["22-7", "25:00-07:00", "22:00", "07:00-07:00", "a-b", "1-2-3"])
def test_hours_that_are_none_are_refused(hours):
    with pytest.raises(ValueError, match="22:00-07:00"):
        IndexingConfig(quiet_hours=hours)


@pytest.mark.parametrize(
    ("day", "begins", "ends"),
    [((2026, 3, 28), "+01:00", "+02:00"), ((2026, 10, 24), "+02:00", "+01:00")],
)
@pytest.mark.parametrize("by_machine", [False, True])
def test_a_night_in_which_summer_time_begins_or_ends(day, begins, ends, berlin, by_machine):
    """The hours are the clock's, and what is told of their end is right; so it is of a request."""
    night = PauseRules(IndexingConfig(quiet_hours="22:00-07:00"), None if by_machine else berlin)
    evening = datetime.datetime(*day, hour=23, tzinfo=berlin).astimezone(datetime.UTC)
    morning = datetime.datetime(*day, hour=7, tzinfo=berlin) + datetime.timedelta(days=1)
    minute = datetime.timedelta(minutes=1)
    assert night.decide(evening, CALM).until == f"{morning:%Y-%m-%dT%H:%M:%S}{ends}"
    assert night.decide(morning.astimezone(datetime.UTC) - minute, CALM)
    assert night.decide(morning.astimezone(datetime.UTC), CALM) is None
    # passed over until then, and no shorter
    night.resume(evening, CALM, force=True)
    assert night.decide(morning.astimezone(datetime.UTC) - minute, CALM) is None

    night.ask(evening + datetime.timedelta(hours=8))
    pause = night.decide(evening, CALM)
    later = 8 if begins == "+01:00" else 6
    assert (pause.reason, pause.until[-6:]) == (f"by request until {later:02}:00", ends)


@pytest.mark.parametrize("by_machine", [False, True])
def test_the_hour_that_comes_twice(berlin, by_machine):
    night = PauseRules(IndexingConfig(quiet_hours="22:00-02:30"), None if by_machine else berlin)
    twice = [datetime.datetime(2026, 10, 25, hour, 10, tzinfo=datetime.UTC) for hour in (0, 1)]
    ends = [night.decide(moment, CALM).until for moment in twice]
    assert ends == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]


def test_on_battery_only_if_that_is_wanted():
    assert rules().decide(at("12:00"), BATTERY).reason == "on battery"
    assert rules(pause_on_battery=False).decide(at("12:00"), BATTERY) is None


def test_a_request_ends_at_its_time_or_when_taken_back():
    decide = rules()
    decide.ask(at("14:00"))
    assert decide.decide(at("13:59"), CALM).reason == "by request until 14:00"
    assert decide.decide(at("14:00"), CALM) is None
    decide.ask(None)
    assert decide.decide(at("13:59", 20), CALM).reason == "by request"
    decide.resume(at("13:59", 20), CALM, force=False)
    assert decide.decide(at("13:59", 20), CALM) is None


def test_load_comes_and_goes_at_different_marks():
    decide = rules(max_other_load=0.5)
    loads = [0.4, 0.5, 0.6, 0.45, 0.36, 0.34, 0.45, 0.51]
    held = [decide.decide(at("12:00"), Readings(other_load=load)) is not None for load in loads]
    assert held == [False, False, True, True, True, False, False, True]
    assert rules().decide(at("12:00"), Readings(other_load=1.0)) is None


def test_resume_leaves_other_causes_and_force_passes_over_them_until_they_end():
    decide = rules()
    decide.ask(None)
    decide.resume(at("12:00"), BATTERY, force=False)
    assert cause(decide.decide(at("12:00"), BATTERY)) == "battery"
    decide.resume(at("12:00"), BATTERY, force=True)
    assert decide.decide(at("12:01"), BATTERY) is None
    assert decide.decide(at("12:02"), CALM) is None
    assert cause(decide.decide(at("12:03"), BATTERY)) == "battery"  # unplugged once more


def test_a_forced_night_does_not_force_the_next_one():
    decide = rules(quiet_hours="22:00-07:00")
    decide.resume(at("23:00"), CALM, force=True)
    assert decide.decide(at("23:01"), CALM) is None
    # nobody asked all day long, since there was nothing to do
    assert cause(decide.decide(at("23:00", 2), CALM)) == "quiet_hours"


def test_what_was_forced_says_nothing_of_other_causes():
    decide = rules(quiet_hours="22:00-07:00")
    decide.resume(at("21:00"), BATTERY, force=True)
    assert decide.decide(at("21:01"), BATTERY) is None
    assert cause(decide.decide(at("22:00"), BATTERY)) == "quiet_hours"
    decide.ask(None)
    assert cause(decide.decide(at("21:01"), BATTERY)) == "request"


class FakeMachine:
    def __init__(self):
        self.battery = False
        self.load = 0.0
        self.looks = 0

    def on_battery(self):
        self.looks += 1
        return self.battery

    def other_load(self):
        return self.load


class FakeStore:
    def __init__(self, until_ns=None):
        self.until_ns = until_ns

    def load(self):
        return self.until_ns

    def save(self, until_ns):
        self.until_ns = until_ns


@pytest.fixture
def machine():
    return FakeMachine()


@pytest.fixture
def no_look(monkeypatch):
    """Nobody goes on because the gate looks again."""
    monkeypatch.setattr(indexing_gate, "_LOOK_S", 86_400.0)


async def held(rest):
    """Return a task that stands at the closed gate."""
    task = asyncio.create_task(rest.over())
    async with asyncio.timeout(DEADLINE_S):
        await rest.holds_up()
    return task


async def test_an_open_gate_costs_one_look_in_ten_seconds(machine):
    rest = IndexingGate(machine=machine)
    assert [await rest.over() for _ in range(100)] == [False] * 100
    assert machine.looks == 1


async def test_who_waits_goes_on_when_the_battery_is_charged(machine, monkeypatch):
    monkeypatch.setattr(indexing_gate, "_LOOK_S", 0.01)
    machine.battery = True
    rest = IndexingGate(machine=machine)
    waiting = await held(rest)
    assert cause(await rest.look()) == "battery"
    machine.battery = False
    assert await asyncio.wait_for(waiting, DEADLINE_S)


async def test_a_request_is_heard_at_once_by_all_who_wait(no_look):
    rest = IndexingGate()
    assert (await rest.pause(None)).reason == "by request"
    waiting = [await held(rest), asyncio.create_task(rest.over())]
    while rest._holding < 2:
        await asyncio.sleep(0)
    assert await rest.resume(force=False) is None
    assert await asyncio.wait_for(asyncio.gather(*waiting), DEADLINE_S) == [True, True]
    with pytest.raises(TimeoutError):  # nobody is held up any more
        await asyncio.wait_for(rest.holds_up(), 0.01)


async def test_resume_looks_anew(machine, no_look):
    """Whoever has plugged the charger in is not told of the battery."""
    machine.battery = True
    rest = IndexingGate(machine=machine)
    waiting = await held(rest)
    assert cause(await rest.resume(force=False)) == "battery"
    machine.battery = False
    assert await rest.resume(force=False) is None
    assert await asyncio.wait_for(waiting, DEADLINE_S)


async def test_force_lets_all_go_on(machine, no_look):
    machine.battery = True
    rest = IndexingGate(machine=machine)
    waiting = await held(rest)
    assert await rest.resume(force=True) is None
    assert await asyncio.wait_for(waiting, DEADLINE_S)
    assert not await rest.over()


async def test_other_rules_count_at_once(machine, no_look):
    machine.battery = True
    rest = IndexingGate(machine=machine)
    waiting = await held(rest)
    rest.use(IndexingConfig(pause_on_battery=False))
    assert await asyncio.wait_for(waiting, DEADLINE_S)


async def test_a_request_outlives_the_daemon():
    store = FakeStore()
    first = IndexingGate(store=store, clock=lambda: at("12:00"))
    await first.pause(3600)
    later = IndexingGate(store=store, clock=lambda: at("12:30"))
    assert (await later.look()).cause == "request"
    assert await IndexingGate(store=store, clock=lambda: at("13:00")).look() is None
    await later.resume(force=False)
    assert store.until_ns is None
    await later.pause(None)
    assert (await IndexingGate(store=store).look()).reason == "by request"
