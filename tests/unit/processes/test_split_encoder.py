"""What is asked of which part of the model, and what is given up when it is at fault."""

from __future__ import annotations

import numpy as np
import pytest

from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.core.library.runtime_choice import RuntimeChoice, circumstances, write_choice
from imgvecd.errors import ModelError, NotBuiltError, WorkerError
from imgvecd.processes.split_encoder import SplitEncoder
from imgvecd.types import Lane


class Failing:
    def __init__(self, error):
        self.error = error

    async def encode_texts(self, texts, _lane):
        if self.error:
            raise self.error
        return np.ones((len(texts), 2), np.float32)


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (WorkerError("the encoder ended 3 times in a row; the next try is in 2 s"), True),
        (WorkerError("killed by SIGKILL"), True),
        (ModelError("the text tower is damaged"), False),
    ],
)
async def test_only_a_damaged_file_is_given_up(tmp_path, error, stays):
    tower = tmp_path / "tower"
    tower.write_bytes(b"weights")
    encoder = SplitEncoder(ModelChoice("m", "", "f"), EncodeConfig(), str(tower), "")
    encoder._texts, encoder._whole = Failing(error), Failing(None)
    assert len(await encoder.encode_texts(["a dog"], Lane.INTERACTIVE)) == 1
    assert tower.exists() == stays


class Part:
    """A part of the model that is asked for images, each time with the next of some outcomes."""

    may_fetch = True

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.loaded = False

    async def load(self):
        self.loaded = True

    async def encode_images(self, pixels, _lane):
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return np.full((len(pixels), 2), outcome, np.float32)


def in_int8(folder, *outcomes):
    config = EncodeConfig(precision="int8")
    encoder = SplitEncoder(ModelChoice("m", "", "f", int8=True), config, "", str(folder / "images"))
    encoder._images, encoder._whole = Part(*outcomes), Part()
    return encoder


async def test_in_int8_the_whole_model_is_fetched_and_never_stands_in(tmp_path):
    missing = NotBuiltError("no safetensors file of m is on this machine")
    encoder = in_int8(tmp_path, missing, 8.0)
    assert (await encoder.encode_images([b""], Lane.BULK)).tolist() == [[8.0, 8.0]]
    assert encoder._whole.loaded


async def test_a_model_that_cannot_be_had_in_int8_is_not_encoded_with(tmp_path):
    encoder = in_int8(tmp_path, *[NotBuiltError("the image tower is of an unusual kind")] * 2)
    for _ in range(3):
        with pytest.raises(ModelError, match=r"int8 cannot be had here: .* unusual kind"):
            await encoder.encode_images([b""], Lane.BULK)
    assert not encoder._images.outcomes


async def test_a_tower_in_int8_that_torch_differs_from_is_not_used_again(tmp_path):
    encoder = in_int8(tmp_path)
    found = circumstances(EncodeConfig(precision="int8"))
    choice = RuntimeChoice(runtime="torch", note="it differs", circumstances=found, compared=True)
    write_choice(str(tmp_path / "images"), choice)
    with pytest.raises(ModelError, match="int8 cannot be had here: it differs"):
        await encoder.encode_images([b""], Lane.BULK)


async def test_a_worker_in_int8_that_fails_is_tried_again_later(tmp_path):
    encoder = in_int8(tmp_path, ModelError("the encoder ended"), 8.0)
    with pytest.raises(ModelError, match="ended"):
        await encoder.encode_images([b""], Lane.BULK)
    assert (await encoder.encode_images([b""], Lane.BULK)).tolist() == [[8.0, 8.0]]
