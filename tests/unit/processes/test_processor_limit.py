"""What counts is what a process does, not how long the machine takes to let it."""

import asyncio
import os
import signal
import sys
import time

import psutil
import pytest

from imgvecd.processes.processor_limit import within

BUSY = "import time\nwhile time.process_time() < {}: pass"
IDLE = "import time; time.sleep(60)"


async def start(code):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"print('ready', flush=True)\n{code}", stdout=asyncio.subprocess.PIPE
    )
    await process.stdout.readline()
    return process


async def ended(process, limit_s):
    try:
        return await within(limit_s, process.pid, process.wait())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_work_within_the_limit_has_its_result():
    assert await ended(await start(BUSY.format(0.2)), 20) == 0


async def test_processor_time_is_limited():
    with pytest.raises(TimeoutError, match=r"over 0\.4 s of processor time"):
        await ended(await start(BUSY.format(60)), 0.4)


async def test_who_makes_no_progress_is_given_up():
    with pytest.raises(TimeoutError, match="no progress"):
        await ended(await start(IDLE), 0.4)


async def test_who_is_stopped_is_not_late():
    process = await start(BUSY.format(0.5))
    os.kill(process.pid, signal.SIGSTOP)
    while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
        await asyncio.sleep(0.01)
    ending = asyncio.create_task(ended(process, 1))
    began = time.monotonic()
    while time.monotonic() < began + 2.5:
        assert psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
        assert not ending.done()
        await asyncio.sleep(0.1)
    os.kill(process.pid, signal.SIGCONT)
    assert await ending == 0
