"""An encoder that dies, hangs or cannot start: bounded damage, growing pauses, and recovery."""

import asyncio
import functools
import signal
from pathlib import Path

import pytest
from child_processes import children_with
from running import DEADLINE_S

from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.errors import ModelError, WorkerError
from imgvecd.processes import backoff, encoder_process, split_encoder
from imgvecd.processes.encoder_process import EncoderProcess
from imgvecd.types import Lane

pytestmark = pytest.mark.started_workers

GOOD, DEADLY = bytes(12), b"kill" + bytes(8)


class Clock:
    """For the module `time`: it stands still."""

    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def notes(tmp_path, monkeypatch):
    monkeypatch.setenv("NOTES", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    return tmp_path


@pytest.fixture
async def encoder(notes):
    choice = ModelChoice("fake", "", "f")
    encoder = EncoderProcess(choice, EncodeConfig(idle_s=60), module="misbehaving_encoder")
    yield encoder
    await encoder.close()
    assert not encoder.running


def starts(notes):
    return (notes / "notes").read_text().split("\n").count("start")


async def test_a_death_costs_one_batch(encoder, notes):
    assert (await encoder.encode_images([GOOD], Lane.BULK)).shape == (1, 4)
    with pytest.raises(WorkerError, match="exit code 9"):
        await encoder.encode_images([GOOD, DEADLY], Lane.BULK)
    assert not encoder.loaded
    assert (await encoder.encode_images([GOOD] * 3, Lane.BULK)).shape == (3, 4)
    assert starts(notes) == 2


async def test_who_waits_behind_a_death_is_served(encoder):
    results = await asyncio.gather(
        encoder.encode_texts(["die"], Lane.INTERACTIVE),
        encoder.encode_texts(["a"], Lane.INTERACTIVE),
        encoder.encode_images([GOOD], Lane.BULK),
        return_exceptions=True,
    )
    assert isinstance(results[0], WorkerError)
    assert [result.shape for result in results[1:]] == [(1, 4), (1, 4)]


async def test_a_hang_is_ended(encoder, monkeypatch):
    await encoder.info()
    with monkeypatch.context() as patch:
        patch.setattr(encoder_process, "_ANSWER_S", 0.3)
        with pytest.raises(WorkerError, match="did not answer"):
            await encoder.encode_texts(["hang"], Lane.INTERACTIVE)
    assert (await encoder.encode_texts(["a"], Lane.BULK)).shape == (1, 4)


@pytest.mark.parametrize("number", [None, signal.SIGSTOP, signal.SIGKILL])
async def test_who_searches_waits_for_no_images(notes, monkeypatch, number):
    """The text tower alone answers, whether the other process is busy, hangs or dies."""
    fake = functools.partial(EncoderProcess, module="misbehaving_encoder")
    monkeypatch.setattr(split_encoder, "EncoderProcess", fake)
    (notes / "tower").touch()
    choice = ModelChoice("fake", "", "f")
    encoder = split_encoder.SplitEncoder(
        choice, EncodeConfig(), str(notes / "tower"), str(notes / "images")
    )
    try:
        await encoder.encode_images([GOOD], Lane.BULK)
        (whole,) = children_with("misbehaving_encoder")
        if number is not None:
            whole.send_signal(number)
        busy = asyncio.create_task(encoder.encode_images([GOOD] * 100_000, Lane.BULK))
        async with asyncio.timeout(DEADLINE_S):  # the images alone take longer, at 20 ms each
            assert (await encoder.encode_texts(["a"], Lane.INTERACTIVE)).shape == (1, 4)
        assert number == signal.SIGKILL or not busy.done()
        assert starts(notes) >= 2
        busy.cancel()
        await asyncio.wait([busy])
    finally:
        await encoder.close()


@pytest.mark.parametrize("text", ["few", "many", "other"])
async def test_an_answer_that_does_not_fit_is_as_good_as_a_death(encoder, notes, text):
    with pytest.raises(WorkerError, match="does not fit the request"):
        await encoder.encode_texts([text], Lane.INTERACTIVE)
    assert (await encoder.encode_texts(["a"], Lane.BULK)).shape == (1, 4)
    assert starts(notes) == 2


async def test_rows_that_are_no_numbers_are_refused(encoder, notes):
    with pytest.raises(WorkerError, match="no finite vector"):
        await encoder.encode_texts(["nan"], Lane.INTERACTIVE)
    assert (await encoder.encode_texts(["a"], Lane.INTERACTIVE)).shape == (1, 4)
    assert starts(notes) == 1  # that is no reason to load the model again


async def test_a_crash_loop_backs_off_and_tells_whoever_cannot_wait(encoder, monkeypatch, notes):
    clock = Clock()
    monkeypatch.setattr(backoff, "time", clock)
    for _ in range(2):
        with pytest.raises(WorkerError, match="exit code 9"):
            await encoder.encode_images([DEADLY], Lane.BULK)
    with pytest.raises(WorkerError, match="2 times in a row"):
        await encoder.encode_texts(["a"], Lane.INTERACTIVE)
    assert "2 times in a row" in encoder.error
    waiting = asyncio.create_task(encoder.encode_images([GOOD], Lane.BULK))
    await asyncio.wait([waiting], timeout=3 * backoff._FIRST_S)
    assert not waiting.done()
    assert starts(notes) == 2
    clock.now += backoff._FIRST_S
    assert (await waiting).shape == (1, 4)
    assert (await encoder.encode_texts(["a"], Lane.INTERACTIVE)).shape == (1, 4)
    assert starts(notes) == 3
    assert encoder.error is None


async def test_when_everything_dies_no_image_is_blamed(encoder, monkeypatch):
    monkeypatch.setattr(backoff, "_FIRST_S", 0.0)
    monkeypatch.setattr(backoff, "_MOST_DEATHS", 2)
    for _ in range(2):
        with pytest.raises(WorkerError):
            await encoder.encode_images([DEADLY], Lane.BULK)
    with pytest.raises(ModelError, match="3 times in a row"):
        await encoder.encode_images([DEADLY], Lane.BULK)


@pytest.mark.parametrize(("cause", "words"), [("broken", "no such luck"), ("no model", "no such")])
async def test_a_model_that_cannot_be_loaded(encoder, notes, cause, words):
    (notes / cause).touch()
    with pytest.raises(ModelError, match=words):
        await encoder.encode_images([GOOD], Lane.BULK)
    assert not encoder.running
    (notes / cause).unlink()
    assert (await encoder.encode_images([GOOD], Lane.BULK)).shape == (1, 4)
