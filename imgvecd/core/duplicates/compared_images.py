"""What duplicates are looked for among."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Protocol

from imgvecd.core.files.photo_dates import is_to_the_second
from imgvecd.types import FileRow


@dataclass(frozen=True, slots=True)
class Subject:
    """A content that could be decoded, and that a file bears.

    Attributes:
        files: how many files bear it.
        look: as `looks.look_of` makes it, with the digest of all its pixels behind it once that
            was needed; None if it was never looked at.
    """

    id: int
    hash: bytes
    size_bytes: int
    width: int
    height: int
    taken_at: str | None
    files: int
    look: bytes | None

    @property
    def moment(self) -> datetime.datetime | None:
        """When it was taken, in the camera's local time; None if it is not known to the second."""
        if self.taken_at is None or not is_to_the_second(self.taken_at):
            return None
        try:
            taken = datetime.datetime.fromisoformat(self.taken_at)
        except ValueError:
            return None
        return taken.replace(tzinfo=None)


class DuplicateStore(Protocol):
    """What looking for duplicates needs of the catalog. Thread-safe."""

    def subjects(self, version: int) -> list[Subject]:
        """Return every subject, by id, with looks of that version."""
        ...

    def a_file_of(self, content_id: int) -> tuple[bytes, FileRow] | None:
        """Return (absolute path, file) of an online file that bears the content, if any."""
        ...

    def store_looks(self, version: int, looks: dict[int, bytes]) -> None:
        """Keep looks by content id; those of another version are replaced."""
        ...

    def decided(self) -> set[tuple[bytes, bytes]]:
        """Return the pairs of hashes, the smaller first, that a person does not want to see."""
        ...
