"""What programs hand over to the library: checked, and as Python's own, before it is used.

Numpy's numbers are as good as Python's; a bool is no number, and a text no list of texts.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Mapping
from typing import Any

from imgvecd.errors import BadRequestError

_SHOWN = 80  # characters of a value in a message


def whole(value: object, name: str, *, least: int, most: int) -> int:
    """Return a whole number within bounds. Raises BadRequestError, as all here do."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # what is none is told below
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise BadRequestError(f"{name} must be a whole number, not {_shown(value)}")
    if number < least:
        raise BadRequestError(f"{name} must be at least {least}, not {_shown(number)}")
    if number > most:
        raise BadRequestError(f"{name} must be at most {most}, not {_shown(number)}")
    return number


def number(value: object, name: str) -> float:
    """Return a finite number."""
    try:
        found = float(value)  # type: ignore[arg-type]  # likewise
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if isinstance(value, bool | str | bytes | bytearray) or not math.isfinite(found):
        raise BadRequestError(f"{name} must be a number, not {_shown(value)}")
    return found


def items(values: object, name: str) -> list[Any]:
    """Return the items of a list, tuple or other sequence; a text does not count as one."""
    if isinstance(values, str | bytes | bytearray | memoryview | os.PathLike | Mapping):
        raise BadRequestError(f"{name}: expected a list, not {type(values).__name__}")
    try:
        return list(values)  # type: ignore[call-overload,no-any-return]  # likewise
    except TypeError:
        raise BadRequestError(f"{name}: expected a list, not {type(values).__name__}") from None


def texts(values: object, name: str) -> list[str]:
    """Return a list of texts."""
    return [text(each, f"each of {name}") for each in items(values, name)]


def text(value: object, name: str) -> str:
    """Return a text, which UTF-8 can hold."""
    if not isinstance(value, str):
        raise BadRequestError(f"{name} must be a text, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRequestError(f"{name} is not valid text: {_shown(value)}") from None
    return str.__str__(value)  # numpy's, say, as Python's own


def mapping(value: object, name: str) -> Mapping[str, Any]:
    """Return a dict, or what is like one."""
    if not isinstance(value, Mapping):
        raise BadRequestError(f"{name} must be a dict, not {type(value).__name__}")
    return value


def path(value: object, name: str) -> str:
    """Return a path as a text, of a name that is no UTF-8 with surrogates."""
    try:
        found = os.fsdecode(value)  # type: ignore[arg-type]  # likewise
    except (TypeError, UnicodeError):
        raise BadRequestError(f"{name} must be a path, not {_shown(value)}") from None
    if "\0" in found:
        raise BadRequestError(f"{name} must be a path, not {_shown(value)}")
    return found


def _shown(value: object) -> str:
    """Return a value for a message, in short; of what cannot be shown, its type."""
    try:
        shown = repr(value)
    except Exception:  # noqa: BLE001  # whatever a program's own class raises
        return type(value).__name__
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
