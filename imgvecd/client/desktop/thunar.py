"""Thunar's custom actions: a file that the user and Thunar write, too; only ours changes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from xml.sax.saxutils import escape

import defusedxml
import defusedxml.ElementTree

from imgvecd.config import paths
from imgvecd.errors import ConfigError

_ID = "imgvecd-find-similar"
_OURS = re.compile(
    rf"[ \t]*<action>(?:(?!</action>).)*<unique-id>{_ID}</unique-id>.*?</action>\n?", re.DOTALL
)
_EMPTY = '<?xml version="1.0" encoding="UTF-8"?>\n<actions>\n</actions>\n'
# What Thunar shows as long as the user has no list of their own.
_DEFAULTS = "/etc/xdg/Thunar/uca.xml"


@dataclass(frozen=True, slots=True)
class Action:
    """An entry of the context menu of images; `command` is a shell's, with %f."""

    name: str
    command: str
    description: str
    icon: str


def path() -> str:
    """Return the user's list of actions."""
    return os.path.join(paths.config_home(), "Thunar", "uca.xml")


def with_action(text: str | None, action: Action) -> str:
    """Return the list with our action in it, once; None stands for no list.

    Raises:
        ConfigError: the list is no XML of Thunar's.
    """
    present = without_action(text) if text is not None else _defaults()
    _check(present)
    entry = (
        f"<action>\n\t<icon>{escape(action.icon)}</icon>\n\t<name>{escape(action.name)}</name>\n"
        f"\t<unique-id>{_ID}</unique-id>\n\t<command>{escape(action.command)}</command>\n"
        f"\t<description>{escape(action.description)}</description>\n"
        "\t<patterns>*</patterns>\n\t<image-files/>\n</action>\n"
    )
    before, end, after = present.rpartition("</actions>")
    if not end:  # <actions/>
        before, after = present.replace("<actions/>", "<actions>\n"), "\n"
    return f"{before}{entry}</actions>{after}"


def without_action(text: str) -> str:
    """Return the list without our action."""
    return _OURS.sub("", text)


def _defaults() -> str:
    try:
        with open(_DEFAULTS, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return _EMPTY


def _check(text: str) -> None:
    try:
        root = defusedxml.ElementTree.fromstring(text)
    except (defusedxml.ElementTree.ParseError, defusedxml.DefusedXmlException) as error:
        raise ConfigError(f"{path()}: {error}; it is left alone. Mend or remove it.") from error
    if root.tag != "actions":
        raise ConfigError(f"{path()}: it is not a list of Thunar's actions; it is left alone.")
