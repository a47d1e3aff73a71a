"""How worker processes live: on demand, one lane before the other, never without their parent."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from child_processes import children_with
from running import DEADLINE_S, eventually

from imgvecd.config.schema import DecodeConfig, EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.core.threads import Asker, asker
from imgvecd.processes import encoder_process
from imgvecd.processes.decoder_pool import DecoderPool
from imgvecd.processes.encoder_process import EncoderProcess
from imgvecd.types import Lane, PreprocessSpec, Priority, Stamp

pytestmark = pytest.mark.started_workers

TESTS = Path(__file__).parents[1]
GOOD = (TESTS / "data" / "photos" / "cat.jpg").read_bytes()
SPEC = PreprocessSpec(64, (0.5,) * 3, (0.5,) * 3)
IMAGE = bytes(12)


@pytest.fixture
def notes(tmp_path, monkeypatch):
    monkeypatch.setenv("NOTES", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    return tmp_path / "notes"


def fake_encoder(speed_file="", young_until_s=0.0, **settings):
    choice, config = ModelChoice("fake", "", "f"), EncodeConfig(**settings)
    return EncoderProcess(
        choice,
        config,
        young_until_s=young_until_s,
        speed_file=speed_file,
        module="misbehaving_encoder",
    )


@pytest.fixture
async def encoder(notes):
    encoder = fake_encoder(idle_s=60)
    yield encoder
    await encoder.close()


async def test_decoders_start_on_demand_and_stop_when_idle():
    pool = DecoderPool(DecodeConfig(workers=2, idle_s=0.2))
    assert pool.running == 0
    await asyncio.gather(*(pool.decode_bytes(GOOD, SPEC) for _ in range(6)))
    assert 1 <= pool.running <= 2
    workers = children_with("imgvecd.workers.decode")
    assert workers
    await eventually(lambda: pool.running == 0)
    await eventually(lambda: not any(worker.is_running() for worker in workers))
    assert (await pool.decode_bytes(GOOD, SPEC)).pixels
    await pool.close()


async def test_a_decoder_is_small_and_humble():
    pool = DecoderPool(DecodeConfig(workers=1), Priority(niceness=10, disk="low"))
    await pool.decode_bytes(GOOD, SPEC)
    (worker,) = children_with("imgvecd.workers.decode")
    assert worker.memory_info().rss < 120e6
    assert worker.nice() == 10
    assert worker.ionice() == (psutil.IOPRIO_CLASS_BE, 7)
    assert worker.rlimit(psutil.RLIMIT_AS) == (2048 << 20,) * 2
    assert not [mapped for mapped in worker.memory_maps() if "torch" in mapped.path]
    await pool.close()


async def test_a_caller_that_goes_away_frees_its_place():
    pool = DecoderPool(DecodeConfig(workers=1))
    going = [asyncio.create_task(pool.decode_bytes(GOOD, SPEC)) for _ in range(5)]
    await eventually(lambda: pool.running)
    for task in going:
        task.cancel()
    await asyncio.wait(going)
    async with asyncio.timeout(DEADLINE_S):
        assert (await pool.decode_bytes(GOOD, SPEC)).pixels
    assert pool.running == 1
    await pool.close()


async def test_the_encoder_stops_when_idle_and_starts_again(notes):
    encoder = fake_encoder(idle_s=0.2)
    await encoder.encode_texts(["a"], Lane.INTERACTIVE)
    assert encoder.loaded
    assert encoder.runs_on == "torch, cpu, float32"
    await eventually(lambda: not encoder.running)
    await encoder.encode_texts(["a"], Lane.INTERACTIVE)
    assert notes.read_text().count("start") == 2
    await encoder.close()


async def test_a_young_library_keeps_its_model_longer(notes, monkeypatch):
    monkeypatch.setattr(encoder_process, "_IDLE_S", 0.05)
    monkeypatch.setattr(encoder_process, "_YOUNG_IDLE_S", 600.0)
    young, old = fake_encoder(young_until_s=time.time() + 600), fake_encoder()
    short = fake_encoder(young_until_s=time.time() + 600, idle_s=0.05)  # what is set is obeyed
    encoders = (young, old, short)
    await asyncio.gather(*(each.encode_texts(["a"], Lane.INTERACTIVE) for each in encoders))
    await eventually(lambda: not old.running and not short.running)
    assert young.loaded
    for each in encoders:
        await each.close()


async def test_what_the_model_is_needs_no_second_start(encoder, notes):
    info = await encoder.info()
    await encoder.close()
    assert await encoder.info() == info
    assert not encoder.running


async def test_a_text_waits_for_one_step_not_for_the_backlog(encoder, notes):
    """200 images at 20 ms each are 4 s of work; a text gets between two steps."""
    await encoder.encode_images([IMAGE] * 8, Lane.BULK)
    bulk = asyncio.create_task(encoder.encode_images([IMAGE] * 200, Lane.BULK))
    await eventually(lambda: notes.read_text().count("images") > 4)
    steps = notes.read_text().count("images")
    await encoder.encode_texts(["a"], Lane.INTERACTIVE)
    assert (await bulk).shape == (200, 4)
    before, _, after = notes.read_text().partition("texts a")
    assert before.count("images") <= steps + 2  # the one at work, and one that was on its way
    assert "images" in after


async def test_images_are_encoded_in_long_steps_unless_somebody_searches(encoder, notes):
    """At 20 ms each 16 take less than a second, and more take no less time each."""
    await encoder.encode_images([IMAGE] * 64, Lane.BULK)
    assert notes.read_text().split("\n").count("images 16") >= 2
    assert encoder.batch == 16
    await encoder.encode_texts(["a"], Lane.INTERACTIVE)
    before = notes.read_text().count("images 16")
    await encoder.encode_images([IMAGE] * 16, Lane.BULK)
    assert notes.read_text().count("images 16") == before


async def test_what_was_learnt_of_the_speed_is_kept(notes, tmp_path):
    file = str(tmp_path / "speed" / "f.json")
    encoder = fake_encoder(file)
    before = encoder.speed
    assert before is None
    await encoder.encode_images([IMAGE] * 64, Lane.BULK)
    assert encoder.speed.images == 16
    assert 0.01 < encoder.speed.seconds_each < 0.1
    await encoder.close()
    assert encoder.speed.images == 16
    again = fake_encoder(file)
    await again.info()
    await again.encode_images([IMAGE] * 16, Lane.BULK)
    assert notes.read_text().split("\n")[-2] == "images 16"
    await again.close()


async def test_a_query_that_gives_up_does_not_cost_the_model(encoder, notes):
    await encoder.info()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await encoder.encode_texts(["slow"], Lane.INTERACTIVE)
    assert (await encoder.encode_texts(["a"], Lane.INTERACTIVE)).shape == (1, 4)
    assert notes.read_text().count("start") == 1


async def test_stopping_now_ends_what_is_under_way(encoder, notes):
    await encoder.info()
    working = asyncio.create_task(encoder.encode_texts(["hang"], Lane.BULK))
    await eventually(lambda: "hang" in notes.read_text())
    await encoder.close()
    assert not encoder.running
    assert isinstance((await asyncio.gather(working, return_exceptions=True))[0], Exception)


PARENT = """
import asyncio, json, os, sys
from imgvecd.config.schema import DecodeConfig, EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.processes.decoder_pool import DecoderPool
from imgvecd.processes.encoder_process import EncoderProcess
from imgvecd.types import Lane, PreprocessSpec
import pathlib, psutil

notes = pathlib.Path(os.environ["NOTES"], "notes")

async def main():
    decoder = DecoderPool(DecodeConfig(workers=1), module="misbehaving_decoder")
    choice = ModelChoice("f", "", "f")
    encoder = EncoderProcess(choice, EncodeConfig(), module="misbehaving_encoder")
    await encoder.info()
    spec = PreprocessSpec(8, (0.5,) * 3, (0.5,) * 3)
    busy = [asyncio.create_task(decoder.decode_bytes(b"deaf ", spec)),
            asyncio.create_task(encoder.encode_texts(["hang"], Lane.BULK))]
    while len(children := psutil.Process().children()) < 2 or "hang" not in notes.read_text():
        await asyncio.sleep(0.01)
    print(json.dumps([child.pid for child in children]), flush=True)
    await asyncio.wait(busy)

asyncio.run(main())
"""


def test_no_worker_outlives_the_daemon(notes):
    """Not even one that hangs, when the daemon is killed and can close nothing."""
    environment = {**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent}"}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment, text=True
    )
    with parent:
        workers = [psutil.Process(pid) for pid in json.loads(parent.stdout.readline())]
        parent.send_signal(signal.SIGKILL)
    gone, alive = psutil.wait_procs(workers, timeout=DEADLINE_S)
    assert (len(gone), alive) == (2, [])


async def test_a_person_does_not_wait_for_pictures_that_are_indexed(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    pool = DecoderPool(DecodeConfig(workers=1), module="misbehaving_decoder")
    slow = tmp_path / "slow.jpg"
    slow.write_bytes(b"sleep ")
    status = slow.stat()
    stamp = Stamp(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)
    indexing = [asyncio.create_task(pool.decode(os.fsencode(slow), stamp, SPEC)) for _ in range(3)]
    await eventually(lambda: pool.running)
    async with asyncio.timeout(DEADLINE_S):
        assert (await pool.decode_bytes(GOOD, SPEC)).pixels
    assert not any(task.done() for task in indexing)
    for task in indexing:
        task.cancel()
    await asyncio.wait(indexing)
    await pool.close()


async def test_pictures_that_take_long_keep_no_other_client_waiting(notes):
    pool = DecoderPool(DecodeConfig(workers=1, timeout_s=3600), module="misbehaving_decoder")
    mine = asker.set(Asker("another", is_owner=False))
    endless = [asyncio.create_task(pool.decode_bytes(b"sleep ", SPEC)) for _ in range(4)]
    asker.reset(mine)
    await eventually(lambda: pool.running)
    async with asyncio.timeout(DEADLINE_S):
        assert (await pool.decode_bytes(GOOD, SPEC)).pixels
    for each in endless:
        each.cancel()
    await pool.close()
