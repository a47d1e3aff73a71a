"""Reads the configuration: flags over environment over file over defaults.

Every error names where the value came from (file and line, variable, or flag) and the key, and for
an unknown key the nearest valid one.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec
import yaml

from imgvecd.config import paths
from imgvecd.config.schema import Config, Section
from imgvecd.config.schema_table import Setting, is_list, is_section, sections_in, settings
from imgvecd.errors import ConfigError

Keys = tuple[str | int, ...]

_MOST_BYTES = 1_000_000  # of the file: 16,000 folders; reading it takes seconds
_MOST_VALUES = 100_000  # in the file: anchors that name each other unfold without end
_PREFIX = "IMGVECD_"
_CONFIG_VARIABLE = "IMGVECD_CONFIG"
# The query tool's variable means the same thing to the daemon.
_ALIASES = {"IMGVECD_SOCKET": "server.socket"}


def load(path: str | None = None, overrides: Mapping[str, str | list[str]] | None = None) -> Config:
    """Return the effective configuration.

    Args:
        path: the file; None takes `$IMGVECD_CONFIG`, else the default one if it exists.
        overrides: from the command line, by dotted key; a list may be text split by `os.pathsep`.

    Raises:
        ConfigError: anything unknown, ill-typed or unreadable.
    """
    source = path or config_path()
    tree, lines = _read(source) if source else ({}, {})
    table = settings()
    for origin, key, value in (*_environment(), *_command_line(overrides or {})):
        setting = table.get(key)
        if setting is None:
            raise ConfigError(f"{origin}: {_unknown(key, table)}")
        _insert(tree, key.split("."), _from_text(origin, setting, value))
    try:
        return msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(_located(error, source or "", lines)) from None
    except UnicodeEncodeError as error:
        where = f"{source}: " if source else ""
        raise ConfigError(f"{where}{error.object!r} holds bytes that are no text.") from None


def config_path() -> str | None:
    """Return the file that is read when none is named, or None if there is none."""
    named = os.environ.get(_CONFIG_VARIABLE)
    default = paths.config_file()
    return named or (default if os.path.lexists(default) else None)


def dump(config: Config) -> str:
    """Return `config` as YAML."""
    return yaml.safe_dump(msgspec.to_builtins(config), sort_keys=False, allow_unicode=True)


def quoted(value: object) -> str:
    """Return a JSON value as one line of YAML."""
    line = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf"))
    return line.removesuffix("...\n").strip()


def _read(path: str) -> tuple[dict[str, Any], dict[Keys, int]]:
    """Return the file's content and the line of each key."""
    lines: dict[Keys, int] = {}
    try:
        loader = yaml.SafeLoader(_content(path))
        node = loader.get_single_node()
        if node is None or node.tag == "tag:yaml.org,2002:null":
            return {}, lines
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{path}:{node.start_mark.line + 1}: expected `key: value` lines.")
        _check_keys(path, node, [Config], (), lines)
        content: dict[str, Any] = loader.construct_document(node)
        content = {key: value for key, value in content.items() if value is not None}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}.") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid YAML: it is nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as error:  # the latter of a number, say
        raise ConfigError(f"{path}: not valid YAML: {error}.") from None
    return content, lines


def _content(path: str) -> bytes:
    """Return the bytes of a file that may be a configuration; errors as of `open`, too.

    Raises:
        ConfigError: it is no file, nor the null device, or too large.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would wait
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) and status.st_rdev != os.stat(os.devnull).st_rdev:
            raise ConfigError(f"{path}: cannot be read: it is not a file.")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(_MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"{path}: cannot be read: it has more than {_MOST_BYTES:,} bytes.")
    return content


def _check_keys(
    path: str,
    node: yaml.Node,
    sections: Iterable[type[Section]],
    at: Keys,
    lines: dict[Keys, int],
) -> None:
    """Record the line of every key below `node`; refuse keys that are unknown or given twice."""
    if len(lines) > _MOST_VALUES:
        raise ConfigError(
            f"{path}: more than {_MOST_VALUES:,} values, anchors that repeat included."
        )
    if isinstance(node, yaml.ScalarNode) and not _can_be_name(node.value):
        where = f"{path}:{node.start_mark.line + 1}"
        raise ConfigError(f"{where}: {_dotted(at)}: it holds NUL or half a character.")
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            lines[(*at, position)] = item.start_mark.line + 1
            _check_keys(path, item, sections, (*at, position), lines)
    if not isinstance(node, yaml.MappingNode):
        return
    fields = {f.name: f.type for section in sections for f in msgspec.structs.fields(section)}
    for key, value in node.value:
        where = f"{path}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{where}: a key must be a plain word.")
        here = (*at, key.value)
        if here in lines:
            raise ConfigError(f"{where}: {_dotted(here)} is given twice (line {lines[here]}).")
        if key.value not in fields:
            names = [_dotted((*at, name)) for name in fields]
            raise ConfigError(f"{where}: {_unknown(_dotted(here), names)}")
        lines[here] = key.start_mark.line + 1
        _check_keys(path, value, list(sections_in(fields[key.value])), here, lines)


def _can_be_name(text: str) -> bool:
    """Return whether a file may be called so; single bytes are written as halves of characters."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _environment() -> list[tuple[str, str, str | list[str]]]:
    """Return (variable, key, value); an empty variable counts as unset."""
    found: list[tuple[str, str, str | list[str]]] = []
    for name, value in os.environ.items():
        if value and name.startswith(_PREFIX) and name != _CONFIG_VARIABLE:
            key = name.removeprefix(_PREFIX).lower().replace("__", ".")
            found.append((name, _ALIASES.get(name, key), value))
    return found


def _command_line(
    overrides: Mapping[str, str | list[str]],
) -> list[tuple[str, str, str | list[str]]]:
    return [("command line", key, value) for key, value in overrides.items()]


def _from_text(origin: str, setting: Setting, value: str | list[str]) -> object:
    """Return the value that a text from outside the file means for a setting."""
    parsed: object = value
    if is_list(setting.type) and isinstance(value, str):
        if is_section(get_args(setting.type)[0]):
            parsed = _from_yaml(origin, setting, value)
        else:
            parsed = [part for part in value.split(os.pathsep) if part]
    try:
        converted = msgspec.convert(parsed, setting.type, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{origin}: {setting.key}: {error}{_choices(setting)}.") from None
    except UnicodeEncodeError:
        raise ConfigError(
            f"{origin}: {setting.key}: {value!r} holds bytes that are no text."
        ) from None
    return msgspec.to_builtins(converted)


def _from_yaml(origin: str, setting: Setting, text: str) -> object:
    """Return a list of sections, which is written as in the file: `[{key: value}]`."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        form = "expected YAML such as [{key: value}]"
        raise ConfigError(f"{origin}: {setting.key}: {form}, got {text!r}.") from None


def _insert(tree: dict[str, Any], keys: list[str], value: object) -> None:
    for key in keys[:-1]:
        inner = tree.get(key)
        if isinstance(inner, str):  # the short form: `model: NAME` is `model: {name: NAME}`
            inner = {"name": inner}
        tree[key] = tree = inner if isinstance(inner, dict) else {}
    tree[keys[-1]] = value


def _unknown(key: str, known: Iterable[str]) -> str:
    """Return the complaint about an unknown key, with the nearest of all valid ones."""
    names = [*known]
    near = difflib.get_close_matches(key, names, n=1)
    if not near:  # the right name in the wrong section?
        by_leaf = {name.rpartition(".")[2]: name for name in settings()}
        near = [
            by_leaf[leaf]
            for leaf in difflib.get_close_matches(key.rpartition(".")[2], by_leaf, n=1)
        ]
    if near:
        return f"unknown key {key}; did you mean {near[0]}?"
    return f"unknown key {key}; valid are {', '.join(names)}."


def _located(error: msgspec.ValidationError, path: str, lines: Mapping[Keys, int]) -> str:
    message, _, place = str(error).partition(" - at ")
    keys: Keys = tuple(
        int(index) if index else name for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", place)
    )
    if not keys:  # what concerns the whole says itself which key it means
        key, _, message = message.partition(": ")
        keys = (key,)
    line = next((lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in lines), None)
    where = f"{path}:{line}: " if line else ""
    setting = settings().get(_dotted(keys))
    return f"{where}{_dotted(keys)}: {message}{_choices(setting)}."


def _choices(setting: Setting | None) -> str:
    choices = [] if setting is None else list(_literals(setting.type))
    return f"; valid are {', '.join(choices)}" if choices else ""


def _literals(kind: Any) -> Iterator[str]:  # noqa: ANN401  # any annotation
    """Yield the words that a value of the annotated type, or one in it, may be."""
    if get_origin(kind) is Literal:
        yield from map(str, get_args(kind))
    else:
        for inner in get_args(kind):
            yield from _literals(inner)


def _dotted(keys: Keys) -> str:
    return re.sub(r"\.(\d+)", r"[\1]", ".".join(str(key) for key in keys))
