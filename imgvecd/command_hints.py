"""Commands that messages name, as whoever reads them can run them here.

A message has a command in backquotes, by its name alone: `imgvec status`. Whoever composes it, the
daemon above all, cannot know where its reader stands; what writes it to a person does.
"""

from __future__ import annotations

import os
import re
import sys

# Of what is called by the interpreter where no script of it is installed.
_MODULES = {"imgvec": "imgvecd.client.main", "imgvecd": "imgvecd.cli.main", "pip": "pip"}
_NAMED = re.compile(r"`(imgvecd?|pip)(?=[ `])")


def runnable(text: str) -> str:
    """Return `text` with the commands in backquotes as they work in this process's place."""
    return _NAMED.sub(lambda found: f"`{program(found[1])}", text)


def program(name: str) -> str:
    """Return what a shell takes for a program of this installation, as short as may be.

    Its name where the PATH leads to it, else its path: from the current folder, from the home
    folder, or absolute.
    """
    import shutil  # noqa: PLC0415  # most messages name no command

    own, found = _own(name), shutil.which(name)
    if own is None:
        return name if found and name != "pip" else f"{_path(sys.executable)} -m {_MODULES[name]}"
    return name if found and os.path.samefile(found, own) else _path(own)


def _own(name: str) -> str | None:
    """Return the absolute path of this installation's script, if there is one."""
    import sysconfig  # noqa: PLC0415  # as above

    started = os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] else ""
    folders = [os.path.dirname(started)] if os.path.basename(started) in _MODULES else []
    folders += [os.path.dirname(sys.executable), sysconfig.get_path("scripts")]
    places = (os.path.join(folder, name) for folder in folders)
    return next((place for place in places if os.access(place, os.X_OK)), None)


def _path(path: str) -> str:
    """Return a program's path for a shell."""
    import shlex  # noqa: PLC0415  # as above

    try:
        here = os.getcwd().rstrip("/") + "/"
    except OSError:  # the folder is gone
        here = "\0"
    home = os.path.expanduser("~").rstrip("/") + "/"
    if path.startswith(here):
        inside = path.removeprefix(here)
        return shlex.quote(inside if "/" in inside else f"./{inside}")
    if home not in {"/", "~/"} and path.startswith(home):
        return "~/" + shlex.quote(path.removeprefix(home))
    return shlex.quote(path)
