"""Reads a flat Faiss index of the former layout, since Faiss does not check what it loads."""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

import numpy as np

from imgvecd.errors import BadRequestError
from imgvecd.types import Float32Array, Int64Array

INDEX = "index.faiss"
# Faiss's header after the four letters: dimension, number, two unused words, trained, metric.
_HEADER = struct.Struct("<iqqq?i")
_FLAT = {b"IxFI", b"IxF2", b"IxFl"}
_WITH_IDS = {b"IxMp", b"IxM2"}
_MAX_DIMENSION = 65_536


def read_flat_index(file: BinaryIO) -> tuple[Float32Array, Int64Array | None]:
    """Return (vectors, ids) of a flat Faiss index; ids are None where rows number themselves.

    Raises:
        BadRequestError: it is damaged, or an index of another kind.
    """
    kind = file.read(4)
    if kind in _WITH_IDS:
        _, count = _header(file)
        vectors, _ = read_flat_index(file)
        ids = _array(file, np.dtype("<i8"))
        if not count == len(ids) == len(vectors):
            raise BadRequestError(f"{INDEX} is damaged: its numbers of ids and vectors differ")
        return vectors, ids
    if kind not in _FLAT:
        name = kind.decode("ascii", "replace")
        raise BadRequestError(f"{INDEX} is not a flat Faiss index (it begins with {name!r})")
    dim, count = _header(file)
    values = _array(file, np.dtype("<f4"))
    if len(values) != dim * count:
        raise BadRequestError(f"{INDEX} is damaged: it does not hold {count} × {dim} numbers")
    return values.reshape(count, dim), None


def _header(file: BinaryIO) -> tuple[int, int]:
    raw = file.read(_HEADER.size)
    if len(raw) < _HEADER.size:
        raise BadRequestError(f"{INDEX} is damaged: it ends in its header")
    dim, count, _, _, _, metric = _HEADER.unpack(raw)
    if metric > 1:
        file.read(4)  # the metric's argument
    if not 0 < dim <= _MAX_DIMENSION or count < 0:
        raise BadRequestError(f"{INDEX} is damaged: {count} vectors of {dim}")
    return dim, count


def _array(file: BinaryIO, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    raw = file.read(8)
    count = int.from_bytes(raw, "little")
    here = file.tell()
    left = file.seek(0, io.SEEK_END) - here
    file.seek(here)
    # vectors of floats are counted in numbers by every Faiss that wrote `IxFI`
    if len(raw) < 8 or count * dtype.itemsize > left:  # noqa: PLR2004  # bytes of a count
        raise BadRequestError(f"{INDEX} is damaged: it ends in its numbers")
    return np.frombuffer(file.read(count * dtype.itemsize), dtype)
