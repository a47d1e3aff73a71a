"""What must be true of a file before it goes to the trash, and right after."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from imgvecd.core.duplicates.dedup_plan import PlannedFile, PlannedRemovals
from imgvecd.core.duplicates.folder_set import FolderSet, above, is_in_trash
from imgvecd.core.duplicates.same_file import fresh_stamp, is_one_file
from imgvecd.core.files.hashing import hash_file
from imgvecd.errors import UnreadableImageError
from imgvecd.types import Stamp

_PROTECTED = "it lies in a protected folder"
_BACK = "so it is back in its place"


class RefusedError(Exception):
    """Why a file stays where it is."""


class LeftAloneError(RefusedError):
    """Why a file is back, and all others of its group stay where they are."""


class RemovalChecks:
    """The checks of one plan.

    Args:
        protected: folders that lose nothing.
    """

    def __init__(self, plan: PlannedRemovals, protected: FolderSet) -> None:
        self._protected = protected
        going = [file for files in plan.groups.values() for file in files if not file.keep]
        self._namesakes = protected.namesakes({os.path.basename(file.path) for file in going})
        self._seen: dict[bytes, Stamp] = {}
        self._relied: defaultdict[str, set[bytes]] = defaultdict(set)

    def before(self, file: PlannedFile, keepers: Sequence[PlannedFile]) -> PlannedFile:
        """Return the file that stays for this one.

        Raises:
            RefusedError: there is none, or the file must not go.
        """
        if self._protected.place_of(file.path) is not None:
            raise RefusedError(_PROTECTED)
        why = "no file of its group is to be kept"
        for keeper in keepers:
            try:
                self._require_copy(file, keeper)
            except RefusedError as error:
                why = str(error)
                continue
            self._require_unneeded(file)
            return keeper
        raise RefusedError(why)

    def witnesses(self, file: PlannedFile, keeper: PlannedFile) -> dict[bytes, Stamp]:
        """Return the files that may not change when this one goes, and how they are now.

        Raises:
            RefusedError: one is not there.
        """
        with _telling():
            paths = {keeper.path, *self._relied[file.hash], *self._same_names(file.path)}
            return {path: fresh_stamp(path) for path in paths}

    def after(self, moved: bytes, keeper: PlannedFile, witnesses: Mapping[bytes, Stamp]) -> None:
        """Note that a file has gone because another stays.

        Args:
            moved: where it is now.
            witnesses: as they were before it went.

        Raises:
            LeftAloneError: one of them went or changed with it.
        """
        for path, stamp in witnesses.items():
            if not _is_still(path, stamp):
                raise LeftAloneError(f"{os.fsdecode(path)} went or changed with it, {_BACK}")
        try:
            _require_bytes(keeper, witnesses[keeper.path])
            with _telling():
                beside_it = _lies_beside(moved, keeper.path)
        except RefusedError as error:
            raise LeftAloneError(f"{_named(keeper)}: {error}; {_BACK}") from None
        if beside_it:
            raise LeftAloneError(f"{_named(keeper)}, lies in the trash itself, {_BACK}")
        self._relied[keeper.hash].add(keeper.path)

    def _require_copy(self, file: PlannedFile, keeper: PlannedFile) -> None:
        try:
            stays = verified(keeper, self._seen)
        except RefusedError as error:
            raise RefusedError(f"{_named(keeper)}: {error}") from None
        if is_in_trash(keeper.path):
            raise RefusedError(f"{_named(keeper)}, lies in a trash")
        verified(file, {})
        with _telling():
            if is_one_file(file.path, keeper.path):
                raise RefusedError("it is the very file that should stay, under another name")
            if fresh_stamp(keeper.path) != stays:
                raise RefusedError(f"{_named(keeper)}, has just changed")

    def _require_unneeded(self, file: PlannedFile) -> None:
        with _telling():
            if any(is_one_file(file.path, path) for path in self._relied[file.hash]):
                raise RefusedError("other files went because it stays")
            same_names = self._namesakes.get(os.path.basename(file.path), ())
            if any(_is_one_entry(file.path, path) for path in same_names):
                raise RefusedError(_PROTECTED)

    def _same_names(self, path: bytes) -> Iterator[bytes]:
        """Yield the files of protected folders that may be this one by way of another mount."""
        own = os.lstat(path)
        for other in self._namesakes.get(os.path.basename(path), ()):
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(other)
                if status.st_size == own.st_size and not os.path.samestat(own, status):
                    yield other


def verified(file: PlannedFile, seen: dict[bytes, Stamp]) -> Stamp:
    """Return the stamp of a file whose bytes are the planned ones.

    Args:
        seen: stamps of files whose bytes are known to be; added to.

    Raises:
        RefusedError: they are not.
    """
    with _telling():
        stamp = fresh_stamp(file.path)
        if seen.get(file.path) != stamp:
            if os.path.islink(file.path):
                raise RefusedError("it is a link")
            _require_bytes(file, stamp)
            seen[file.path] = stamp
    return stamp


def told(error: OSError) -> str:
    """Return what the disk says, and of which file."""
    name = error.filename2 or error.filename
    return f"{error.strerror}: {os.fsdecode(name)}" if name else error.strerror or str(error)


def _require_bytes(file: PlannedFile, stamp: Stamp) -> None:
    with _telling():
        if hash_file(file.path, stamp).hex() != file.hash:
            raise RefusedError("its bytes are not those of the plan any more")


def _is_still(path: bytes, stamp: Stamp) -> bool:
    try:
        return fresh_stamp(path) == stamp
    except OSError:
        return False


def _is_one_entry(path: bytes, other: bytes) -> bool:
    """Return whether moving `path` takes `other` away; a hard link of it would stay."""
    try:
        if os.path.samestat(os.lstat(path), os.lstat(other)):
            return os.path.samestat(os.stat(os.path.dirname(path)), os.stat(os.path.dirname(other)))
        return os.lstat(path).st_size == os.lstat(other).st_size and is_one_file(path, other)
    except FileNotFoundError:
        return False


def _lies_beside(moved: bytes, keeper: bytes) -> bool:
    """Return whether `keeper` lies in the folder that `moved` is in, under whatever name."""
    name = os.path.basename(moved)
    for folder in above(keeper):
        try:
            if is_one_file(moved, os.path.join(folder, name)):
                return True
        except OSError:
            continue
    return False


def _named(keeper: PlannedFile) -> str:
    return f"{os.fsdecode(keeper.path)}, which should stay"


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    """Turn what the disk says into a reason."""
    try:
        yield
    except FileNotFoundError:
        raise RefusedError("it is not there any more") from None
    except UnreadableImageError as error:
        raise RefusedError(str(error)) from error
    except OSError as error:
        raise RefusedError(told(error)) from error
