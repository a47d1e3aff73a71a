"""A command or an option that does not exist: which one was meant."""

from __future__ import annotations

import argparse
import difflib

# Commands of `imgvecd`, whose parser takes long to load. `imgvec doctor` is a search for doctors.
OF_THE_DAEMON = frozenset(
    {
        "bugreport",
        "check",
        "check-config",
        "dedup",
        "demo",
        "doctor",
        "encode-batch",
        "encode-server",
        "export",
        "import",
        "import-legacy",
        "init",
        "install-service",
        "manual",
        "repair",
        "serve",
        "shared",
        "uninstall-service",
    }
)
# What other programs call their commands, and where the same is found here. The word is searched
# for nevertheless: pictures show "people".
ELSEWHERE = {
    **dict.fromkeys(("help", "usage"), "`imgvec --help`"),
    **dict.fromkeys(("list", "ls", "photos", "files", "library"), "`imgvec images`"),
    **dict.fromkeys(("find", "query"), "`imgvec search`"),
    **dict.fromkeys(("info", "details", "metadata", "exif"), "`imgvec show FILE`"),
    **dict.fromkeys(
        ("index", "reindex", "update", "refresh", "scan", "upload", "add"),
        "none is needed, since folders are watched; `imgvec rescan` looks at all of them now",
    ),
    **dict.fromkeys(("purge", "cleanup", "optimize"), "`imgvec forget`"),
    **dict.fromkeys(("albums", "album", "collections"), "`imgvec saved`"),
    **dict.fromkeys(("tags", "labels", "keywords"), "`imgvec tag`, `imgvec images --tag TAG`"),
    **dict.fromkeys(("rate", "rating", "favorite", "favorites"), "`imgvec set FILE rating=5`"),
    **dict.fromkeys(("faces", "people"), '`imgvec search "NAME"`: names in the files are known'),
    **dict.fromkeys(("dupes", "dups", "dedupe", "image"), "`imgvec duplicates`"),
    **dict.fromkeys(
        ("delete", "remove", "rm", "trash"),
        "`imgvecd dedup` for duplicates; for others none: files that you delete leave the library",
    ),
    **dict.fromkeys(("open", "view", "gui", "ui", "web", "timeline"), "`imgvec browse`"),
    **dict.fromkeys(("config", "settings"), "`imgvecd check-config`"),
    "backup": "none is needed: `backups` in the state directory holds copies of the catalog",
    "start": "`systemctl --user start imgvecd`, once `imgvecd install-service` was run; or "
    "`imgvecd serve` in the foreground",
    "stop": "`systemctl --user stop imgvecd`; Ctrl-C where `imgvecd serve` runs",
    "restart": "`systemctl --user restart imgvecd`; the folders are read again by `reload` as well",
    "reload": "`systemctl --user reload imgvecd`, or SIGHUP",
    "logs": "`journalctl --user -u imgvecd`; without systemd where `imgvecd serve` runs",
}
# "serch" and "stauts" are close to a command, "beach" and "sunset" are not.
_CLOSE = 0.75


def commands_of(parser: argparse.ArgumentParser) -> list[str]:
    """Return the names of the commands that a parser knows."""
    return [
        name
        for action in parser._actions  # noqa: SLF001  # argparse has no public list
        if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001  # nor a public class
        for name in action.choices
    ]


def closest(word: str, names: list[str]) -> str | None:
    """Return the name that `word` may be a slip of; None if it is close to none."""
    return next(iter(difflib.get_close_matches(word.lower(), names, 1, _CLOSE)), None)
