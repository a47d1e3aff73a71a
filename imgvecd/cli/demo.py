"""`imgvecd demo`: a guided run over some pictures, ending in a contact sheet; changes none."""

from __future__ import annotations

import argparse
import contextlib
import importlib.resources
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from imgvecd.client.reports import size
from imgvecd.core.files.formats import is_image_name
from imgvecd.errors import BadRequestError, ConfigError, ImgvecdError
from imgvecd.picture_sheet import SheetPicture, SheetSection, pieces
from imgvecd.terminal_output import printable, say

if TYPE_CHECKING:
    from imgvecd import VectorDatabase

_DESCRIPTION = """\
Show what imgvecd does, step by step: index, search by text, by image and by both, find duplicates.
Without FOLDER it takes your pictures folder if there is something in it, else pictures of its own.
Nothing is written but the contact sheet; the index lies in a temporary folder.
"""
# What photos often show; those that fit the folder best are asked.
_PHRASES = (
    "a cat", "a dog", "a cup of coffee", "food on a plate", "a motorcycle", "a car on a street",
    "a rocket taking off", "stars in the night sky", "a person smiling", "children playing",
    "a group of people", "a beach", "mountains", "a forest", "a lake", "flowers", "green grass",
    "a brick wall", "a building", "a street in a city", "snow", "a sunset", "a boat on water",
    "a bicycle", "a horse", "birds", "people playing sports", "a concert", "a document with text",
    "an astronaut",
)  # fmt: skip
_QUERIES = 3
_HITS = 4
_FEW = 8  # pictures, below which a folder shows nothing
_MOST_RANKED = 200
_THUMBNAIL = 320  # pixels: two for each of the sheet's, which suits sharp screens
_SMALL_COPY = 200
_GROUPS = 6
_EXPLAINED = {
    "same_bytes": "the same file, byte for byte",
    "same_pixels": "another file with the very same pixels",
    "reencoded": "saved anew or resized",
    "transformed": "turned by a quarter or a half",
    "edited": "edited: cropped, mirrored, other colours or text",
    "burst": "taken within seconds",
    "similar": "merely similar",
}

Hits = Sequence[dict[str, Any]]


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "demo", help="show what imgvecd does, on some pictures", description=_DESCRIPTION
    )
    add = command.add_argument
    add("folder", metavar="FOLDER", nargs="?", help="folder of pictures, with all below it")
    add("--limit", type=int, default=200, metavar="N", help="at most N pictures (default: 200)")
    add(
        "--output",
        default="imgvecd-demo.html",
        metavar="FILE",
        help="the contact sheet (default: %(default)s)",
    )
    add("--model", default="imgvecd-mini", metavar="NAME", help="default: %(default)s")
    add("--pretrained", default="", metavar="TAG", help="the model's weights: a tag, or a file")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Walk through it all, and write the sheet."""
    from imgvecd.database import VectorDatabase  # noqa: PLC0415  # Faiss, which others can do without

    with tempfile.TemporaryDirectory(prefix="imgvecd-demo-") as scratch:
        folder = options.folder or _pictures_folder() or _own_pictures(scratch)
        files = _files(folder, options.limit)
        if not files:
            raise BadRequestError(f"{folder} has no pictures in it")
        with VectorDatabase(
            options.model, options.pretrained, db_path=os.path.join(scratch, "db")
        ) as database:
            sections = list(_Tour(database, folder, files, own=folder.startswith(scratch)).steps())
        about = f"What it found among {len(files):,} {_name(folder, scratch)}"
        try:
            with open(options.output, "w", encoding="utf-8") as file:
                file.writelines(pieces("imgvecd", sections, about))
        except OSError as error:
            raise ConfigError(f"{options.output}: cannot be written: {error.strerror}") from error
    _say("Contact sheet", f"All of this as pictures, for your browser: {options.output}")
    say('Your own library: `imgvecd init ~/Pictures`, `imgvecd serve`, `imgvec search "a dog"`.')
    return 0


class _Tour:
    """The steps over one database; each prints what it does and yields what the sheet shows."""

    def __init__(
        self, database: VectorDatabase, folder: str, files: Sequence[str], *, own: bool
    ) -> None:
        self._database = database
        self._folder = folder
        self._files = list(files)
        self._own = own

    def steps(self) -> Iterator[SheetSection]:
        """Yield a section for each step."""
        self._index()
        queries = self._queries()
        for phrase, hits in queries:
            yield self._found("Text search", f"“{phrase}”", hits)
        if queries:
            (first, hits), second = queries[0], queries[min(1, len(queries) - 1)][0]
            example = hits[0]["local_path"]
            asked = self._picture(hits[0], "asked for", framed=True)
            more = self._database.search_by_image(example, k=_HITS + 1)[1:]
            yield self._found("Image search", f"more like {_base(example)}", more, asked)
            both = self._database.search_combined(second, example, k=_HITS + 1)
            both = [hit for hit in both if hit["id"] != hits[0]["id"]][:_HITS]
            what = f"“{second}” together with {_base(example)} ({first})"
            yield self._found("Combined search", what, both, asked)
        yield from self._duplicates()
        self._stats()

    def _index(self) -> None:
        from imgvecd.manager import VectorDBManager  # noqa: PLC0415  # see `run`

        _say("Index", f"{len(self._files):,} pictures from {self._folder}, each looked at once.")
        with VectorDBManager(database=self._database) as manager:
            told = manager.index_files(self._files)
        say(
            f"{told['indexed']:,} pictures in {told['seconds']:.1f} s"
            f" ({told['images_per_second']:.0f} a second, loading the model included);"
            f" {told['failed']:,} could not be read."
        )
        for path, reason in list(told["failures"].items())[:_HITS]:
            say(f"  {path}: {reason}")

    def _queries(self) -> list[tuple[str, Hits]]:
        """Return the phrases that fit the pictures best, each for another picture, with hits."""
        ranked = []
        for phrase in _PHRASES:
            hits = self._database.search_by_text(phrase, k=_MOST_RANKED)
            if hits:
                usual = statistics.median(hit["similarity"] for hit in hits)
                ranked.append((hits[0]["similarity"] - usual, phrase, hits[:_HITS]))
        chosen: list[tuple[str, Hits]] = []
        for _, phrase, hits in sorted(ranked, key=lambda entry: -entry[0]):
            if all(hits[0]["id"] != others[0]["id"] for _, others in chosen):
                chosen.append((phrase, hits))
        return chosen[:_QUERIES]

    def _found(self, title: str, asked: str, hits: Hits, *before: SheetPicture) -> SheetSection:
        _say(title, asked)
        for hit in hits:
            say(f"  {hit['similarity']:.3f}  {self._shown(hit)}")
        found = [self._picture(hit, f"similarity {hit['similarity']:.3f}") for hit in hits]
        return SheetSection(asked, (*before, *found), title)

    def _duplicates(self) -> Iterator[SheetSection]:
        if self._own:
            _say("Duplicates", "First, a copy and a small version of two pictures are made.")
            self._make_duplicates()
        else:
            _say("Duplicates", "Every picture is compared; nothing is ever deleted by a search.")
        groups = self._database.find_duplicates()
        if not groups:
            say("  There are none.")
        for group in groups[:_GROUPS]:
            kinds = sorted({file["kind"] for file in group[1:]})
            how = "; ".join(_EXPLAINED[kind] for kind in kinds)
            say(f"  {how}:")
            for file in group:
                say(f"    {'keep ' if file['keep'] else 'spare'}  {self._shown(file)}")
            pictures = [
                self._picture(file, "keep" if file["keep"] else "could go", framed=file["keep"])
                for file in group[: _HITS + 1]
            ]
            yield SheetSection(how, pictures, "Duplicates")
        if len(groups) > _GROUPS:
            say(f"  … and {len(groups) - _GROUPS:,} groups more")

    def _make_duplicates(self) -> None:
        first, second = self._files[:2]
        copy = os.path.join(self._folder, f"copy of {_base(first)}")
        shutil.copy(first, copy)
        small = os.path.join(self._folder, f"small {_base(second)}")
        picture = self._database.thumbnail(self._database.add_image(second), _SMALL_COPY)
        with open(small, "wb") as file:
            file.write(picture)
        self._database.add_images_batch([copy, small])

    def _stats(self) -> None:
        stats = self._database.get_stats()
        kinds = ", ".join(f"{count:,} {name}" for name, count in stats["formats"].items())
        images, files = stats["total_images"], stats["total_files"]
        _say("Stats", f"{images:,} images in {files:,} files: {kinds}")
        say(f"  model     {stats['model_name']}, {stats['dimension']} dimensions")
        say(f"  pictures  {size(stats['size_bytes'])}")
        say(f"  database  {size(stats['db_bytes'])}")

    def _picture(self, image: dict[str, Any], note: str, *, framed: bool = False) -> SheetPicture:
        picture: bytes | str
        try:
            picture = self._database.thumbnail(image["id"], _THUMBNAIL)
        except ImgvecdError as error:  # it has gone meanwhile: the sheet says what it was
            picture = str(error)
        width, height = image["width"], image["height"]
        facts = f"{width} × {height} {image['format']}, {str(image['date'])[:10]}"
        folder, name = os.path.split(self._shown(image))
        return SheetPicture(name, picture, (note, facts, folder), width, height, framed)

    def _shown(self, image: dict[str, Any]) -> str:
        path = image.get("local_path") or image["image_path"]
        return printable(os.path.relpath(path, self._folder))


def _say(step: str, text: str) -> None:
    say("", f"── {step}: {text}")


def _base(path: str) -> str:
    return printable(os.path.basename(path))


def _name(folder: str, scratch: str) -> str:
    """Return what the pictures are called."""
    name = printable(os.path.basename(os.path.abspath(folder)))
    return name if folder.startswith(scratch) else f"pictures from {name}"


def _pictures_folder() -> str | None:
    """Return the user's pictures folder, if there is something to show in it."""
    folder = os.path.expanduser("~/Pictures")
    return folder if len(_files(folder, _FEW)) >= _FEW else None


def _own_pictures(scratch: str) -> str:
    """Return a folder with copies of the pictures in the package."""
    folder = os.path.join(scratch, "pictures that come with imgvecd")
    os.mkdir(folder)
    shipped = importlib.resources.files("imgvecd").joinpath("data", "demo")
    for entry in shipped.iterdir():
        if is_image_name(entry.name):
            with open(os.path.join(folder, entry.name), "wb") as file:
                file.write(entry.read_bytes())
    return folder


def _files(folder: str, limit: int) -> list[str]:
    """Return the newest image files in `folder` and below, sorted by path."""
    from imgvecd.manager import image_files  # noqa: PLC0415  # see `run`

    dated = []
    for path in image_files(folder):
        with contextlib.suppress(OSError):
            dated.append((os.stat(path).st_mtime_ns, path))
    return sorted(path for _, path in sorted(dated, reverse=True)[:limit])
