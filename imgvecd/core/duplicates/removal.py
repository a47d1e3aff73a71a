"""Moves the files of a plan to the trash, one by one and each with a reason not to, and back."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from imgvecd.core.duplicates.dedup_plan import DedupPlan, PlannedFile
from imgvecd.core.duplicates.undo_journal import Journal, Trash, TrashPlace
from imgvecd.core.files.hashing import hash_file
from imgvecd.errors import UnreadableImageError
from imgvecd.types import Stamp

logger = logging.getLogger(__name__)

Progress = Callable[[bytes], None]


class _RefusedError(Exception):
    """Why a file stays where it is."""


@dataclass(slots=True)
class Outcome:
    """What became of the files.

    Attributes:
        moved: paths, in order.
        moved_bytes: their sizes, added up.
        gone: files that were not there any more: moved by an earlier run, or by somebody else.
        refused: (path, why it stays).
    """

    moved: list[bytes] = field(default_factory=list)
    moved_bytes: int = 0
    gone: int = 0
    refused: list[tuple[bytes, str]] = field(default_factory=list)


def apply(
    plan: DedupPlan, trash: Trash, journal: Journal, protected: Sequence[bytes], moved: Progress
) -> Outcome:
    """Move what the plan says, each file after another look at it and at one that stays.

    May be killed and run again: what has gone is gone, the rest goes on.

    Args:
        protected: folders that lose nothing, on top of the plan's.
        moved: told of each file that went.
    """
    _settle(trash, journal)
    outcome = Outcome()
    guarded = [os.path.realpath(folder) for folder in (*plan.protected, *protected)]
    seen: dict[bytes, Stamp] = {}
    for files in plan.groups.values():
        keepers = [file for file in files if file.keep]
        for file in files:
            if file.keep:
                continue
            if not os.path.lexists(file.path):
                outcome.gone += 1
                continue
            try:
                stamp = _checked(file, keepers, guarded, seen)
                _move(file.path, stamp, trash, journal)
            except _RefusedError as error:
                outcome.refused.append((file.path, str(error)))
                continue
            outcome.moved.append(file.path)
            outcome.moved_bytes += stamp.size_bytes
            moved(file.path)
    return outcome


def undo(trash: Trash, journal: Journal, moved: Progress) -> Outcome:
    """Put back what the journal's plan moved and what is still in the trash, the last one first."""
    _settle(trash, journal)
    outcome = Outcome()
    for path, place in reversed(journal.away().items()):
        try:
            size_bytes = os.lstat(place.file).st_size
            os.makedirs(os.path.dirname(path), exist_ok=True)
            trash.put_back(place, path)
        except FileNotFoundError:
            outcome.gone += 1
            continue
        except FileExistsError:
            outcome.refused.append((path, "something else is there now"))
            continue
        except OSError as error:
            outcome.refused.append((path, error.strerror or str(error)))
            continue
        journal.undone(path)
        trash.forget(place)
        outcome.moved.append(path)
        outcome.moved_bytes += size_bytes
        moved(path)
    return outcome


def _settle(trash: Trash, journal: Journal) -> None:
    """Forget what was noted by a run that was killed before the file went."""
    for path, place in journal.away().items():
        if os.path.lexists(path) and not os.path.lexists(place.file):
            trash.forget(place)
            journal.undone(path)


def _checked(
    file: PlannedFile,
    keepers: Sequence[PlannedFile],
    guarded: Sequence[bytes],
    seen: dict[bytes, Stamp],
) -> Stamp:
    """Return the stamp of a file that may go.

    Args:
        seen: stamps of files that stay, where their bytes are known to be the planned ones.

    Raises:
        _RefusedError: it may not.
    """
    if any(_real(file.path).startswith(folder.rstrip(b"/") + b"/") for folder in guarded):
        raise _RefusedError("it lies in a protected folder")
    why = "no file of its group is to be kept"
    for keeper in keepers:
        try:
            stays = _verified(keeper, seen)
        except _RefusedError as error:
            why = f"{os.fsdecode(keeper.path)}, which should stay: {error}"
            continue
        stamp = _verified(file, {})
        if os.path.samestat(os.lstat(file.path), os.lstat(keeper.path)) and (
            _real(file.path) == _real(keeper.path) or os.lstat(file.path).st_nlink == 1
        ):
            why = "it is the very file that should stay, under another name"
            continue
        if Stamp.of(os.lstat(keeper.path)) == stays:
            return stamp
        why = f"{os.fsdecode(keeper.path)}, which should stay, has just changed"
    raise _RefusedError(why)


def _verified(file: PlannedFile, seen: dict[bytes, Stamp]) -> Stamp:
    """Return the stamp of a file whose bytes are the planned ones."""
    try:
        stamp = Stamp.of(os.lstat(file.path))
        if seen.get(file.path) != stamp:
            if os.path.islink(file.path):
                raise _RefusedError("it is a link")
            if hash_file(file.path, stamp).hex() != file.hash:
                raise _RefusedError("its bytes are not those of the plan any more")
            seen[file.path] = stamp
    except FileNotFoundError:
        raise _RefusedError("it is not there any more") from None
    except UnreadableImageError as error:
        raise _RefusedError(str(error)) from error
    except OSError as error:
        raise _RefusedError(error.strerror or str(error)) from error
    return stamp


def _move(path: bytes, stamp: Stamp, trash: Trash, journal: Journal) -> None:
    try:
        for place in trash.reserve(path):
            journal.moving(path, place)
            if _moved_to(path, stamp, place, trash):
                return
            journal.undone(path)
            trash.forget(place)
    except OSError as error:
        raise _RefusedError(error.strerror or str(error)) from error
    raise _RefusedError("there is no trash on its file system")


def _moved_to(path: bytes, stamp: Stamp, place: TrashPlace, trash: Trash) -> bool:
    """Move the file; False where the place is on another file system."""
    try:
        trash.move(path, place)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return False
        with contextlib.suppress(OSError):
            trash.forget(place)
        raise
    if not Stamp.of(os.lstat(place.file)).same_bytes(stamp):  # written to in the last moment
        trash.put_back(place, path)
        raise OSError(errno.EBUSY, "it changed in the last moment, and is back in its place")
    return True


def _real(path: bytes) -> bytes:
    """Return the path without links in its folders; the last name is taken as it is."""
    directory, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(directory), name)
