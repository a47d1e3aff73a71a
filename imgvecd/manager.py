"""`VectorDBManager`: whole folders and whole databases, in one call each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Never

from tqdm import tqdm

from imgvecd import arguments
from imgvecd.closing import ContextManaged
from imgvecd.core.files.formats import is_image_name
from imgvecd.database import VectorDatabase
from imgvecd.errors import UnreadableImageError
from imgvecd.former_names import also_called
from imgvecd.library_ops import required_list
from imgvecd.picture_input import AnyPicture, is_path

# Files added at a time: enough to keep every worker busy, few enough to see progress in the log.
_BATCH = 256


class VectorDBManager(ContextManaged):
    """Indexes folders and searches them, over a `VectorDatabase`.

    Args:
        db_path: folder of the database.
        database: one that is open already, instead; it stays open when the manager is closed.
        options: further arguments of `VectorDatabase`.
    """

    def __init__(
        self,
        db_path: str | os.PathLike[str] = "vector_db",
        *,
        database: VectorDatabase | None = None,
        **options: Any,  # noqa: ANN401  # as `VectorDatabase` takes them
    ) -> None:
        self._own = database is None
        self.db = VectorDatabase(db_path=db_path, **options) if database is None else database

    def __repr__(self) -> str:
        return f"<VectorDBManager of {self.db!r}>"

    def index_directory(
        self,
        directory: str | os.PathLike[str],
        *,
        recursive: bool = True,
        progress: bool | None = None,
    ) -> dict[str, Any]:
        """Add every image file of a folder; links to folders are not followed.

        Ctrl-C stops it; what was indexed stays, and the next call goes on from there.

        Args:
            progress: draw a bar on standard error; None does so on a terminal.

        Returns: `found` (image files), `indexed` (of these, can be searched now), `new` and
            `already_known` (of the indexed files: with bytes that the database did not have, or
            had, under whatever name), `failed`, `failures` (why, by path), `seconds`,
            `images_per_second`.

        Raises:
            FileNotFoundError, NotADirectoryError: there is no such folder.
        """
        folder = arguments.path(directory, "directory")
        os.scandir(folder).close()  # a missing folder is Python's own error
        paths = sorted(image_files(folder, recursive=recursive))
        return self.index_files(paths, progress=progress)

    def index_files(
        self, paths: Sequence[AnyPicture], *, progress: bool | None = None
    ) -> dict[str, Any]:
        """Add images as `add_image` takes them; otherwise as for `index_directory`.

        Pictures without a path go by their place in `failures`: "picture 3".
        """
        pictures = required_list(paths)
        started = time.monotonic()
        before = self.db.get_stats()["total_images"]
        failures: dict[str, str] = {}
        # `disable` is None for: only where there is no terminal
        disable = None if progress is None else not progress
        with tqdm(total=len(pictures), desc="indexing", unit="img", disable=disable) as bar:
            for start in range(0, len(pictures), _BATCH):
                batch = pictures[start : start + _BATCH]
                found = self.db.add_images_explained(batch, progress=_drawn(bar, len(batch)))
                for number, result in enumerate(found, start):
                    if isinstance(result, UnreadableImageError):
                        name, prefix = _named(pictures[number], number)
                        failures[name] = str(result).removeprefix(prefix)
                bar.update(start + len(batch) - bar.n)
        new = self.db.get_stats()["total_images"] - before
        indexed = len(pictures) - len(failures)
        seconds = time.monotonic() - started
        return {
            "found": len(pictures),
            "indexed": indexed,
            "new": new,
            "already_known": indexed - new,
            "failed": len(failures),
            "failures": failures,
            "seconds": round(seconds, 3),
            "images_per_second": round(len(pictures) / seconds, 1) if seconds else 0.0,
        }

    @also_called(query="description", query_text="description")
    def search_by_description(self, description: str, k: int = 10) -> list[dict[str, Any]]:
        """Return the k images nearest to a text: see `VectorDatabase.search_by_text`."""
        return self.db.search_by_text(description, k)

    @also_called(threshold="similarity_threshold")
    def find_duplicates(
        self,
        similarity_threshold: float = 0.95,
        **choices: Any,  # noqa: ANN401  # as there
    ) -> list[list[dict[str, Any]]]:
        """Return groups of the same picture: see `VectorDatabase.find_duplicates`."""
        return self.db.find_duplicates(similarity_threshold, **choices)

    @also_called(output_file="path", output_path="path")
    def export_metadata(
        self,
        path: str | os.PathLike[str],
        **choices: Any,  # noqa: ANN401  # as there
    ) -> int:
        """Write what is known of every image: see `VectorDatabase.export_metadata`."""
        return self.db.export_metadata(path, **choices)

    def get_stats(self) -> dict[str, Any]:
        """Return what the database holds: see `VectorDatabase.get_stats`."""
        return self.db.get_stats()

    def close(self) -> None:
        """Close the database, if the manager opened it."""
        if self._own:
            self.db.close()


def _drawn(bar: tqdm[Never], most: int) -> Callable[[int], None]:
    """Return what moves the bar within a batch of at most so many."""
    start = bar.n

    def draw(encoded: int) -> None:
        bar.update(start + min(encoded, most) - bar.n)

    return draw


def _named(picture: AnyPicture, number: int) -> tuple[str, str]:
    """Return what a picture is called, and what its error begins with."""
    if is_path(picture):
        path = os.fsdecode(picture)
        return path, f"{os.path.abspath(path)}: "
    return f"picture {number + 1}", ""


def image_files(directory: str, *, recursive: bool = True) -> Iterator[str]:
    """Yield the paths of image files in a folder, and below it."""
    for folder, subfolders, names in os.walk(directory):
        if not recursive:
            subfolders.clear()
        for name in names:
            path = os.path.join(folder, name)
            if is_image_name(name) and os.path.isfile(path):
                yield path
