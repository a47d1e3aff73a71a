"""Reads `metadata.pkl` of the former layout: plain containers and scalars only.

A few bytes can ask for any amount of memory, so it is read in a process with limits only
(`workers.legacy_metadata`).
"""

from __future__ import annotations

import collections
import datetime
import math
import pickle
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from imgvecd.errors import BadRequestError

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


class LegacyRecord(NamedTuple):
    """What was kept of one image.

    Attributes:
        key: its place among the records.
        own_id: the id that it names itself, else `key`.
        path: as it was added, which may be a URL; None where the record has none.
        metadata: what the user said, as JSON values.
    """

    key: int
    own_id: int
    path: str | None
    metadata: dict[str, Any]


def read_records(file: BinaryIO) -> Iterator[LegacyRecord]:
    """Yield the records in whichever of the former shapes they were kept.

    Raises:
        BadRequestError: it is damaged, or asks for anything else, which the message names.
    """
    for key, record in _keyed(_load_plain(file)):
        own = record.get("id")
        path = _path(record)
        metadata = {} if path is None else _user_metadata(record)
        yield LegacyRecord(key, own if isinstance(own, int) else key, path, metadata)


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  # as in the base class
        allowed = _PLAIN.get((module, name))
        if allowed is None:
            raise BadRequestError(f"asks for {module}.{name}, which is not a plain value: refused")
        return allowed


def _load_plain(file: BinaryIO) -> object:
    try:
        return _PlainUnpickler(file).load()
    except (BadRequestError, MemoryError):
        raise
    except Exception as error:  # what bad bytes make an unpickler raise is anything
        raise BadRequestError(f"cannot be read: {error}") from error


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
    raise BadRequestError(f"holds a {type(content).__name__}, no list of images")


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
        raise BadRequestError("holds a record that is nested without end: refused")
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
