"""What duplicates are looked for among."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from imgvecd.core.files.photo_dates import is_to_the_second
from imgvecd.types import CopyFacts, FileRow

Verdict = Literal["same_pixels", "same", "edited", "other"]
"""Of two pictures in the orientation that fits best."""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


def ordered(one: int, other: int) -> tuple[int, int]:
    """Return the ids of a pair, the lower first, by which what is known of it is found."""
    return min(one, other), max(one, other)


@dataclass(frozen=True, slots=True)
class Subject:
    """A content that could be decoded, and that a file bears.

    Attributes:
        files: how many files bear it.
        perceptual_hash: as `perceptual_hash.of_pixels` makes it; None if it was never looked at.
        raw: camera RAW, which is no duplicate of what was developed from it.
    """

    id: int
    hash: bytes
    size_bytes: int
    width: int
    height: int
    taken_at: str | None
    files: int
    perceptual_hash: bytes | None
    raw: bool = False

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

    def subjects(self, version: int, *, after: int = -1, limit: int = -1) -> list[Subject]:
        """Return every subject, by id, with looks of that version.

        Args:
            after: only those with ids above this.
            limit: at most so many; -1 for all.
        """
        ...

    def subjects_of(self, version: int, ids: Collection[int]) -> list[Subject]:
        """Return those of `ids` that are subjects, by id, with looks of that version."""
        ...

    def subject_changes(self, since: int) -> tuple[int, list[int]]:
        """Return (number, ids): contents that may have changed after change number `since`.

        Those that are no subjects any more are among them.
        """
        ...

    def last_subject_change(self) -> int:
        """Return the number of the last change."""
        ...

    def unseen(self, version: int) -> list[int]:
        """Return the ids of subjects that have no look of that version."""
        ...

    def borne_by_several(self) -> list[int]:
        """Return the ids of contents that several files bear."""
        ...

    def readable(self, ids: Collection[int]) -> set[int]:
        """Return those contents that an online file bears, as `a_file_of` would find it."""
        ...

    def ids_of(self, hashes: Collection[bytes]) -> dict[bytes, int]:
        """Return the ids of contents by hash."""
        ...

    def a_file_of(self, content_id: int) -> tuple[bytes, FileRow] | None:
        """Return (absolute path, file) of an online file that bears the content, if any."""
        ...

    def store_hashes(self, version: int, hashes: dict[int, bytes]) -> None:
        """Keep looks by content id; those of another version are replaced."""
        ...

    def facts(self, version: int, ids: Collection[int]) -> dict[int, CopyFacts]:
        """Return by content id what examining pictures told."""
        ...

    def verdicts(
        self, version: int, pairs: Collection[tuple[int, int]]
    ) -> dict[tuple[int, int], Verdict]:
        """Return by pair of content ids, the lower first, what comparing them told."""
        ...

    def store_comparisons(
        self,
        version: int,
        facts: Mapping[int, CopyFacts],
        verdicts: Mapping[tuple[int, int], Verdict],
    ) -> None:
        """Keep both; what is there of another version is replaced."""
        ...

    def waiting(self) -> int:
        """Return how many files that are there wait to be read or encoded."""
        ...

    def decided(self) -> set[tuple[bytes, bytes]]:
        """Return the pairs of hashes, the smaller first, that a person does not want to see."""
        ...
