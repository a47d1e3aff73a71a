"""The text tower's file is given up when it is at fault, and at no other time."""

from __future__ import annotations

import numpy as np
import pytest

from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.errors import ModelError, WorkerError
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
