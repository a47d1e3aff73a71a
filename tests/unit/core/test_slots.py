"""Requests take turns by client: who asks a lot waits for himself, not others for him."""

import asyncio

import pytest

from imgvecd.core import recent_clients
from imgvecd.core.slots import Slots


class Crowd:
    """Requests that hold their place until they are let go."""

    def __init__(self, slots):
        self.slots = slots
        self.served = []
        self._gates = {}

    def ask(self, client, name):
        gate = self._gates[name] = asyncio.Event()

        async def request():
            async with self.slots.slot(client):
                self.served.append(name)
                await gate.wait()

        return asyncio.create_task(request())

    async def let_go(self, *names):
        for name in names:
            self._gates[name].set()
        await settled()


async def settled():
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def crowd():
    return Crowd(Slots(slots=4, per_client=2))


async def test_a_client_has_its_share_and_others_find_a_place(crowd):
    tasks = [crowd.ask(1, f"a{n}") for n in range(200)]
    await settled()
    assert crowd.served == ["a0", "a1"]
    assert (crowd.slots.under_way, crowd.slots.waiting) == (2, 198)
    tasks += [crowd.ask(2, "b0"), crowd.ask(3, "c0")]
    await settled()
    assert crowd.served[2:] == ["b0", "c0"]
    for task in tasks:
        task.cancel()
    await settled()
    assert (crowd.slots.under_way, crowd.slots.waiting) == (0, 0)


async def test_those_who_wait_get_one_place_each_in_turn(crowd):
    tasks = [crowd.ask(client, f"{client}{n}") for client in (1, 2) for n in range(4)]
    tasks += [crowd.ask(3, f"3{n}") for n in range(3)]
    await settled()
    assert crowd.served == ["10", "11", "20", "21"]
    await crowd.let_go("10", "11", "20")
    assert sorted(crowd.served[4:]) == ["12", "22", "30"]
    await crowd.let_go("21", "12", "22", "30")
    assert crowd.slots.under_way == 4
    await crowd.let_go("13", "23", "31", "32")
    await asyncio.gather(*tasks)
    assert len(crowd.served) == 11
    assert (crowd.slots.under_way, crowd.slots.waiting) == (0, 0)


async def test_who_leaves_while_waiting_loses_nobody_a_place(crowd):
    first = [crowd.ask(1, f"a{n}") for n in range(4)]
    await settled()
    first[2].cancel()
    await settled()
    await crowd.let_go("a0")
    assert crowd.served == ["a0", "a1", "a3"]
    first[3].cancel()
    first[1].cancel()
    await settled()
    assert (crowd.slots.under_way, crowd.slots.waiting) == (0, 0)


async def test_a_turn_that_comes_as_its_request_leaves_is_passed_on(crowd):
    tasks = [crowd.ask(1, f"a{n}") for n in range(4)]
    await settled()
    crowd._gates["a0"].set()
    await asyncio.sleep(0)
    tasks[2].cancel()  # perhaps just after its turn has come
    await settled()
    assert "a3" in crowd.served
    await crowd.let_go("a1", "a3")
    assert (crowd.slots.under_way, crowd.slots.waiting) == (0, 0)


async def test_what_goes_first_waits_for_none_of_its_clients_and_keeps_none_out():
    slots, served = Slots(slots=1, per_client=1), []

    async def ask(name, rank):
        await slots.take(1, rank=rank)
        served.append(name)
        await settled()
        slots.give_back(1)

    async def serve(**numbers):
        served.clear()
        await slots.take(1)
        tasks = []
        for rank, (name, number) in reversed(list(enumerate(numbers.items()))):
            tasks += [asyncio.create_task(ask(f"{name} {n}", rank)) for n in range(number)]
            await settled()
        slots.give_back(1)
        await asyncio.gather(*tasks)

    known = [f"known {n}" for n in range(8)]
    await serve(known=8, page=0, new=2)
    assert served == [*known[:3], "new 0", *known[3:6], "new 1", *known[6:]]
    await serve(known=5, page=4, new=1)
    pages = [f"page {n}" for n in range(4)]
    assert served == [*known[:3], pages[0], *known[3:5], *pages[1:3], "new 0", pages[3]]
    assert (slots.under_way, slots.waiting) == (0, 0)


async def test_a_client_has_more_while_it_is_alone(monkeypatch):
    monkeypatch.setattr(recent_clients, "_RECENT_S", 86_400.0)  # the machine may pause
    crowd = Crowd(Slots(4, per_client=3, beside_others=1))
    tasks = [crowd.ask(1, f"a{n}") for n in range(5)]
    await settled()
    assert crowd.served == ["a0", "a1", "a2"]
    tasks.append(crowd.ask(2, "b0"))
    await settled()
    assert crowd.served[3:] == ["b0"]
    await crowd.let_go("a0", "a1")
    assert crowd.served[4:] == []  # one is as much as it may have now
    await crowd.let_go("a2")
    assert crowd.served[4:] == ["a3"]
    monkeypatch.setattr(recent_clients, "_RECENT_S", -1.0)  # the other one came long ago
    tasks.append(crowd.ask(1, "a5"))
    await crowd.let_go("b0")
    assert crowd.served[5:] == ["a4", "a5"]
    await crowd.let_go("a3", "a4", "a5")
    await asyncio.gather(*tasks)


async def test_who_is_alone_is_told(monkeypatch):
    slots, now = Slots(4), [100.0]
    monkeypatch.setattr("imgvecd.core.slots.time.monotonic", lambda: now[0])
    assert slots.alone("a")
    await slots.take("b")
    assert not slots.alone("a")
    assert slots.alone("b")
    now[0] += 2
    assert slots.alone("a"), "b has not come for a while"
