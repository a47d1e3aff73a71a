"""The weights in a safetensors file."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import safetensors

from imgvecd.core.files.durable import open_file
from imgvecd.errors import NotBuiltError
from imgvecd.json_bounds import UNDECODABLE
from imgvecd.types import Float32Array

_LENGTH_BYTES = 8  # of the header's length, at the beginning
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}  # bf16 numpy has not


class Weights:
    """Hands out arrays, and knows which ones nobody took.

    Args:
        path: of the file, of which only what is taken is read. It is not mapped: its pages would
            be memory of this process, beside the arrays that are made of them.

    Attributes:
        taken_bytes: of all arrays that were taken, in fp32.

    Raises:
        NotBuiltError: the file cannot be read, or is none.
    """

    taken_bytes = 0

    def __init__(self, path: str) -> None:
        try:
            with open_file(path) as file:
                # it checks what the header says
                with safetensors.safe_open(path, framework="numpy"):
                    pass
                length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
                header = msgspec.json.decode(file.read(length), type=dict[str, Any])
        except (OSError, safetensors.SafetensorError, *UNDECODABLE) as error:
            raise NotBuiltError(f"{path} cannot be read: {error}") from error
        header.pop("__metadata__", None)
        self._path, self._begin = path, _LENGTH_BYTES + length
        self._entries = header
        self._left = set(header)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, *shape: int) -> Float32Array:
        """Return an array.

        Args:
            shape: that it must have; -1 allows any length.

        Raises:
            NotBuiltError: it is missing, or is of another shape or type.
        """
        if name not in self._entries:
            raise NotBuiltError(f"the checkpoint has no {name}")
        kind, found = self._entries[name]["dtype"], tuple(self._entries[name]["shape"])
        fits = len(found) == len(shape) and all(
            wanted in {-1, length} for wanted, length in zip(shape, found, strict=True)
        )
        if not fits or kind not in _TYPES:
            raise NotBuiltError(f"{name} is {kind} {found} instead of {shape}")
        begin, end = self._entries[name]["data_offsets"]
        dtype = np.dtype(_TYPES[kind])
        try:
            array = np.fromfile(
                self._path, dtype, (end - begin) // dtype.itemsize, offset=self._begin + begin
            )
            plain: Float32Array = array.reshape(found).astype(np.float32, copy=False)
        except (OSError, ValueError) as error:  # it was cut since
            raise NotBuiltError(f"{name} cannot be read: {error}") from error
        self._left.discard(name)
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
