"""Hands hits on to other programs: lines of JSON, CSV, a folder of links, a viewer."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from imgvecd import api
from imgvecd.errors import BadRequestError

_COLUMNS = (
    "path",
    "id",
    "score",
    "relevance",
    "band",
    "taken_at",
    "format",
    "width",
    "height",
    "size_bytes",
    "offline",
    "source",
)
_LONGEST_NAME = 255  # bytes, of most file systems
_LONGEST_EXTENSION = 8  # bytes that are kept, whatever is cut
_CONTINUES, _BEGINS = 0x80, 0xC0  # bytes within a character of UTF-8, and those from which on not


def csv_lines(hits: Sequence[api.Hit]) -> bytes:
    """Return a table with a line of names; paths as they can be shown."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    writer.writerows([getattr(hit, name) for name in _COLUMNS] for hit in hits)
    return text.getvalue().encode(errors="replace")


def link(hits: Sequence[api.Hit], folder: str, *, copy: bool) -> int:
    """Put a link to (or a copy of) each hit into `folder`, made if missing; return how many.

    Names begin with the place among the hits, so that a viewer shows them in this order; what is
    there already stays.

    Raises:
        BadRequestError: the folder cannot be written.
    """
    digits = len(str(len(hits)))
    made = 0
    try:
        os.makedirs(folder, exist_ok=True)
        for place, hit in enumerate(hits, start=1):
            source = api.Path(hit.path, hit.path_base64).raw()
            name = _fitting(f"{place:0{digits}d} ".encode() + os.path.basename(source))
            target = os.path.join(os.fsencode(folder), name)
            if hit.offline or hit.source is not None or os.path.lexists(target):
                continue
            if copy:
                shutil.copy2(source, target)
            else:
                os.symlink(source, target)
            made += 1
    except OSError as error:
        where = os.fsdecode(error.filename or folder)
        raise BadRequestError(f"{where}: {error.strerror or error}") from error
    return made


def _fitting(name: bytes) -> bytes:
    """Return a name that is no longer than file systems take, with its extension."""
    if len(name) <= _LONGEST_NAME:
        return name
    extension = os.path.splitext(name)[1][-_LONGEST_EXTENSION:]
    cut = _LONGEST_NAME - len(extension)
    while _CONTINUES <= name[cut] < _BEGINS:
        cut -= 1
    return name[:cut] + extension


def open_in_viewer(hits: Sequence[api.Hit]) -> None:
    """Open the hits that are reachable in the desktop's viewer.

    Raises:
        BadRequestError: there is none.
    """
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    for hit in hits:
        if hit.offline or hit.source is not None:
            continue
        path = os.fsdecode(api.Path(hit.path, hit.path_base64).raw())
        try:
            subprocess.run([opener, path], check=False, stdout=subprocess.DEVNULL)
        except OSError as error:
            raise BadRequestError(f"--open needs `{opener}`: {error.strerror}") from error
