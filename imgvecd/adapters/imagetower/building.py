"""Builds a kept image tower from a checkpoint, without torch.

The graph is what open_clip's classes compute, which tests compare; here fp32 is the measure for
bf16 and int8.
"""

from __future__ import annotations

import logging
import os

import numpy as np
from numpy.typing import NDArray

from imgvecd.adapters.checkpoint import Architecture, Weights, read_architecture
from imgvecd.adapters.imagetower.eight_bits import use_eight_bits
from imgvecd.adapters.imagetower.graphs import build_graph
from imgvecd.adapters.imagetower.pictures import SAME, SIMILAR, comparison_pictures
from imgvecd.adapters.imagetower.tower import (
    GRAPH,
    CompiledGraph,
    ImageTower,
    TowerFacts,
    precisions,
    replaced_folder,
    sample_pixels,
    save_graph,
    write_facts,
)
from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.core.library.runtime_choice import (
    RuntimeChoice,
    circumstances,
    computes_bf16,
    computes_vnni,
    write_choice,
)
from imgvecd.core.small_products import likeness
from imgvecd.errors import ModelError, NotBuiltError
from imgvecd.types import Float32Array, ModelInfo

logger = logging.getLogger(__name__)

_COMPARED = 4  # pictures


def build(choice: ModelChoice, config: EncodeConfig, directory: str) -> ImageTower:
    """Return the image tower, which `directory` holds from now on.

    Raises:
        NotBuiltError: the checkpoint is not on this machine, or the tower is of an unusual kind.
    """
    try:
        architecture = read_architecture(choice)
        info = architecture.info(choice)
        with replaced_folder(directory) as work:
            if config.precision == "int8":
                tower, note = _in_int8(architecture, info, config, work)
            else:
                _keep_graph(architecture, work)
                tower, note = _in_bf16(info, config, work) or _in_fp32(info, config, work)
            found = RuntimeChoice(
                runtime="openvino", note=note, circumstances=circumstances(config)
            )
            write_choice(work, found)
    except NotBuiltError:
        raise
    except (ModelError, OSError, RuntimeError) as error:
        raise NotBuiltError(f"{choice.name}: the image tower cannot be built: {error}") from error
    return tower


def _keep_graph(architecture: Architecture, directory: str) -> None:
    weights = Weights(architecture.checkpoint)
    save_graph(build_graph(architecture, weights), directory, weights.taken_bytes)


def _in_bf16(
    info: ModelInfo, config: EncodeConfig, directory: str
) -> tuple[ImageTower, str] | None:
    """Return the tower and a note on it; None if it is not wanted, slow, or not as good as fp32."""
    if "bf16" not in precisions(config.precision, computes_bf16=computes_bf16()):
        return None
    pictures = comparison_pictures(info.preprocess)[:_COMPARED]
    sample, *rows = _exactly(os.path.join(directory, GRAPH), pictures, config.threads)
    try:
        tower = ImageTower(info, "bf16", directory, config.threads)
    except ModelError:  # it cannot be had
        return None
    given = np.concatenate([tower.sample[None], tower.encode_images(pictures)])
    cosine = likeness(given, np.stack([sample, *rows]))
    logger.debug("OpenVINO in bf16: cosine %.5f", cosine)
    if not cosine >= SAME:  # nor is NaN
        return None
    write_facts(directory, TowerFacts(info, "bf16", sample.tolist()))
    return tower, f"OpenVINO in bf16, built from the checkpoint; cosine {cosine:.5f} to fp32"


def _in_int8(
    architecture: Architecture, info: ModelInfo, config: EncodeConfig, directory: str
) -> tuple[ImageTower, str]:
    """Return the tower and a note on it."""
    pictures = comparison_pictures(info.preprocess)
    graph = build_graph(architecture, Weights(architecture.checkpoint))
    rows = use_eight_bits(graph, pictures, vnni=computes_vnni())
    save_graph(graph, directory, 0)
    del graph
    tower = ImageTower(info, "int8", directory, config.threads)
    exact = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = likeness(tower.encode_images(pictures), exact)
    if not cosine >= SIMILAR:  # nor is NaN
        raise NotBuiltError(f"int8 is too coarse for this model: cosine {cosine:.5f} to fp32")
    write_facts(directory, TowerFacts(info, "int8", tower.sample.tolist()))
    return tower, f"OpenVINO in int8, built from the checkpoint; cosine {cosine:.5f} to fp32"


def _exactly(graph: str, pictures: NDArray[np.uint8], threads: int) -> Float32Array:
    """Return the embeddings in fp32 of the sample and of pictures; the memory is free again."""
    sample = sample_pixels(pictures.shape[1])
    return CompiledGraph(graph, "fp32", threads).encode_images(np.concatenate([sample, pictures]))


def _in_fp32(info: ModelInfo, config: EncodeConfig, directory: str) -> tuple[ImageTower, str]:
    """Return the tower and a note on it."""
    if "fp32" not in precisions(config.precision, computes_bf16=computes_bf16()):
        raise NotBuiltError(f"OpenVINO does not compute in {config.precision} as well as in fp32")
    tower = ImageTower(info, "fp32", directory, config.threads)
    if not np.isfinite(tower.sample).all():
        raise NotBuiltError("the graph gives no finite vector")
    write_facts(directory, TowerFacts(info, "fp32", tower.sample.tolist()))
    return tower, "OpenVINO in fp32, built from the checkpoint"
