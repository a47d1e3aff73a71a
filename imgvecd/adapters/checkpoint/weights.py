"""The weights in a safetensors file."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import safetensors

from imgvecd.errors import NotBuiltError
from imgvecd.types import Float32Array

Foreign: TypeAlias = Any  # of safetensors, which has no types


class Weights:
    """Hands out arrays, and knows which ones nobody took.

    Args:
        path: of the file, which is mapped: what is not taken is not read.

    Attributes:
        taken_bytes: of all arrays that were taken, in fp32.

    Raises:
        NotBuiltError: the file cannot be read.
    """

    taken_bytes = 0

    def __init__(self, path: str) -> None:
        try:
            file: Foreign = safetensors.safe_open(path, framework="numpy")
            self._left: set[str] = set(file.keys())
            self._file = file
        except (OSError, safetensors.SafetensorError) as error:
            raise NotBuiltError(f"{path} cannot be read: {error}") from error

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, *shape: int) -> Float32Array:
        """Return an array.

        Args:
            shape: that it must have; -1 allows any length.

        Raises:
            NotBuiltError: it is missing, or is of another shape or type.
        """
        try:
            array = self._file.get_tensor(name)
        except (safetensors.SafetensorError, TypeError) as error:  # bf16, which numpy has not
            raise NotBuiltError(f"{name} cannot be read: {error}") from error
        fits = len(array.shape) == len(shape) and all(
            wanted in {-1, length} for wanted, length in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype.kind != "f":
            raise NotBuiltError(f"{name} is {array.dtype} {array.shape} instead of {shape}")
        self._left.discard(name)
        plain: Float32Array = array.astype(np.float32, copy=False)
        self.taken_bytes += plain.nbytes
        return plain

    def ignore(self, name: str) -> None:
        """Take note that an array is for training only."""
        self._left.discard(name)

    def require_all_taken(self, *prefixes: str) -> None:
        """Raise NotBuiltError if an array so named was not taken, which would change vectors."""
        left = sorted(name for name in self._left if name.startswith(prefixes))
        if left:
            raise NotBuiltError(f"the checkpoint has {left[0]}, which the architecture lacks")
