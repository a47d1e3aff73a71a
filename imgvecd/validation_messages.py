"""What a person is told when a request or an argument does not fit its struct."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import msgspec

_LONGEST = 1000  # characters of a message: names and values in it are the client's
_LONGEST_NAME = 100  # of which a slip is looked for
_CLOSE = 0.6  # "tag" is close to "tags", "limits" to "limit"
_NEAREST = 3
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_ENUM = "Invalid enum value"
_STEP = re.compile(r"\.(\w+)|\[[^\]]*\]")


def validation_message(error: msgspec.MsgspecError, shape: Any) -> str:  # noqa: ANN401  # any type that msgspec takes
    """Return what does not fit, led by the field: "limit: Expected `int` >= 1.".

    A field that there is not is told with those that are near it, and a choice with all choices.

    Args:
        shape: what was asked for.
    """
    message, _, place = str(error).rpartition(" - at `$")
    if not message:
        message, place = place, ""
    message, place = message[:_LONGEST], place[:_LONGEST].rstrip("`")
    field = place.lstrip(".")
    message += _hint(message, place, shape)
    end = "" if message.endswith("?") else "."
    return f"{field}: {message}{end}" if field else f"{message}{end}"


def _hint(message: str, place: str, shape: Any) -> str:  # noqa: ANN401  # see above
    unknown = _UNKNOWN.match(message)
    if unknown is None and not message.startswith(_ENUM):
        return ""
    kinds = list(_located(shape, place))
    if unknown is None:
        choices = [str(value) for kind in kinds for value in _choices(kind)]
        return f"; one of {', '.join(choices)}" if choices else ""
    names = [
        field.encode_name
        for kind in kinds
        if isinstance(kind, msgspec.inspect.StructType)
        for field in kind.fields
    ]
    return _nearest(unknown[1], names)


def _nearest(name: str, names: list[str]) -> str:
    import difflib  # noqa: PLC0415  # only once something is wrong

    near = difflib.get_close_matches(name[:_LONGEST_NAME].lower(), names, _NEAREST, _CLOSE)
    if near:
        return f"; did you mean {' or '.join(f'`{each}`' for each in near)}?"
    return f"; there are {', '.join(names)}" if names else "; there are none"


def _choices(kind: msgspec.inspect.Type) -> tuple[Any, ...]:
    return kind.values if isinstance(kind, msgspec.inspect.LiteralType) else ()


def _located(shape: Any, place: str) -> Iterator[msgspec.inspect.Type]:  # noqa: ANN401  # see above
    """Yield the types that a value at ".filters.any_of[1]" may have."""
    kinds = list(_plain(_type_info(shape)))
    for step in _STEP.finditer(place):
        kinds = [
            inner
            for kind in kinds
            for below in (_field(kind, step[1]) if step[1] else _items(kind))
            for inner in _plain(below)
        ]
    yield from kinds


@functools.cache
def _type_info(shape: Any) -> msgspec.inspect.Type:  # noqa: ANN401  # see above
    """Return what a struct of ours is made of, which takes milliseconds to find out."""
    return msgspec.inspect.type_info(shape)


def _plain(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    """Yield the types that a type stands for: without annotations, each of a union."""
    if isinstance(kind, msgspec.inspect.Metadata):
        yield from _plain(kind.type)
    elif isinstance(kind, msgspec.inspect.UnionType):
        for each in kind.types:
            yield from _plain(each)
    else:
        yield kind


def _field(kind: msgspec.inspect.Type, name: str) -> Iterator[msgspec.inspect.Type]:
    if isinstance(kind, msgspec.inspect.StructType):
        yield from (field.type for field in kind.fields if field.encode_name == name)


def _items(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    if isinstance(kind, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
        yield kind.item_type
    elif isinstance(kind, msgspec.inspect.TupleType):
        yield from kind.item_types
    elif isinstance(kind, msgspec.inspect.DictType):
        yield kind.value_type
