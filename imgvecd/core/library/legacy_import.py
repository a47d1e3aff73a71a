"""Reads the former layout of a database: `index.faiss` and `metadata.pkl` in one folder.

Nothing in these files is trusted: the pickle may hold plain containers and scalars only, and the
index is parsed here, since Faiss itself does not check what it loads.
"""

from __future__ import annotations

import collections
import datetime
import io
import math
import os
import pickle
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from imgvecd.errors import BadRequestError
from imgvecd.types import Float32Array, Int64Array

_INDEX, _METADATA = "index.faiss", "metadata.pkl"
# Whatever else a pickle asks for is refused; none of these reaches beyond its arguments.
_PLAIN = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "list"): list,
    ("builtins", "dict"): dict,
    ("builtins", "int"): int,
    ("builtins", "float"): float,
    ("builtins", "str"): str,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "defaultdict"): collections.defaultdict,
    ("datetime", "date"): datetime.date,
    ("datetime", "datetime"): datetime.datetime,
    ("datetime", "time"): datetime.time,
    ("datetime", "timedelta"): datetime.timedelta,
    ("datetime", "timezone"): datetime.timezone,
}
# A pickle of a few bytes can refer to its own parts without end; no honest record comes near these.
_MAX_DEPTH = 32
_MAX_VALUES = 100_000

_PATH_KEYS = ("image_path", "path", "file_path", "filepath", "filename", "url")
_VECTOR_KEYS = frozenset({"embedding", "vector", "features"})
_LIST_KEYS = ("metadata", "metadatas", "images", "items", "records", "data")
_PATH_LIST_KEYS = ("image_paths", "paths", "filenames")

# Faiss's header after the four letters: dimension, number, two unused words, trained, metric.
_HEADER = struct.Struct("<iqqq?i")
_FLAT = {b"IxFI", b"IxF2", b"IxFl"}
_WITH_IDS = {b"IxMp", b"IxM2"}
_MAX_DIMENSION = 65_536


@dataclass(frozen=True, slots=True)
class LegacyImage:
    """One record.

    Attributes:
        path: as it was added, which may be a URL.
        row: of its vector.
    """

    path: str
    metadata: dict[str, Any]
    row: int


@dataclass(frozen=True, slots=True)
class LegacyDatabase:
    """A whole folder.

    Attributes:
        vectors: shape (n, dim), float32, rows L2-normalised.
        unusable: records without a path or without a usable vector.
    """

    images: list[LegacyImage]
    vectors: Float32Array
    unusable: int


def is_legacy(directory: str) -> bool:
    """Return whether the folder holds a database of the former layout."""
    return all(os.path.isfile(os.path.join(directory, name)) for name in (_INDEX, _METADATA))


def read_legacy(directory: str) -> LegacyDatabase:
    """Return what the folder holds; it is left as it is.

    Raises:
        BadRequestError: a file is missing, is damaged, or asks for what it must not.
    """
    try:
        with open(os.path.join(directory, _INDEX), "rb") as file:
            vectors, ids = read_flat_index(file)
        with open(os.path.join(directory, _METADATA), "rb") as file:
            content = load_plain(file)
    except OSError as error:
        raise BadRequestError(f"{error.filename}: {error.strerror}") from error
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    usable = (np.isfinite(norms) & (norms > 0))[:, 0]
    images = []
    unusable = 0
    for row, record in _by_row(content, ids):
        path = _path(record)
        if path is None or not 0 <= row < len(vectors) or not usable[row]:
            unusable += 1
        else:
            images.append(LegacyImage(path, _user_metadata(record), row))
    norms[~usable] = 1
    return LegacyDatabase(images, vectors / norms, unusable)


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  # as in the base class
        allowed = _PLAIN.get((module, name))
        if allowed is None:
            raise BadRequestError(
                f"{_METADATA} asks for {module}.{name}, which is no plain value: refused"
            )
        return allowed


def load_plain(file: BinaryIO) -> object:
    """Return the value in a pickle of plain containers and scalars.

    Raises:
        BadRequestError: it is damaged, or asks for anything else, which the message names.
    """
    try:
        return _PlainUnpickler(file).load()
    except BadRequestError:
        raise
    except Exception as error:  # what bad bytes make an unpickler raise is anything
        raise BadRequestError(f"{_METADATA} cannot be read: {error}") from error


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
            raise BadRequestError(f"{_INDEX} is damaged: its numbers of ids and vectors differ")
        return vectors, ids
    if kind not in _FLAT:
        name = kind.decode("ascii", "replace")
        raise BadRequestError(f"{_INDEX} is no flat Faiss index (it begins with {name!r})")
    dim, count = _header(file)
    values = _array(file, np.dtype("<f4"))
    if len(values) != dim * count:
        raise BadRequestError(f"{_INDEX} is damaged: it does not hold {count} × {dim} numbers")
    return values.reshape(count, dim), None


def _header(file: BinaryIO) -> tuple[int, int]:
    raw = file.read(_HEADER.size)
    if len(raw) < _HEADER.size:
        raise BadRequestError(f"{_INDEX} is damaged: it ends in its header")
    dim, count, _, _, _, metric = _HEADER.unpack(raw)
    if metric > 1:
        file.read(4)  # the metric's argument
    if not 0 < dim <= _MAX_DIMENSION or count < 0:
        raise BadRequestError(f"{_INDEX} is damaged: {count} vectors of {dim}")
    return dim, count


def _array(file: BinaryIO, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    raw = file.read(8)
    count = int.from_bytes(raw, "little")
    here = file.tell()
    left = file.seek(0, io.SEEK_END) - here
    file.seek(here)
    # vectors of floats are counted in numbers by every Faiss that wrote `IxFI`
    if len(raw) < 8 or count * dtype.itemsize > left:  # noqa: PLR2004  # bytes of a count
        raise BadRequestError(f"{_INDEX} is damaged: it ends in its numbers")
    return np.frombuffer(file.read(count * dtype.itemsize), dtype)


def _by_row(content: object, ids: Int64Array | None) -> Iterable[tuple[int, Mapping[str, Any]]]:
    """Yield (row of the vector, record) in whichever of the former shapes they were kept."""
    rows = None if ids is None else {int(identity): row for row, identity in enumerate(ids)}
    for key, record in _keyed(content):
        own = record.get("id", key) if rows is not None else key
        row = own if rows is None else rows.get(own, rows.get(key, -1))
        yield (row if isinstance(row, int) else -1), record


def _keyed(content: object) -> Iterable[tuple[int, Mapping[str, Any]]]:
    if isinstance(content, Mapping):
        for name in _LIST_KEYS:
            if isinstance(content.get(name), Mapping | list | tuple):
                return _with_paths(content, list(_keyed(content[name])))
        for name in _PATH_LIST_KEYS:
            if isinstance(content.get(name), list | tuple):
                return _keyed(content[name])
        if all(isinstance(key, int) or str(key).isdecimal() for key in content):
            return ((int(key), _record(None, value)) for key, value in content.items())
        named = enumerate(content.items())
        return ((row, _record(str(key), value)) for row, (key, value) in named)
    if isinstance(content, list | tuple):
        return ((row, _record(None, value)) for row, value in enumerate(content))
    raise BadRequestError(f"{_METADATA} holds a {type(content).__name__}, no list of images")


def _record(name: str | None, value: object) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return {"image_path": name, **value} if name else value
    return {"image_path": value if isinstance(value, str) else name}


def _with_paths(
    content: Mapping[Any, Any], records: list[tuple[int, Mapping[str, Any]]]
) -> Iterable[tuple[int, Mapping[str, Any]]]:
    """Yield the records, each with its path where paths were kept in a list of their own."""
    paths = next((content[key] for key in _PATH_LIST_KEYS if key in content), ())
    for row, record in records:
        apart = isinstance(paths, list | tuple) and 0 <= row < len(paths)
        yield row, ({"image_path": paths[row], **record} if apart else record)


def _path(record: Mapping[str, Any]) -> str | None:
    nested = record.get("metadata")
    for place in (record, nested if isinstance(nested, Mapping) else {}):
        for key in _PATH_KEYS:
            if isinstance(place.get(key), str) and place[key] and "\0" not in place[key]:
                return str(place[key])
    return None


def _user_metadata(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the user said, as JSON values: the record without path, id and vector."""
    used = next((key for key in _PATH_KEYS if isinstance(record.get(key), str)), None)
    rest = {
        key: value
        for key, value in record.items()
        if key not in _VECTOR_KEYS | {used, "id", "metadata"}
    }
    nested = record.get("metadata")
    plain = _plain({**rest, **(nested if isinstance(nested, Mapping) else {})}, [_MAX_VALUES])
    assert isinstance(plain, dict)  # noqa: S101  # a dict's plain form
    return plain


def _plain(value: object, left: list[int], depth: int = 0) -> object:
    left[0] -= 1
    if left[0] < 0 or depth > _MAX_DEPTH:
        raise BadRequestError(f"{_METADATA} holds a record that is nested without end: refused")
    if isinstance(value, Mapping):
        return {str(key): _plain(item, left, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, left, depth + 1) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)
