"""Builds a kept image tower from a checkpoint, without torch.

The graph is what open_clip's classes compute, which tests compare; here fp32 is the measure for
what is less exact.
"""

from __future__ import annotations

import contextlib
import logging

from imgvecd.adapters.checkpoint import Weights, read_architecture
from imgvecd.adapters.imagetower.graphs import build_graph
from imgvecd.adapters.imagetower.pictures import SAME, comparison_pictures, likeness
from imgvecd.adapters.imagetower.tower import (
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
    write_choice,
)
from imgvecd.errors import ModelError, NotBuiltError
from imgvecd.types import ModelInfo

logger = logging.getLogger(__name__)

_COMPARED = 4  # pictures


def build(choice: ModelChoice, config: EncodeConfig, directory: str) -> ImageTower:
    """Return the image tower, which `directory` holds from now on.

    Raises:
        NotBuiltError: the checkpoint is not on this machine, or the tower is of an unusual kind.
    """
    try:
        architecture = read_architecture(choice)
        weights = Weights(architecture.checkpoint)
        graph = build_graph(architecture, weights)
        exact = CompiledGraph(graph, "fp32", config.threads)
        with replaced_folder(directory) as work:
            save_graph(graph, work, weights.taken_bytes)
            del graph, weights
            tower, note = _in_fastest(architecture.info(choice), config, exact, work)
            found = RuntimeChoice(
                runtime="openvino", note=note, circumstances=circumstances(config)
            )
            write_choice(work, found)
    except NotBuiltError:
        raise
    except (ModelError, OSError, RuntimeError) as error:
        raise NotBuiltError(f"{choice.name}: the image tower cannot be built: {error}") from error
    return tower


def _in_fastest(
    info: ModelInfo, config: EncodeConfig, exact: CompiledGraph, directory: str
) -> tuple[ImageTower, str]:
    """Return the tower in the fastest precision that is as good as fp32, and a note on it."""
    (sample,) = exact.encode_images(sample_pixels(info.preprocess.size))
    for precision in precisions(config.precision, computes_bf16=computes_bf16()):
        write_facts(directory, TowerFacts(info, precision, sample.tolist()))
        with contextlib.suppress(ModelError):  # too far on the sample already
            tower = ImageTower(directory, config.threads)
            if precision == "fp32":
                return tower, "OpenVINO in fp32, built from the checkpoint"
            pictures = comparison_pictures(info.preprocess)[:_COMPARED]
            cosine = likeness(tower.encode_images(pictures), exact.encode_images(pictures))
            logger.debug("OpenVINO in %s: cosine %.5f", precision, cosine)
            if cosine >= SAME:
                figures = f"cosine {cosine:.5f} to fp32"
                return tower, f"OpenVINO in {precision}, built from the checkpoint; {figures}"
    raise NotBuiltError(f"OpenVINO does not compute in {config.precision} as exactly as in fp32")
