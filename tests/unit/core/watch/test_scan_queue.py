import pytest

from imgvecd.core.watch import scan_queue as module
from imgvecd.core.watch.scan_queue import MAX_NAMES, Phase, ScanQueue


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def scan_queue(clock):
    return ScanQueue(lambda: None)


def taken(scan_queue):
    phase, tasks = scan_queue.take(100)
    return phase, {(task.root_id, task.directory): task.names for task in tasks}


def test_a_burst_becomes_one_task(scan_queue):
    for _ in range(1000):
        scan_queue.add(1, b"d", [b"a.jpg"])
        scan_queue.add(1, b"d", [b"b.jpg"])
    assert taken(scan_queue) == (Phase.SOON, {(1, b"d"): {b"a.jpg", b"b.jpg"}})
    assert scan_queue.take(100) is None


def test_many_names_become_the_whole_folder(scan_queue):
    for number in range(MAX_NAMES + 1):
        scan_queue.add(1, b"d", [b"%d.jpg" % number])
    assert taken(scan_queue) == (Phase.SOON, {(1, b"d"): None})


def test_what_is_missing_waits_until_nothing_else_is_to_be_looked_at(scan_queue, clock):
    scan_queue.add_final(1, b"d", [b"a.jpg"], scan_queue.ticket())
    assert scan_queue.take(100) is None
    assert scan_queue.next_due_s() == pytest.approx(module.GRACE_S)
    clock[0] += module.GRACE_S
    scan_queue.add(1, b"e", None)
    assert taken(scan_queue)[0] is Phase.SOON
    assert taken(scan_queue) == (Phase.FINAL, {(1, b"d"): {b"a.jpg"}})


def test_live_events_come_before_a_scan(scan_queue):
    scan_queue.scan(1)
    scan_queue.add(1, b"d", None)
    assert taken(scan_queue)[0] is Phase.SOON
    assert taken(scan_queue) == (Phase.SCAN, {})


def test_a_scan_that_waits_is_not_queued_twice(scan_queue):
    scan_queue.scan(1)
    scan_queue.scan(1)
    scan = scan_queue.current_scan()
    scan.unvisited = set()
    scan_queue.scan(1)  # the first has begun, and may have passed what this one is for
    scan_queue.end_scan(scan)
    assert scan_queue.scanning
    scan_queue.end_scan(scan_queue.current_scan())
    assert not scan_queue.scanning


def test_later_looks_come_when_they_are_due_and_once(scan_queue, clock):
    scan_queue.add_later((1, b"d", b"a.jpg"), 5)
    scan_queue.add_later((1, b"d", b"a.jpg"), 1)
    scan_queue.add_later((1, b"d", b"a.jpg"), 3)
    clock[0] += 0.9
    assert scan_queue.take(100) is None
    clock[0] += 0.1
    assert taken(scan_queue) == (Phase.SOON, {(1, b"d"): {b"a.jpg"}})
    clock[0] += 10
    assert scan_queue.take(100) is None
    assert scan_queue.next_due_s() is None


def test_a_later_look_is_spent_when_the_whole_folder_is_looked_at(scan_queue, clock):
    scan_queue.add_later((1, b"d", b"a.jpg"), 1)
    ticket = scan_queue.ticket()
    scan_queue.add(1, b"d", None)
    clock[0] += 1
    assert taken(scan_queue) == (Phase.SOON, {(1, b"d"): None})
    scan_queue.done()
    assert scan_queue.reached(ticket)


def test_a_ticket_is_reached_when_all_before_it_is_committed(scan_queue, clock):
    scan_queue.add(1, b"d", [b"a.jpg"])
    ticket = scan_queue.ticket()
    scan_queue.add(1, b"later", None)
    assert not scan_queue.reached(ticket)
    _, tasks = scan_queue.take(1)
    scan_queue.add_later((1, b"d", b"a.jpg"), 1, tasks[0].ticket)
    scan_queue.done()
    assert not scan_queue.reached(ticket)  # the file has not settled
    scan_queue.add(1, b"d", [b"a.jpg"])  # its writer has closed it meanwhile
    scan_queue.take(1)
    scan_queue.done()
    assert not scan_queue.reached(ticket)
    scan_queue.take(1)
    assert not scan_queue.reached(ticket)  # taken, not committed
    scan_queue.done()
    assert scan_queue.reached(ticket)


def test_a_look_that_is_planned_already_is_owed_to_whoever_waits(scan_queue, clock):
    scan_queue.add(1, b"d", None)
    ticket = scan_queue.ticket()
    _, tasks = scan_queue.take(1)
    scan_queue.add_later((1, b"d", b"a.jpg"), 1)  # it is written to meanwhile
    scan_queue.add_later((1, b"d", b"a.jpg"), 2, tasks[0].ticket)
    scan_queue.done()
    assert not scan_queue.reached(ticket)


def test_dropping_a_root_leaves_the_others(scan_queue, clock):
    for root_id in (1, 2):
        scan_queue.add(root_id, b"d", None)
        scan_queue.add_later((root_id, b"d", b"a.jpg"), 1)
        scan_queue.scan(root_id)
    scan_queue.drop_root(1)
    clock[0] += 1
    assert taken(scan_queue) == (Phase.SOON, {(2, b"d"): None})
    assert scan_queue.current_scan().root_id == 2


def test_it_is_behind_until_what_was_taken_is_done(scan_queue):
    assert not scan_queue.behind
    scan_queue.add(1, b"d", [b"a.jpg"])
    assert scan_queue.behind
    scan_queue.take(100)
    assert scan_queue.behind
    scan_queue.done()
    assert not scan_queue.behind
    assert scan_queue.take(100) is None
    assert not scan_queue.behind


def test_it_is_behind_while_a_file_has_to_rest(scan_queue, clock):
    scan_queue.add_later((1, b"d", b"a.jpg"), 5)
    assert scan_queue.behind
    clock[0] += 5
    scan_queue.take(100)
    scan_queue.done()
    assert not scan_queue.behind


def test_it_is_behind_until_a_scan_that_has_ended_is_done(scan_queue):
    scan_queue.scan(1)
    scan_queue.take(100)
    scan_queue.end_scan(scan_queue.current_scan())
    assert scan_queue.behind
    scan_queue.done()
    assert not scan_queue.behind


def test_it_is_behind_while_a_missing_file_may_turn_up(scan_queue):
    scan_queue.add_final(1, b"d", [b"a.jpg"], scan_queue.ticket())
    assert scan_queue.behind


def test_a_log_that_is_written_all_day_does_not_keep_it_behind(scan_queue):
    scan_queue.add_later((1, b"d", b"backup.log"), 5)
    assert not scan_queue.behind
