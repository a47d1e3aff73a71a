"""Bad pictures hurt only themselves: named failures within the limits, no worker left behind."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from child_processes import children_with
from running import DEADLINE_S

from imgvecd.config.schema import DecodeConfig
from imgvecd.errors import UnreadableImageError, WorkerError
from imgvecd.processes.decoder_pool import DecoderPool
from imgvecd.types import PreprocessSpec

pytestmark = pytest.mark.started_workers

SPEC = PreprocessSpec(64, (0.5,) * 3, (0.5,) * 3)
GOOD = Path(__file__).parents[1] / "data" / "photos" / "cat.jpg"
LIMIT_S = 1.5


MODULE = "misbehaving_decoder"


def workers():
    """Return those that are left; other tests of this process may have daemons, which go on."""
    return [child.pid for child in children_with(MODULE, recursive=True)]


AT_NIGHT = pytest.mark.nightly  # another way to the same end as the one above it


@pytest.fixture
async def pool(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    config = DecodeConfig(workers=2, timeout_s=LIMIT_S, memory_mb=1024)
    pool = DecoderPool(config, module=MODULE)
    yield pool
    await pool.close()
    assert pool.running == 0
    assert workers() == []


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("segfault", "crash"),
        ("exit", "crash"),
        ("abort", "crash"),
        ("nonsense", "crash"),
        pytest.param("other", "crash", marks=AT_NIGHT),
        pytest.param("much", "crash", marks=AT_NIGHT),
        pytest.param("loop", "timeout", marks=AT_NIGHT),
        ("sleep", "timeout"),
        pytest.param("deaf", "timeout", marks=AT_NIGHT),
        ("stops", "timeout"),
        ("memory", "memory"),
        ("prints", "unsupported"),
    ],
)
async def test_the_worst_that_can_happen(pool, word, reason):
    """Each neighbour in the same pool, before, during and after, is decoded."""
    good = GOOD.read_bytes()
    await pool.decode_bytes(good, SPEC)
    async with asyncio.timeout(DEADLINE_S):  # who sleeps would sleep for an hour
        bad, *others = await asyncio.gather(
            pool.decode_bytes(word.encode() + b" and so on", SPEC),
            *(pool.decode_bytes(good, SPEC) for _ in range(8)),
            return_exceptions=True,
        )
    assert isinstance(bad, UnreadableImageError)
    assert bad.reason == reason
    assert all(result.info.format == "jpeg" for result in others)
    assert (await pool.decode_bytes(good, SPEC)).info.format == "jpeg"
    assert pool.running <= 2


async def test_a_worker_killed_for_anothers_sake_costs_nothing(pool):
    """Killed in the middle of a decode, say for memory: the picture gets a second chance."""
    await pool.decode_bytes(GOOD.read_bytes(), SPEC)
    (first,) = workers()
    decoding = asyncio.create_task(pool.decode_bytes(b"sleep", SPEC))
    await asyncio.sleep(0)  # the request is on its way to the worker that idles
    os.kill(first, signal.SIGKILL)
    with pytest.raises(UnreadableImageError) as caught:
        await decoding
    assert caught.value.reason == "timeout"  # of the second worker


async def test_workers_that_die_while_idle_are_replaced(pool):
    good = GOOD.read_bytes()
    await asyncio.gather(*(pool.decode_bytes(good, SPEC) for _ in range(4)))
    for worker in workers():
        os.kill(worker, signal.SIGKILL)
    results = await asyncio.gather(*(pool.decode_bytes(good, SPEC) for _ in range(4)))
    assert [result.info.format for result in results] == ["jpeg"] * 4


async def test_a_worker_that_cannot_start_is_nobodys_fault(monkeypatch):
    pool = DecoderPool(DecodeConfig(workers=1), module="there_is_no_such_module")
    with pytest.raises(WorkerError, match="No module named"):
        await pool.decode_bytes(b"", SPEC)
    await pool.close()
