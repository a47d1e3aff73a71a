"""`schema` as a flat table: dotted key, type, default and meaning of every setting.

Meanings come from the `Attributes` of the schema's docstrings, so that they are written once.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard, get_args

import msgspec

from imgvecd.config.schema import Config, Section

_ATTRIBUTE = re.compile(r"(\w+(?:, \w+)*): (.*)")


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table; `default` is a JSON value."""

    key: str
    type: Any
    default: Any
    meaning: str


def settings(section: type[Section] = Config, prefix: str = "") -> dict[str, Setting]:
    """Return every setting at or below `section` by dotted key, in the order of the schema."""
    table: dict[str, Setting] = {}
    texts = meanings(section)
    for field in msgspec.structs.fields(section):
        key = prefix + field.name
        if is_section(field.type):
            table.update(settings(field.type, f"{key}."))
            continue
        default = None if field.required else msgspec.to_builtins(field.default)
        table[key] = Setting(key, field.type, default, texts.get(field.name, ""))
        if not is_list(field.type):
            for inner in sections_in(field.type):
                table.update(settings(inner, f"{key}."))
    return table


def sections_in(kind: Any) -> Iterator[type[Section]]:  # noqa: ANN401  # any annotation
    """Yield the sections that a value of the annotated type may be or contain."""
    if is_section(kind):
        yield kind
    for argument in get_args(kind):
        yield from sections_in(argument)


def is_section(kind: Any) -> TypeGuard[type[Section]]:  # noqa: ANN401  # any annotation
    """Return whether the annotated type is a section."""
    return isinstance(kind, type) and issubclass(kind, Section)


def is_list(kind: Any) -> bool:  # noqa: ANN401  # any annotation
    """Return whether the annotated type is a tuple."""
    return getattr(kind, "__origin__", None) is tuple


def summary(section: type[Section]) -> str:
    """Return the first sentence of the docstring of `section`."""
    return next(iter(_docstring(section).splitlines()), "")


def meanings(section: type[Section]) -> dict[str, str]:
    """Return what the docstring of `section` says of its fields."""
    _, _, attributes = _docstring(section).partition("Attributes:\n")
    result: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(attributes).splitlines():
        if found := _ATTRIBUTE.fullmatch(line):
            names = found[1].split(", ")
            result.update(dict.fromkeys(names, found[2]))
        else:
            result.update({name: f"{result[name]} {line.strip()}" for name in names})
    return result


def _docstring(section: type[Section]) -> str:
    """Return it, of the source where the interpreter has dropped it (`python -OO`)."""
    if section.__doc__ is not None:  # not `getdoc` alone, which would go on to the base class
        return inspect.getdoc(section) or ""
    try:
        (definition,) = ast.parse(inspect.getsource(section)).body
    except (OSError, ValueError):  # there is no source: the settings go without their meanings
        return ""
    assert isinstance(definition, ast.ClassDef)  # noqa: S101  # what it is the source of
    return ast.get_docstring(definition) or ""
