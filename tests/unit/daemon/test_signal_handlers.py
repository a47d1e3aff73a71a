"""A signal that comes while the one before it is handled, as in a flood, is told of once."""

import signal

from imgvecd.daemon.daemon import _calling


class FloodedLoop:
    """Gets the next signal while it is told of one."""

    def __init__(self):
        self.told = []

    def call_soon_threadsafe(self, call):
        self.told.append(call)
        signal.raise_signal(signal.SIGUSR2)


def test_who_is_told_of_one_of_a_flood_is_told_of_it_once():
    loop, heard = FloodedLoop(), []
    before = signal.signal(signal.SIGUSR2, _calling(loop, lambda: heard.append(1), None))
    try:
        for times in (1, 2):
            signal.raise_signal(signal.SIGUSR2)
            assert len(loop.told) == times
            loop.told[-1]()
            assert len(heard) == times
    finally:
        signal.signal(signal.SIGUSR2, before)
