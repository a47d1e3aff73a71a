"""A CLIP model's image tower without torch: pixels to embeddings, on OpenVINO."""

from imgvecd.adapters.imagetower.openvino_runtime import load_openvino
from imgvecd.adapters.imagetower.tower import (
    BINARY,
    GRAPH,
    ImageTower,
    TowerFacts,
    precisions,
    sample_pixels,
    write_facts,
)

__all__ = [
    "BINARY",
    "GRAPH",
    "ImageTower",
    "TowerFacts",
    "load_openvino",
    "precisions",
    "sample_pixels",
    "write_facts",
]
