import pytest

from imgvecd.core.watch import scan_queue as module
from imgvecd.core.watch.scan_queue import MAX_NAMES, Phase, ScanQueue


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def agenda(clock):
    return ScanQueue(lambda: None)


def taken(agenda):
    phase, tasks = agenda.take(100)
    return phase, {(task.root_id, task.directory): task.names for task in tasks}


def test_a_burst_becomes_one_task(agenda):
    for _ in range(1000):
        agenda.look(1, b"d", [b"a.jpg"])
        agenda.look(1, b"d", [b"b.jpg"])
    assert taken(agenda) == (Phase.LOOK, {(1, b"d"): {b"a.jpg", b"b.jpg"}})
    assert agenda.take(100) is None


def test_many_names_become_the_whole_folder(agenda):
    for number in range(MAX_NAMES + 1):
        agenda.look(1, b"d", [b"%d.jpg" % number])
    assert taken(agenda) == (Phase.LOOK, {(1, b"d"): None})


def test_what_is_missing_waits_until_nothing_else_is_to_be_looked_at(agenda, clock):
    agenda.look_finally(1, b"d", [b"a.jpg"], agenda.ticket())
    assert agenda.take(100) is None
    assert agenda.next_due_s() == pytest.approx(module.GRACE_S)
    clock[0] += module.GRACE_S
    agenda.look(1, b"e", None)
    assert taken(agenda)[0] is Phase.LOOK
    assert taken(agenda) == (Phase.FINAL, {(1, b"d"): {b"a.jpg"}})


def test_live_events_come_before_a_scan(agenda):
    agenda.scan(1)
    agenda.look(1, b"d", None)
    assert taken(agenda)[0] is Phase.LOOK
    assert taken(agenda) == (Phase.SCAN, {})


def test_a_scan_that_waits_is_not_queued_twice(agenda):
    agenda.scan(1)
    agenda.scan(1)
    scan = agenda.current_scan()
    scan.unvisited = set()
    agenda.scan(1)  # the first has begun, and may have passed what this one is for
    agenda.end_scan(scan)
    assert agenda.scanning
    agenda.end_scan(agenda.current_scan())
    assert not agenda.scanning


def test_later_looks_come_when_they_are_due_and_once(agenda, clock):
    agenda.look_later((1, b"d", b"a.jpg"), 5)
    agenda.look_later((1, b"d", b"a.jpg"), 1)
    agenda.look_later((1, b"d", b"a.jpg"), 3)
    clock[0] += 0.9
    assert agenda.take(100) is None
    clock[0] += 0.1
    assert taken(agenda) == (Phase.LOOK, {(1, b"d"): {b"a.jpg"}})
    clock[0] += 10
    assert agenda.take(100) is None
    assert agenda.next_due_s() is None


def test_a_later_look_is_spent_when_the_whole_folder_is_looked_at(agenda, clock):
    agenda.look_later((1, b"d", b"a.jpg"), 1)
    ticket = agenda.ticket()
    agenda.look(1, b"d", None)
    clock[0] += 1
    assert taken(agenda) == (Phase.LOOK, {(1, b"d"): None})
    agenda.done()
    assert agenda.reached(ticket)


def test_a_ticket_is_reached_when_all_before_it_is_committed(agenda, clock):
    agenda.look(1, b"d", [b"a.jpg"])
    ticket = agenda.ticket()
    agenda.look(1, b"later", None)
    assert not agenda.reached(ticket)
    _, tasks = agenda.take(1)
    agenda.look_later((1, b"d", b"a.jpg"), 1, tasks[0].ticket)
    agenda.done()
    assert not agenda.reached(ticket)  # the file has not settled
    agenda.look(1, b"d", [b"a.jpg"])  # its writer has closed it meanwhile
    agenda.take(1)
    agenda.done()
    assert not agenda.reached(ticket)
    agenda.take(1)
    assert not agenda.reached(ticket)  # taken, not committed
    agenda.done()
    assert agenda.reached(ticket)


def test_dropping_a_root_leaves_the_others(agenda, clock):
    for root_id in (1, 2):
        agenda.look(root_id, b"d", None)
        agenda.look_later((root_id, b"d", b"a.jpg"), 1)
        agenda.scan(root_id)
    agenda.drop_root(1)
    clock[0] += 1
    assert taken(agenda) == (Phase.LOOK, {(2, b"d"): None})
    assert agenda.current_scan().root_id == 2
