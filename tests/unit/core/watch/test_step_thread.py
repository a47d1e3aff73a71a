"""What may hang on a disk is done in a thread of its own, one thing after the other."""

import threading

import pytest

from imgvecd.core.watch.step_thread import StepThread


async def test_one_thread_does_all_and_tells_results_and_errors():
    steps = StepThread()
    first, second = steps.do(threading.current_thread), steps.do(threading.current_thread)
    failing = steps.do(lambda: 1 / 0)
    assert (await first) is (await second) is not threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        await failing
    assert (await first).daemon
    steps.close()
    (await first).join()
    again = await steps.do(threading.current_thread)
    assert again is not await first
    steps.close()


async def test_who_waits_no_more_keeps_no_other_waiting():
    steps, gate = StepThread(), threading.Event()
    left = steps.do(gate.wait)
    left.cancel()
    gate.set()
    assert await steps.do(lambda: 2) == 2
    steps.close()
