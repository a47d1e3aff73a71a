"""open_clip's configurations and checkpoints, read without torch: towers are built from them."""

from imgvecd.adapters.checkpoint.architecture import (
    Architecture,
    EfficientNet,
    TextTransformer,
    VisionTransformer,
    read_architecture,
)
from imgvecd.adapters.checkpoint.open_clip_files import published_pixels, read_merges
from imgvecd.adapters.checkpoint.weights import Weights

__all__ = [
    "Architecture",
    "EfficientNet",
    "TextTransformer",
    "VisionTransformer",
    "Weights",
    "published_pixels",
    "read_architecture",
    "read_merges",
]
