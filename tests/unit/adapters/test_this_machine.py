"""Batteries as Linux shows them, load of others, and priorities."""

import os
import subprocess
import sys
import threading
import time

import psutil
import pytest

from imgvecd.adapters.this_machine import ThisMachine, lower
from imgvecd.types import Priority


@pytest.fixture
def supplies(tmp_path):
    def write(**devices):
        for name, facts in devices.items():
            (tmp_path / name).mkdir()
            for fact, value in facts.items():
                (tmp_path / name / fact).write_text(f"{value}\n")
        return ThisMachine(str(tmp_path))

    return write


MAINS = {"type": "Mains", "online": "0"}


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        ({"AC": MAINS, "BAT0": {"type": "Battery", "status": "Discharging"}}, True),
        ({"AC": MAINS, "BAT0": {"type": "Battery", "status": "Charging"}}, False),
        ({"BAT0": {"type": "Battery", "status": "Full"}}, False),
        (  # a wireless mouse
            {"hidpp_battery_0": {"type": "Battery", "scope": "Device", "status": "Discharging"}},
            False,
        ),
        (
            {
                "BAT0": {"type": "Battery", "scope": "System", "status": "Full"},
                "BAT1": {"type": "Battery", "scope": "System", "status": "Discharging"},
            },
            True,
        ),
        ({"AC": MAINS}, False),
        ({}, False),
    ],
)
def test_which_batteries_count(supplies, devices, expected):
    assert supplies(**devices).on_battery() is expected


def test_a_machine_without_the_folder_is_on_mains(tmp_path):
    assert not ThisMachine(str(tmp_path / "none")).on_battery()


BUSY = "import time\nend = time.process_time() + 1.0\nwhile time.process_time() < end: pass"


SLACK_S = 0.3  # of a core: what else a process does in its life


def busy():
    """Return seconds of all cores: (at work, there were)."""
    times = psutil.cpu_times()
    return sum(times[:8]) - times.idle - times.iowait, sum(times[:8])


def load_and_bounds(work, own_s=0.0):
    """Return (the load of others during `work`, what it is at least, and at most).

    Whatever the machine does between two looks is within the bounds.

    Args:
        own_s: seconds of a core that `work` takes of its own.
    """
    before = busy()
    machine = ThisMachine()
    begun = busy()
    work()
    ended = busy()
    load = machine.other_load()
    after = busy()
    least, there_then = (late - early for late, early in zip(ended, begun, strict=True))
    most, there = (late - early for late, early in zip(after, before, strict=True))
    return load, (least - own_s - SLACK_S) / there, (most - own_s + SLACK_S) / there_then


def test_our_own_work_and_that_of_our_workers_is_no_load():
    command = [sys.executable, "-c", BUSY]
    load, least, most = load_and_bounds(lambda: subprocess.run(command, check=True), own_s=1.0)
    assert least <= load <= most


def test_the_work_of_others_is(tmp_path):
    """Of a process that is no descendant: its parent has ended before it begins."""
    done = tmp_path / "done"
    script = f"{BUSY}\nopen({str(done)!r}, 'w').close()"

    def work():
        subprocess.run(["sh", "-c", 'setsid "$0" -c "$1" &', sys.executable, script], check=True)
        while not done.exists():
            time.sleep(0.02)

    load, least, most = load_and_bounds(work)
    assert least <= load <= most


def test_a_thread_can_be_humble_alone():
    found = []

    def work():
        lower(Priority(niceness=7, disk="idle"))
        me = psutil.Process(threading.get_native_id())
        found.extend([os.getpriority(os.PRIO_PROCESS, 0), me.ionice().ioclass])

    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [max(7, before), psutil.IOPRIO_CLASS_IDLE]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
    assert psutil.Process().ionice().ioclass != psutil.IOPRIO_CLASS_IDLE
