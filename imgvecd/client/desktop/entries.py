"""The files that put "Find similar photos" into menus: their places and their texts.

Each is as its desktop documents it: the Desktop Entry Specification (its quoting too), KDE's
service menus and D-Bus runners, Nautilus' scripts, Nemo's actions, D-Bus' service files.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from imgvecd.client.desktop import thunar
from imgvecd.config import paths

LABEL = "Find similar photos"
BUS_NAME = "org.imgvecd.Runner"
BUS_PATH = "/runner"
_ICON = "image-x-generic"
_SPECIAL = re.compile(r'(["`$\\])')


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of ours.

    Attributes:
        what: whose menu it is.
        path: where it lies.
        text: what it holds.
        executable: whether it may be run.
    """

    what: str
    path: str
    text: str
    executable: bool = False


def command(*arguments: str) -> tuple[str, ...]:
    """Return how this very `imgvec` is called."""
    return (sys.executable, "-P", "-m", "imgvecd.client.main", *arguments)


def find_similar() -> tuple[str, ...]:
    """Return the command that opens the page on photos like the file that is named after it."""
    return command("browse", "--notify", "--like")


def entries() -> list[Entry]:
    """Return all of our own files; Thunar's list of actions is shared, and not among them."""
    data = paths.data_home()
    shell, similar = shlex.join(find_similar()), _desktop_exec(find_similar())
    return [
        Entry(
            "application menu",
            os.path.join(data, "applications", "imgvecd.desktop"),
            "[Desktop Entry]\nType=Application\nVersion=1.0\nName=Photos by meaning\n"
            "GenericName=Photo Search\nComment=Find your own photos by what they show\n"
            f"Exec={_desktop_exec(command('browse', '--notify'))}\nIcon={_ICON}\nTerminal=false\n"
            "Categories=Graphics;Photography;Viewer;\nKeywords=photo;image;search;imgvecd;\n",
        ),
        Entry(
            "Dolphin",
            os.path.join(data, "kio", "servicemenus", "imgvecd.desktop"),
            f"[Desktop Entry]\nType=Service\nName={LABEL}\nMimeType=image/*;\n"
            "Actions=findSimilar;\nX-KDE-MaxNumberOfUrls=1\n\n"
            f"[Desktop Action findSimilar]\nName={LABEL}\nIcon={_ICON}\nExec={similar} %f\n",
            executable=True,  # newer Dolphins ask before they follow one that is not
        ),
        Entry(
            "Nautilus",
            os.path.join(data, "nautilus", "scripts", LABEL),
            "#!/bin/sh\n# Nautilus gives the selected files; the first is taken.\n"
            f'exec {shell} "$1"\n',
            executable=True,
        ),
        Entry(
            "Nemo",
            os.path.join(data, "nemo", "actions", "imgvecd.nemo_action"),
            f"[Nemo Action]\nName={LABEL}\nComment=Find similar photos with imgvecd\n"
            f"Exec={shell} %F\nIcon-Name={_ICON}\nSelection=s\nMimetypes=image/*;\nQuote=double\n",
        ),
        Entry(
            "KRunner",
            os.path.join(data, "krunner", "dbusplugins", "imgvecd.desktop"),
            "[Desktop Entry]\nType=Service\nName=Photos\nComment=Find photos by what they show\n"
            f"Icon={_ICON}\nX-KDE-ServiceTypes=Plasma/Runner\nX-KDE-PluginInfo-Name=imgvecd\n"
            f"X-Plasma-API=DBus\nX-Plasma-DBusRunner-Service={BUS_NAME}\n"
            f"X-Plasma-DBusRunner-Path={BUS_PATH}\nX-Plasma-Request-Actions-Once=true\n"
            "X-Plasma-Runner-Min-Letter-Count=3\n",
        ),
        Entry(
            "KRunner",
            os.path.join(data, "dbus-1", "services", f"{BUS_NAME}.service"),
            f"[D-BUS Service]\nName={BUS_NAME}\nExec={shlex.join(command('krunner'))}\n",
        ),
    ]


def thunar_action() -> thunar.Action:
    """Return our action in Thunar's list."""
    run = f"{shlex.join(find_similar())} %f"
    return thunar.Action(LABEL, run, "Find similar photos with imgvecd", _ICON)


def _desktop_exec(arguments: Sequence[str]) -> str:
    """Quote a command as `Exec=` asks for; see "The Exec key" of the specification."""
    escaped = (_SPECIAL.sub(r"\\\1", part) for part in arguments)
    quoted = " ".join(f'"{part}"' for part in escaped)
    return quoted.replace("\\", "\\\\").replace("%", "%%")
