"""Moves the files of a plan to the trash, one by one and each with a reason not to, and back."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from imgvecd.core.duplicates.dedup_plan import PlannedFile, PlannedRemovals, require_lines_of
from imgvecd.core.duplicates.folder_set import FolderSet
from imgvecd.core.duplicates.removal_checks import (
    LeftAloneError,
    RefusedError,
    RemovalChecks,
    told,
    verified,
)
from imgvecd.core.duplicates.same_file import fresh_stamp
from imgvecd.core.duplicates.undo_journal import Journal, MovedFile, Trash, TrashPlace
from imgvecd.errors import BadRequestError
from imgvecd.types import Stamp

logger = logging.getLogger(__name__)

Progress = Callable[[bytes], None]

_UNKNOWN_PLAN = (
    "its bytes are not those of a file that stays, and nobody wrote such a plan here:"
    " `imgvecd dedup plan` does"
)


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
    plan: PlannedRemovals,
    trash: Trash,
    journal: Journal,
    protected: Sequence[bytes],
    moved: Progress,
    written: PlannedRemovals | None = None,
) -> Outcome:
    """Move what the plan says, each file after another look at it and at one that stays.

    May be killed and run again: what has gone is gone, the rest goes on.

    Args:
        protected: folders that lose nothing, on top of the plan's.
        moved: told of each file that went.
        written: the plan before anybody edited it. Without it only equal bytes are duplicates.

    Raises:
        BadRequestError: a line is not of the plan as it was written, or the journal is not as it
            was; nothing is moved then.
    """
    folders = (*plan.protected, *protected)
    if written is not None:
        require_lines_of(plan, written)
        folders += written.protected
    checks = RemovalChecks(plan, FolderSet(tuple(dict.fromkeys(folders))))
    _settle(trash, journal)
    outcome = Outcome()
    for files in plan.groups.values():
        keepers = [file for file in files if file.keep]
        left_alone = ""
        for file in files:
            if file.keep:
                continue
            if not os.path.lexists(file.path):
                outcome.gone += 1
                continue
            if left_alone:
                outcome.refused.append((file.path, left_alone))
                continue
            copies = [each for each in keepers if written or each.hash == file.hash]
            if keepers and not copies:
                outcome.refused.append((file.path, _UNKNOWN_PLAN))
                continue
            try:
                outcome.moved_bytes += _move(file, copies, checks, trash, journal)
            except RefusedError as error:
                outcome.refused.append((file.path, str(error)))
                if isinstance(error, LeftAloneError):
                    left_alone = f"its group is left alone: {error}"
                continue
            outcome.moved.append(file.path)
            moved(file.path)
    return outcome


def undo(trash: Trash, journal: Journal, moved: Progress) -> Outcome:
    """Put back what the journal's plan moved and what is still in the trash, the last one first.

    Raises:
        BadRequestError: the journal is not as it was written; nothing is moved then.
    """
    _settle(trash, journal)
    outcome = Outcome()
    for path, gone in reversed(journal.away().items()):
        try:
            size_bytes = _put_back(path, gone, trash)
        except FileNotFoundError:
            outcome.gone += 1
            continue
        except FileExistsError:
            outcome.refused.append((path, "something else is there now"))
            continue
        except RefusedError as error:
            outcome.refused.append((path, str(error)))
            continue
        except OSError as error:
            outcome.refused.append((path, told(error)))
            continue
        trash.forget(gone.place)  # first: what is noted as back is not looked after again
        journal.undone(path)
        outcome.moved.append(path)
        outcome.moved_bytes += size_bytes
        moved(path)
    return outcome


def _put_back(path: bytes, gone: MovedFile, trash: Trash) -> int:
    """Return the size of the file that is back."""
    size_bytes = os.lstat(gone.place.file).st_size
    if gone.hash:
        verified(PlannedFile(keep=False, path=gone.place.file, hash=gone.hash), {})
    os.makedirs(os.path.dirname(path), exist_ok=True)
    trash.put_back(gone.place, path)
    return size_bytes


def _settle(trash: Trash, journal: Journal) -> None:
    """Forget what was noted by a run that was killed before the file went.

    Raises:
        BadRequestError: the journal names places that are in no trash.
    """
    away = journal.away()
    for path, gone in away.items():
        try:
            trash.require_ours(gone.place, path)
        except ValueError as error:
            if _holds_another(gone):
                continue
            raise BadRequestError(
                f"{journal.path}: {os.fsdecode(path)}: {error}; the journal is not as it was"
                " written, so nothing is moved"
            ) from None
    for path, gone in away.items():
        if os.path.lexists(path) and not os.path.lexists(gone.place.file):
            trash.forget(gone.place)
            journal.undone(path)


def _holds_another(gone: MovedFile) -> bool:
    """Return whether the place is another file's by now: the trash was emptied, and used again."""
    if not gone.hash:
        return False
    try:
        verified(PlannedFile(keep=False, path=gone.place.file, hash=gone.hash), {})
    except RefusedError:
        return True
    return False


def _move(
    file: PlannedFile,
    keepers: Sequence[PlannedFile],
    checks: RemovalChecks,
    trash: Trash,
    journal: Journal,
) -> int:
    """Move the file for good, or not at all; return its size."""
    keeper = checks.before(file, keepers)
    witnesses = checks.witnesses(file, keeper)
    try:
        stamp = fresh_stamp(file.path)
        for place in trash.reserve(file.path):
            try:
                journal.moving(file.path, place, file.hash)
                there = _moved_to(file.path, stamp, place, trash)
                if there:
                    checks.after(place.file, keeper, witnesses)
                    return stamp.size_bytes
            except LeftAloneError:
                _return(file.path, place, trash, journal)
                raise
            except OSError:
                if os.path.lexists(file.path):
                    trash.forget(place)
                raise
            trash.forget(place)
            journal.undone(file.path)
    except OSError as error:
        raise RefusedError(told(error)) from error
    raise RefusedError("there is no trash on its file system")


def _return(path: bytes, place: TrashPlace, trash: Trash, journal: Journal) -> None:
    try:
        trash.put_back(place, path)
    except OSError as error:
        raise LeftAloneError(
            f"what should stay went with it, and it cannot be put back ({error.strerror}):"
            f" it is {os.fsdecode(place.file)}"
        ) from error
    trash.forget(place)
    journal.undone(path)


def _moved_to(path: bytes, stamp: Stamp, place: TrashPlace, trash: Trash) -> bool:
    """Move the file; False where the place is on another file system."""
    try:
        trash.move(path, place)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return False
        raise
    if not fresh_stamp(place.file).same_bytes(stamp):  # written to in the last moment
        try:
            trash.put_back(place, path)
        except OSError as error:
            raise RefusedError(
                f"it changed in the last moment, and cannot be put back ({told(error)}):"
                f" it is {os.fsdecode(place.file)}"
            ) from error
        raise OSError(errno.EBUSY, "it changed in the last moment, and is back in its place")
    return True
