"""A CLIP model's image tower without torch: pixels to embeddings, on OpenVINO."""

from imgvecd.adapters.imagetower.openvino_runtime import load_openvino
from imgvecd.adapters.imagetower.tower import (
    BINARY,
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

__all__ = [
    "BINARY",
    "GRAPH",
    "CompiledGraph",
    "ImageTower",
    "TowerFacts",
    "load_openvino",
    "precisions",
    "replaced_folder",
    "sample_pixels",
    "save_graph",
    "write_facts",
]
