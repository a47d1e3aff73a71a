"""Photos that number formats and runtimes are compared on."""

from __future__ import annotations

import importlib.resources
import io

import numpy as np
from numpy.typing import NDArray

from imgvecd.adapters import pillow
from imgvecd.types import PreprocessSpec

SAME = 0.9995
"""Cosine to the model in fp32 that every picture must have for vectors to be interchangeable."""

SIMILAR = 0.95
"""Likewise, for vectors of 8 bits: other ones, that find nearly the same (docs/performance.md)."""

_LARGEST = 100_000_000  # pixels


def comparison_pictures(spec: PreprocessSpec) -> NDArray[np.uint8]:
    """Return the photos that come with imgvecd, as the model sees them: (n, size, size, 3)."""
    folder = importlib.resources.files("imgvecd") / "data" / "demo"
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".jpg"))
    decoded = [
        pillow.decode(io.BytesIO((folder / name).read_bytes()), spec, _LARGEST)[1] for name in files
    ]
    pixels = np.frombuffer(bytearray(b"".join(decoded)), np.uint8)
    return pixels.reshape(len(decoded), spec.size, spec.size, 3)
