"""The desktop's trash, after the freedesktop.org trash specification 1.0.

Own code: send2trash does not say where a file went, which an undo needs; it reserves no name, so
two runs can overwrite each other; and it copies across mounts, which a kill can interrupt halfway.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import itertools
import os
import re
import stat
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

from imgvecd.adapters.mounts import read_mounts
from imgvecd.core.duplicates.same_file import is_one_file
from imgvecd.core.duplicates.undo_journal import TrashPlace

_INFO = b".trashinfo"
_LARGEST_NOTE = 1 << 16  # bytes: a path, each byte quoted, and a date
_LONGEST_NAME = 255  # bytes, of most file systems


@dataclass(frozen=True, slots=True)
class _Folder:
    """A trash folder; `top` is what paths in its notes are relative to, or None: absolute."""

    path: bytes
    top: bytes | None


class FreedesktopTrash:
    """Implements `core.duplicates.undo_journal.Trash` for the user who runs this."""

    def reserve(self, path: bytes) -> Iterator[TrashPlace]:
        """Yield places for the file at `path`, the likeliest first, each with its note written."""
        for folder in _folders(path):
            yield _reserve(folder, path)

    def move(self, path: bytes, place: TrashPlace) -> None:
        """Move the file, in one step."""
        if os.path.lexists(place.file):
            raise OSError(errno.EEXIST, "its place in the trash is taken")
        os.rename(path, place.file)

    def require_ours(self, place: TrashPlace, path: bytes) -> None:
        """Check that the place is in a trash, and its note, if it is there, tells of `path`."""
        files, name = os.path.split(place.file)
        folder = os.path.dirname(files)
        info = os.path.join(folder, b"info", name + _INFO)
        if b"\0" in place.file + path or not name or not path.startswith(b"/"):
            raise ValueError("a path is not valid")
        if place.info != info or files != os.path.join(os.path.normpath(folder), b"files"):
            raise ValueError(f"{os.fsdecode(place.file)} is not in a trash")
        top = _top_of(folder)
        if os.path.lexists(place.file):
            _require_note(info, top, path)

    def forget(self, place: TrashPlace) -> None:
        """Drop the note of a place."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(place.info)

    def put_back(self, place: TrashPlace, path: bytes) -> None:
        """Move the file to `path`, where nothing may be."""
        try:
            os.link(place.file, path, follow_symlinks=False)  # fails if there is something
        except FileExistsError:
            # an earlier attempt was killed between the two steps; the last name of a file stays
            if os.lstat(path).st_nlink < 2 or not is_one_file(place.file, path):  # noqa: PLR2004
                raise
            os.unlink(place.file)
        except OSError:  # a file system without hard links
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, "something is there", path) from None
            os.rename(place.file, path)
        else:
            os.unlink(place.file)


def _folders(path: bytes) -> Iterator[_Folder]:
    directory = os.path.realpath(os.path.dirname(path))
    device = os.stat(directory).st_dev
    home = os.path.join(_data_home(), b"Trash")
    if os.stat(_existing(home)).st_dev == device:
        yield _Folder(home, None)
    top = _top(directory, device)
    shared = os.path.join(top, b".Trash")
    # the specification: a real folder with the sticky bit, or it is not to be used
    with contextlib.suppress(OSError):
        mode = os.lstat(shared).st_mode
        if stat.S_ISDIR(mode) and mode & stat.S_ISVTX:
            yield _Folder(os.path.join(shared, b"%d" % os.getuid()), top)
    yield _Folder(os.path.join(top, b".Trash-%d" % os.getuid()), top)


def _data_home() -> bytes:
    told = os.environb.get(b"XDG_DATA_HOME", b"")
    # the specification: a relative path is to be ignored
    return os.path.realpath(told if os.path.isabs(told) else os.path.expanduser(b"~/.local/share"))


def _existing(path: bytes) -> bytes:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _top(directory: bytes, device: int) -> bytes:
    """Return the top folder of the mount (or of the part of a file system) that `directory` is in.

    Mountinfo knows bind mounts, whose device is that of the file system; the device knows
    subvolumes, which are no mounts.
    """
    mounts = {mount.path for mount in read_mounts()}
    top = directory
    while top not in mounts and top != b"/":
        above = os.path.dirname(top)
        if os.stat(above).st_dev != device:
            break
        top = above
    return top


def _reserve(folder: _Folder, path: bytes) -> TrashPlace:
    """Return a place that nobody else has, by making its note, which must not be there yet."""
    files, infos = os.path.join(folder.path, b"files"), os.path.join(folder.path, b"info")
    for made in (folder.path, files, infos):
        os.makedirs(made, mode=0o700, exist_ok=True)
    if os.path.islink(folder.path) or os.stat(folder.path).st_uid != os.getuid():
        raise OSError(errno.EPERM, f"{os.fsdecode(folder.path)} is a link, or not yours")
    told = path if folder.top is None else os.path.relpath(_resolved(path), folder.top)
    now = datetime.datetime.now().astimezone().strftime("%Y-%m-%dT%H:%M:%S")
    note = f"[Trash Info]\nPath={urllib.parse.quote(told)}\nDeletionDate={now}\n"
    for name in _names(os.path.basename(path)):
        place = TrashPlace(os.path.join(files, name), os.path.join(infos, name + _INFO))
        if os.path.lexists(place.file):
            continue
        with contextlib.suppress(FileExistsError):
            _write_new(place.info, note)
            return place
    raise AssertionError  # there is always another name


def _write_new(path: bytes, text: str) -> None:
    """Write a file that must not be there yet, whole or not at all."""
    with open(path, "x", encoding="ascii") as file:
        try:
            file.write(text)
            file.flush()
        except OSError:
            os.unlink(path)
            raise


def _top_of(folder: bytes) -> bytes | None:
    """Return what paths in the notes of a trash folder are relative to.

    Raises:
        ValueError: it is none of this user's.
    """
    above, name = os.path.split(folder)
    own = b"%d" % os.getuid()
    if name == b".Trash-" + own:
        return above
    if (os.path.basename(above), name) == (b".Trash", own):
        return os.path.dirname(above)
    if name == b"Trash" and os.path.isabs(folder):  # in whichever XDG_DATA_HOME it was
        return None
    raise ValueError(f"{os.fsdecode(folder)} is not a trash of this user")


def _require_note(info: bytes, top: bytes | None, path: bytes) -> None:
    try:
        descriptor = os.open(info, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            note = file.read(_LARGEST_NOTE) if stat.S_ISREG(status.st_mode) else b""
    except FileNotFoundError:  # whoever emptied the notes left the files
        return
    except OSError as error:
        raise ValueError(f"its note in the trash cannot be read: {error.strerror}") from None
    told = re.search(rb"^Path=(.*)$", note, re.MULTILINE)
    place = urllib.parse.unquote_to_bytes(told[1]) if told else b""
    expected = path if top is None else os.path.relpath(_resolved(path), top)
    if status.st_uid != os.getuid() or place != expected:
        raise ValueError("its note in the trash tells of another file")


def _resolved(path: bytes) -> bytes:
    directory, name = os.path.split(path)
    return os.path.join(os.path.realpath(directory), name)


def _names(name: bytes) -> Iterator[bytes]:
    stem, extension = os.path.splitext(name)
    for number in itertools.count(1):
        ending = (b"" if number == 1 else b" %d" % number) + extension
        yield stem[: _LONGEST_NAME - len(ending) - len(_INFO)] + ending
