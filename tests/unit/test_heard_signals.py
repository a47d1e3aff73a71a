"""Signals that come in a flood: each is told of once, and none of them is a fault."""

import asyncio
import os
import signal
import subprocess
import sys

from imgvecd.heard_signals import calling, hearing_the_end


class FloodedLoop:
    """Gets the next signal while it is told of one."""

    def __init__(self):
        self.told = []

    def call_soon_threadsafe(self, call):
        self.told.append(call)
        signal.raise_signal(signal.SIGUSR2)


def test_who_is_told_of_one_of_a_flood_is_told_of_it_once():
    loop, heard = FloodedLoop(), []
    before = signal.signal(signal.SIGUSR2, calling(loop, lambda: heard.append(1), None))
    try:
        for times in (1, 2):
            signal.raise_signal(signal.SIGUSR2)
            assert len(loop.told) == times
            loop.told[-1]()
            assert len(heard) == times
    finally:
        signal.signal(signal.SIGUSR2, before)


ENDING = """
import os, signal, subprocess, sys, time
from imgvecd.heard_signals import no_longer_hear
faults, come = [], []
sys.unraisablehook = lambda fault: faults.append(fault.exc_value)
number = signal.SIGUSR2
signal.signal(number, lambda *_: come.append(1))
flood = f"import os\\nwhile True: os.kill({os.getpid()}, {int(number)})"
with subprocess.Popen([sys.executable, "-c", flood]) as flooding:
    while not come:
        time.sleep(0.01)
    for _ in range(20_000):
        signal.signal(number, lambda *_: None)
        no_longer_hear(number, signal.SIG_IGN)
    flooding.kill()
print(faults)
"""


def test_what_comes_while_a_signal_isno_longer_heard_is_no_fault():
    """Of so many, some come just between two steps."""
    alone = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # with no other thread to come to
    ending = subprocess.run(
        [sys.executable, "-c", ENDING], capture_output=True, text=True, env=alone, check=True
    )
    assert ending.stdout == "[]\n"


def test_who_was_not_asked_to_end_can_be_interrupted_again():
    async def end_by_itself():
        with hearing_the_end(signal.SIGINT, signal.SIGTERM):
            pass

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    asyncio.run(end_by_itself())
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
