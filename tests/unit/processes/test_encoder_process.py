"""What is known of a model before it is loaded."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.errors import NotBuiltError
from imgvecd.processes.encoder_process import EncoderProcess
from imgvecd.processes.worker import Worker
from imgvecd.processes.worker_messages import EncodeReady, Failed, ModelKnown, Vectors
from imgvecd.types import Lane, ModelInfo, PreprocessSpec

INFO = ModelInfo("f", "m", "", 2, PreprocessSpec(224, (0.5,) * 3, (0.5,) * 3))


class LoadingWorker:
    """Says which model it is, and loads it when told to."""

    pid = 1

    def __init__(self, ending):
        self.ending = ending
        self.loading = asyncio.Event()
        self.answers = [ModelKnown(INFO)]

    async def answer(self):
        if self.answers:
            return self.answers.pop(), b""
        await self.loading.wait()
        return self.ending, b""

    async def ask(self, request, _body):
        rows = np.ones((len(request.texts), INFO.dim), np.float32)
        return Vectors(len(rows), 0.1), rows.tobytes()

    def kill(self):
        self.loading.set()

    async def stop(self):
        pass


@pytest.fixture
async def loading(monkeypatch):
    """Return (an encoder, its worker) for what the worker says when it has loaded."""
    encoders = []

    def make(ending):
        worker = LoadingWorker(ending)

        async def start(*_arguments, **_options):
            return worker

        monkeypatch.setattr(Worker, "start", start)
        encoders.append(EncoderProcess(ModelChoice("m", "", "f"), EncodeConfig()))
        return encoders[-1], worker

    yield make
    for encoder in encoders:
        await encoder.close()


async def test_which_model_it_is_is_known_before_it_is_loaded(loading):
    encoder, worker = loading(EncodeReady(INFO, "cpu", "float32"))
    assert await encoder.info() == INFO
    assert encoder.running
    assert not encoder.loaded
    worker.loading.set()
    assert (await encoder.encode_texts(["a dog"], Lane.BULK)).shape == (1, 2)
    assert encoder.loaded


async def test_one_that_then_is_not_built_is_still_known(loading):
    encoder, worker = loading(Failed("not_built", "weights of another shape"))
    assert await encoder.info() == INFO
    worker.loading.set()
    with pytest.raises(NotBuiltError):
        await encoder.load()
    assert await encoder.info() == INFO


async def test_who_asks_and_goes_away_leaves_it_loading(loading):
    encoder, worker = loading(EncodeReady(INFO, "cpu", "float32"))
    worker.answers.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await encoder.info()
    worker.loading.set()
    assert await encoder.info() == INFO
