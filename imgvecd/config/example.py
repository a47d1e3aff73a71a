"""Writes the commented configuration file: every setting with its meaning and default.

`python -m imgvecd.config.example > config/imgvecd.yaml` renews the project's example.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from imgvecd.config.load import quoted
from imgvecd.config.schema import Config, RootConfig
from imgvecd.config.schema_table import is_list, is_section, meanings, sections_in, summary

_WIDTH = 88
_HEAD = """\
# Configuration of imgvecd. A line like `#key: value` shows a default; remove its `#` to change it.
#
# Flags override the environment, which overrides this file: watch.settle_ms is also
# `--set watch.settle_ms=200` and IMGVECD_WATCH__SETTLE_MS=200.
# `imgvecd check-config` shows what is in force.
"""
_ROOT_FORM = """\
  #- path: ~/Archive
  #  exclude: ["*.tmp"]
  #  watch: poll
  #  follow_symlinks: true"""
_MODEL_FORM = """\
#model:
#  name: ViT-B-32
#  pretrained: laion2b_s34b_b79k"""


def render(roots: Sequence[str], chosen: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the text of a configuration file that watches `roots`.

    Args:
        chosen: settings outside of sections that are not to be the defaults.
    """
    return "\n".join([_HEAD, *_top(roots, chosen), *_sections()])


def _top(roots: Sequence[str], chosen: Mapping[str, str]) -> Iterator[str]:
    texts = meanings(Config)
    for field in msgspec.structs.fields(Config):
        if is_section(field.type):
            continue
        yield from _comment(_sentence(texts[field.name]))
        if field.name == "roots":
            yield from _roots(roots)
        elif field.name in chosen:
            yield f"{field.name}: {quoted(chosen[field.name])}"
        else:
            yield f"#{field.name}: {quoted(msgspec.to_builtins(field.default))}"
        if field.name == "model":
            yield _MODEL_FORM
        yield ""


def _roots(roots: Sequence[str]) -> Iterator[str]:
    yield "roots:"
    yield from (f"  - {quoted(root)}" for root in roots)
    yield from _comment("A root can have settings of its own:", "  # ")
    for name, text in meanings(RootConfig).items():
        yield from _comment(f"{name}: {text}", "  #   ")
    yield _ROOT_FORM


def _sections() -> Iterator[str]:
    for field in msgspec.structs.fields(Config):
        if not is_section(field.type):
            continue
        yield from _comment(summary(field.type))
        yield f"{field.name}:"
        texts = meanings(field.type)
        last = ""
        for inner in msgspec.structs.fields(field.type):
            if texts[inner.name] != last:
                yield from _comment(_sentence(texts[inner.name]), "  # ")
            last = texts[inner.name]
            yield from _items(inner.type)
            yield f"  #{inner.name}: {quoted(msgspec.to_builtins(inner.default))}"
        yield ""


def _items(kind: object) -> Iterator[str]:
    """Yield what each item of a list of sections has."""
    if is_list(kind):
        for section in sections_in(kind):
            yield from _comment("Each has:", "  # ")
            for name, text in meanings(section).items():
                yield from _comment(f"{name}: {text}", "  #   ")


def _comment(text: str, indent: str = "# ") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


if __name__ == "__main__":
    sys.stdout.write(render(["~/Pictures"]))
