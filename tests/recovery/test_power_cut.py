"""The power fails at any moment: what was acknowledged is on the disk, and the rest is sound."""

import os
import random
import select
import signal
import time

import pytest
from stored_library import StoredLibrary, expected, opened

_BETWEEN_CHECKPOINTS, _BETWEEN_REBUILDS, _BETWEEN_BACKUPS = 3, 20, 25  # pictures
_MOST_PICTURES = 150  # then the library begins anew: cuts early in its life, and a small disk


def work(state, first, acknowledge):
    """Add pictures until the disk is gone, and tell of each when it is on it."""
    library = StoredLibrary(state)
    number = first
    while True:
        library.add(number)
        os.write(acknowledge, b"%d\n" % number)
        number += 1
        if number % _BETWEEN_CHECKPOINTS == 0:
            library.checkpoint()
        if number % _BETWEEN_REBUILDS == 0:
            library.index.rebuild()
            library.checkpoint()
        if number % _BETWEEN_BACKUPS == 0:
            library.catalog.back_up()


def cut_while_working(disk, state, first, choose):
    """Cut the power while a process works; return the pictures that it had acknowledged by then.

    What is acknowledged while the cut is under way does not count: the kernel takes some time for
    it, during which a plain write and `fdatasync` report success for what is lost (3 of 443 cuts).
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            work(state, first, writing)
        finally:
            os._exit(1)
    os.close(writing)
    readable, _, _ = select.select([reading], [], [], 60)
    assert readable, "nothing was ever acknowledged"
    time.sleep(choose.uniform(0, 0.06))  # a moment of its work, by chance
    told = os.read(reading, 1 << 16)
    disk.cut_power()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    return [int(line) for line in told.split()]


def check(cuts, disk, seed):
    choose = random.Random(seed)
    acknowledged, lost, state = set(), 0, disk.place / "state"
    for _ in range(cuts):
        if len(acknowledged) > _MOST_PICTURES:
            disk.clear()
            acknowledged = set()
        told = cut_while_working(disk, state, max(acknowledged, default=0) + 1, choose)
        acknowledged.update(told)
        disk.mount_again()
        with opened(state) as library:
            assert library.recovery.report is None
            there = library.numbers()
            lost += len(acknowledged - there)
            assert all(number > max(acknowledged) for number in there - acknowledged)
            assert library.answers() == expected(there)
            assert library.catalog.examine() is None
        acknowledged |= there
    assert lost == 0


def test_a_handful_of_power_cuts(loop_disk):
    check(8, loop_disk(), seed=1)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_thousand_power_cuts(loop_disk):
    check(1000, loop_disk(), seed=2)
