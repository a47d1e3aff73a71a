"""Signals that come in a flood: each is told of once, and none of them is a fault."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from imgvecd.heard_signals import hearing_the_end

NUMBER = signal.SIGUSR2
BEGINNING = f"""
import os, signal, subprocess, sys, time
from imgvecd.heard_signals import calling, no_longer_hear
number = signal.Signals({int(NUMBER)})
signal.pthread_sigmask(signal.SIG_UNBLOCK, {{number}})
"""
FLOODED = f"""{BEGINNING}
class FloodedLoop:
    told = []

    def call_soon_threadsafe(self, call):  # the next one comes while it is told of one
        self.told.append(call)
        signal.raise_signal(number)

loop, heard = FloodedLoop(), []
signal.signal(number, calling(loop, lambda: heard.append(1), None))
for times in (1, 2):
    signal.raise_signal(number)
    assert len(loop.told) == times
    loop.told[-1]()
    assert len(heard) == times
"""
ENDING = f"""{BEGINNING}
faults, come = [], []
sys.unraisablehook = lambda fault: faults.append(fault.exc_value)
signal.signal(number, lambda *_: come.append(1))
kill = f"os.kill({{os.getpid()}}, {{int(number)}}); time.sleep(1e-5)"  # leaves us time to go on
flood = f"import os, time\\nwhile True: {{kill}}"
with subprocess.Popen([sys.executable, "-c", flood]) as flooding:
    while not come:
        time.sleep(0.01)
    for _ in range(10_000):
        signal.signal(number, lambda *_: None)
        no_longer_hear(number, signal.SIG_IGN)
    flooding.kill()
assert not faults, faults
"""


@pytest.mark.parametrize("what", [FLOODED, ENDING], ids=["told of once", "no fault at the end"])
def test_of_a_flood_each_signal_is(what):
    alone = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # with no other thread to come to
    subprocess.run([sys.executable, "-c", what], env=alone, check=True)


def test_who_was_not_asked_to_end_can_be_interrupted_again():
    async def end_by_itself():
        with hearing_the_end(signal.SIGINT, signal.SIGTERM):
            pass

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    asyncio.run(end_by_itself())
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
