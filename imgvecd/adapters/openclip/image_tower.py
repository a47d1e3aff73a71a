"""Converts a model's image tower for `adapters.imagetower`, and finds out which one is better."""

from __future__ import annotations

import contextlib
import logging
import os
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imgvecd.adapters import imagetower
from imgvecd.adapters.imagetower.pictures import SAME, comparison_pictures
from imgvecd.adapters.openclip.fusing import fused
from imgvecd.adapters.openclip.loading import load, preprocess_spec
from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.core.library.runtime_choice import (
    RuntimeChoice,
    circumstances,
    computes_bf16,
    write_choice,
)
from imgvecd.core.small_products import likeness
from imgvecd.errors import ModelError
from imgvecd.types import Float32Array, ModelInfo, PreprocessSpec

logger = logging.getLogger(__name__)

Foreign: TypeAlias = Any  # open_clip's classes, which have no types
Encode: TypeAlias = Callable[[NDArray[np.uint8]], Float32Array]

_MEASURED_S = 2.0
_BATCH = 8  # images, as they come in bulk
# Torch has to be so much faster to be worth its memory and the seconds of its start.
_WORTH_IT = 0.85


class _Tower(nn.Module):
    """From bytes of pixels, shape (n, size, size, 3), to embeddings of any length."""

    def __init__(self, model: Foreign, spec: PreprocessSpec) -> None:
        super().__init__()
        self._model = model
        self._mean = torch.tensor(spec.mean).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(spec.std).view(1, 3, 1, 1) * 255

    def forward(self, pixels: Tensor) -> Tensor:
        images = (pixels.permute(0, 3, 1, 2).float() - self._mean) / self._std
        return self._model.encode_image(images)  # type: ignore[no-any-return]  # open_clip is untyped


def encode_exactly(model: Foreign, spec: PreprocessSpec, pixels: NDArray[np.uint8]) -> Float32Array:
    """Return the embeddings that a model as it was loaded gives: shape (n, dim), unit."""
    with torch.inference_mode():
        return _unit(_Tower(model, spec).eval()(torch.from_numpy(pixels)))


def keep(
    choice: ModelChoice,
    config: EncodeConfig,
    info: ModelInfo,
    directory: str,
    encode: Encode | None,
) -> RuntimeChoice:
    """Return which runtime is to encode images; `directory` holds that, and the tower if need be.

    Takes some seconds, and the model's memory once more. The folder changes as a whole.

    Args:
        encode: of the model as it runs now; None where that is not on the processor.

    Raises:
        OSError: the folder cannot be written.
    """
    with imagetower.replaced_folder(directory) as work:
        found = _found_out(choice, config, info, work, encode)
        write_choice(work, found)
    return found


def _found_out(
    choice: ModelChoice,
    config: EncodeConfig,
    info: ModelInfo,
    directory: str,
    encode: Encode | None,
) -> RuntimeChoice:
    found = circumstances(config)
    try:
        if encode is None:
            raise ModelError("the model does not run on the processor")  # noqa: TRY301  # told below
        note = _kept(choice, config, info, directory, encode)
        return RuntimeChoice(runtime="openvino", note=note, circumstances=found, compared=True)
    except ModelError as error:
        for name in os.listdir(directory):
            os.unlink(os.path.join(directory, name))
        return RuntimeChoice(runtime="torch", note=f"torch: {error}", circumstances=found)


def _kept(
    choice: ModelChoice, config: EncodeConfig, info: ModelInfo, directory: str, encode: Encode
) -> str:
    """Return what was found out; raise ModelError with the reason why torch stays."""
    candidates = imagetower.precisions(config.precision, computes_bf16=computes_bf16())
    if not candidates:
        raise ModelError(f"OpenVINO does not compute in {config.precision} here")
    pictures = comparison_pictures(info.preprocess)
    with torch.inference_mode():
        model = _convert(choice, info.preprocess, directory)
        expected = _unit(model(torch.from_numpy(pictures)))
        sample = imagetower.sample_pixels(info.preprocess.size)
        expected_sample = _unit(model(torch.tensor(sample)))[0]
    del model
    for precision in candidates:
        imagetower.write_facts(
            directory, imagetower.TowerFacts(info, precision, expected_sample.tolist())
        )
        with contextlib.suppress(ModelError):  # too far on the sample already
            tower = imagetower.ImageTower.read(directory, config.threads)
            cosine = likeness(tower.encode_images(pictures), expected)
            logger.debug("OpenVINO in %s: cosine %.5f", precision, cosine)
            if cosine >= SAME:
                break
    else:
        raise ModelError(f"OpenVINO's vectors differ by more than a cosine of {SAME}")
    if config.runtime == "openvino":
        return f"OpenVINO in {precision}: cosine to torch {cosine:.5f}"
    batch = np.resize(pictures, (_BATCH, *pictures.shape[1:]))
    ours, theirs = _ms_each(tower.encode_images, encode, batch)
    figures = (
        f"{ours:.1f} ms of a core an image with OpenVINO in {precision}, {theirs:.1f} with torch"
    )
    if theirs < ours * _WORTH_IT:
        raise ModelError(figures)
    return f"{figures}; cosine {cosine:.5f}"


def _convert(choice: ModelChoice, spec: PreprocessSpec, directory: str) -> _Tower:
    """Write graph and weights; return what they were made of."""
    openvino = imagetower.load_openvino()
    model = load(choice)
    size = preprocess_spec(model).size
    model.visual = fused(model.visual, torch.randn(2, 3, size, size))
    tower = _Tower(model, spec).eval()
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    shape = openvino.PartialShape([-1, size, size, 3])
    weights = sum(p.numel() * p.element_size() for p in model.visual.parameters())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch finds its own tracing old-fashioned
            graph = openvino.convert_model(tower, example_input=example, input=[shape])
        imagetower.save_graph(graph, directory, weights)
    except Exception as error:  # whatever tracing and converting raise for an unusual model
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"OpenVINO cannot convert {choice.name}: {reason}") from error
    return tower


def _unit(rows: Tensor) -> Float32Array:
    return np.asarray(nn.functional.normalize(rows, dim=-1).numpy())


def _ms_each(first: Encode, second: Encode, images: NDArray[np.uint8]) -> tuple[float, float]:
    """Return milliseconds of a core that an image takes with each, measured in turn.

    Whatever else the machine does, which may be a lot when photos are indexed, does not count.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for encode in (first, second):
        encode(images)
    until = time.perf_counter() + _MEASURED_S
    while time.perf_counter() < until or len(times[1]) < 2:  # noqa: PLR2004  # one is chance
        for encode, taken in zip((first, second), times, strict=True):
            started = time.process_time()
            encode(images)
            taken.append(time.process_time() - started)
    ours, theirs = (1000 * statistics.median(taken) / len(images) for taken in times)
    return ours, theirs
