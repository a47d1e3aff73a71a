"""Compares an image tower that was built from the checkpoint with the model on torch."""

from __future__ import annotations

import logging

import msgspec
import torch

from imgvecd.adapters import imagetower
from imgvecd.adapters.imagetower.pictures import SAME, SIMILAR, comparison_pictures
from imgvecd.adapters.openclip.image_tower import encode_exactly
from imgvecd.adapters.openclip.loading import load, preprocess_spec
from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.core.library.runtime_choice import RuntimeChoice, read_choice, write_choice
from imgvecd.core.small_products import likeness
from imgvecd.errors import ModelError
from imgvecd.types import ModelInfo

logger = logging.getLogger(__name__)


class Comparison:
    """Knows what a kept image tower has to give. Thread-safety: one thread at a time.

    The model is loaded in fp32, on the processor, and only what is on this machine.

    Args:
        directory: of the tower.

    Attributes:
        info: what the model is.
        runtime, device, dtype: what it is compared with.

    Raises:
        ModelError: the tower or the model cannot be loaded.
    """

    runtime = "torch"
    device = "cpu"
    dtype = "float32"

    def __init__(self, choice: ModelChoice, config: EncodeConfig, directory: str) -> None:
        torch.set_num_threads(1)  # nobody waits for it
        found = read_choice(directory, config)
        if found is None or found.runtime != "openvino":
            raise ModelError("no image tower is kept")
        self._found = found
        self._tower = imagetower.ImageTower.read(directory, threads=1)
        self.info: ModelInfo = self._tower.info
        model = load(choice, may_fetch=False)
        if preprocess_spec(model) != self.info.preprocess:
            self._cosine = float("nan")  # it would be given other pixels
            return
        pictures = comparison_pictures(self.info.preprocess)
        expected = encode_exactly(model, self.info.preprocess, pictures)
        self._cosine = likeness(self._tower.encode_images(pictures), expected)

    def keep_image_tower(self, directory: str) -> RuntimeChoice:
        """Return which runtime is to encode images: torch, if the tower gives something else.

        Raises:
            OSError: the folder cannot be written.
        """
        if self._cosine >= (SIMILAR if self._tower.dtype == "int8" else SAME):
            note = f"{self._found.note}; cosine {self._cosine:.5f} to torch"
            found = msgspec.structs.replace(self._found, note=note, compared=True)
            write_choice(directory, found)
            return found
        note = f"torch: the tower built from the checkpoint differs: cosine {self._cosine:.5f}"
        found = msgspec.structs.replace(self._found, runtime="torch", note=note, compared=True)
        with imagetower.replaced_folder(directory) as work:
            write_choice(work, found)
        return found
