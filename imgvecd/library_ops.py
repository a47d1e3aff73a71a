"""Adding to an open database, by name and by vector; removing; following files that have moved."""

from __future__ import annotations

import concurrent.futures
import hashlib
import logging
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from imgvecd import arguments
from imgvecd.core.files import downloads
from imgvecd.core.files.formats import is_image_name
from imgvecd.core.files.hashing import hash_file
from imgvecd.embedded_runtime import EmbeddedRuntime
from imgvecd.errors import (
    BadRequestError,
    DimensionError,
    NotFoundError,
    TooLargeError,
    UnreadableImageError,
)
from imgvecd.picture_input import AnyPath, AnyPicture, content_of
from imgvecd.processes.legacy_import import LegacyDatabase, LegacyImage, read_legacy
from imgvecd.types import FileChanges, FileMove, FileRow, FoundFile, ImageInfo, RootRow, Stamp
from imgvecd.wiring.parts import fetch_image

logger = logging.getLogger(__name__)

_LEAST_ID, _MOST_ID = -(2**63), 2**63 - 1  # that a database can be asked for
_FETCHES = 8  # at once; the servers are others', and the files are small
_NEVER_SEEN = Stamp(0, 0, 0, 0)  # of a file that is known by name only


def is_url(path: object) -> bool:
    """Return whether it names something on the web."""
    return isinstance(path, str) and path.startswith(("http://", "https://"))


def absolute(path: AnyPicture) -> bytes:
    """Return an absolute path in the bytes that the file system knows.

    Raises:
        BadRequestError: it is no path.
    """
    return os.path.abspath(os.fsencode(arguments.path(path, "an image's path")))


def add(
    runtime: EmbeddedRuntime,
    paths: Sequence[AnyPicture],
    *,
    skip_missing: bool = False,
    progress: Callable[[int], None] | None = None,
) -> list[int | UnreadableImageError]:
    """Add files and URLs; return, in order, ids or why there is none.

    Args:
        skip_missing: a file that is not there (any more) is one that cannot be read.
        progress: told now and then how many images were encoded so far, on any thread.

    Raises:
        FileNotFoundError: one of the files does not exist; none was added.
        BadRequestError: a URL leads to no public address, likewise; `paths` is one path.
        ReadOnlyError: the database is open for reading only.
    """
    runtime.require_writing()
    local = _fetched(runtime, paths)
    with runtime.adding:
        places, unusable = _places(runtime, local, skip_missing=skip_missing)
        added: list[tuple[int, bytes, FoundFile]] = []
        changed: list[tuple[int, Stamp]] = []
        for root, directory, found in places.values():
            row = _row(runtime, root.id, directory, found.name)
            if row is None:
                added.append((root.id, directory, found))
            elif row.stamp != found.stamp:
                changed.append((row.id, found.stamp))
        runtime.catalog.files.apply(FileChanges(added=tuple(added), changed=tuple(changed)))
        runtime.wait_until_indexed(progress)
        ids = {
            path: _result(runtime, _row(runtime, root.id, directory, found.name), path)
            for path, (root, directory, found) in places.items()
        }
    known = {**ids, **unusable}
    results = [each if isinstance(each, UnreadableImageError) else known[each] for each in local]
    runtime.catalog.collection.set_origins(
        {
            result: str(path)
            for path, result in zip(paths, results, strict=True)
            if is_url(path) and isinstance(result, int)
        }
    )
    return results


def _places(
    runtime: EmbeddedRuntime, local: Sequence[bytes | UnreadableImageError], *, skip_missing: bool
) -> tuple[
    dict[bytes, tuple[RootRow, bytes, FoundFile]],
    dict[bytes, UnreadableImageError],
]:
    """Return by path (root, folder in it, file), and what is wrong with the other paths."""
    places: dict[bytes, tuple[RootRow, bytes, FoundFile]] = {}
    unusable: dict[bytes, UnreadableImageError] = {}
    for path in dict.fromkeys(each for each in local if isinstance(each, bytes)):
        try:
            stamp = _stamp(path)
        except OSError as error:
            if not skip_missing:
                raise
            unusable[path] = UnreadableImageError("unreadable", error.strerror or str(error))
            continue
        except UnreadableImageError as error:
            unusable[path] = error
            continue
        root, directory, name = runtime.place(path)
        places[path] = root, directory, FoundFile(name, stamp)
    return places, unusable


def remove(runtime: EmbeddedRuntime, image_ids: Sequence[int]) -> int:
    """Take images out of the database; return how many there were.

    Files stay on the disk, but for those that the database has fetched from the web itself.
    """
    runtime.require_writing()
    with runtime.adding:
        files = runtime.catalog.collection.files_of(image_ids)
        roots = {root.id: root.path for root in runtime.catalog.files.roots()}
        runtime.catalog.files.apply(FileChanges(removed=tuple(file.id for file in files)))
        runtime.wait_until_indexed()
        for file in files:
            path = os.fsdecode(os.path.join(roots[file.root_id], file.relative))
            downloads.drop(_downloads_of(runtime), path)
    return len({file.content_id for file in files})


def relocate(runtime: EmbeddedRuntime, old_prefix: AnyPath, new_prefix: AnyPath) -> dict[str, int]:
    """Follow files from one folder (or name) to another; nothing that is the same is encoded.

    Returns: `moved`, `changed` (moved, with other bytes: read anew), `missing` (left as they were).
    """
    runtime.require_writing()
    old, new = absolute(old_prefix), absolute(new_prefix)
    moves: list[FileMove] = []
    changed: list[tuple[int, Stamp]] = []
    missing = 0
    with runtime.adding:
        for path, file in _files_below(runtime, old):
            target = new + path[len(old) :]
            try:
                stamp = _stamp(target)
            except (OSError, UnreadableImageError):
                missing += 1
                continue
            root, directory, name = runtime.place(target)
            moves.append(FileMove(file.id, root.id, directory, name, stamp))
            if not _same_bytes(runtime, file, target, stamp):
                changed.append((file.id, stamp))
        runtime.catalog.files.apply(FileChanges(moved=tuple(moves)))
        runtime.catalog.files.apply(FileChanges(changed=tuple(changed)))
        runtime.wait_until_indexed()
    return {"moved": len(moves) - len(changed), "changed": len(changed), "missing": missing}


def import_legacy(runtime: EmbeddedRuntime, directory: str) -> dict[str, int]:
    """Take over a database of the former layout, encoding nothing.

    Files that are there are named by their bytes, as always. A file that is not (a URL, say) is
    kept under its path, and is identified once `relocate` finds it.

    Returns: `imported`, `files_missing` (imported all the same), `unusable` (left out).

    Raises:
        BadRequestError: the folder's files are missing, damaged or hostile.
        DimensionError: the vectors are not of this database's model.
    """
    runtime.require_writing()
    legacy = read_legacy(directory)
    dim = legacy.vectors.shape[1]
    if dim != runtime.model.dim:
        raise DimensionError(
            f"{directory} has vectors of {dim} dimensions, {runtime.model.name} of"
            f" {runtime.model.dim}: open the database with the model that made them"
        )
    with runtime.adding:
        missing = _import(runtime, legacy)
        runtime.wait_until_indexed()
    imported = len(legacy.images)
    logger.info("imported %d images, %d without their file", imported, missing)
    return {"imported": imported, "files_missing": missing, "unusable": legacy.unusable}


def _import(runtime: EmbeddedRuntime, legacy: LegacyDatabase) -> int:
    found = [_found(image) for image in legacy.images]
    rows = [image.row for image in legacy.images]
    ids = runtime.catalog.collection.add_contents(
        runtime.model.fingerprint,
        [
            (digest, stamp.size_bytes, _info(image))
            for image, (digest, stamp) in zip(legacy.images, found, strict=True)
        ],
        legacy.vectors[rows],
    )
    linked: dict[bytes, tuple[int, bytes, FoundFile, int]] = {}
    for image, (_, stamp), content_id in zip(legacy.images, found, ids, strict=True):
        path = absolute(image.path)
        root, folder, name = runtime.place(path)
        linked[path] = (root.id, folder, FoundFile(name, stamp), content_id)
    runtime.catalog.files.apply(FileChanges(linked=tuple(linked.values())))
    runtime.catalog.user_metadata.replace(
        {
            content_id: image.metadata
            for image, content_id in zip(legacy.images, ids, strict=True)
            if image.metadata
        }
    )
    runtime.catalog.collection.set_origins(
        {
            content_id: image.path
            for image, content_id in zip(legacy.images, ids, strict=True)
            if is_url(image.path)
        }
    )
    return sum(stamp == _NEVER_SEEN for _, stamp in found)


def _found(image: LegacyImage) -> tuple[bytes, Stamp]:
    """Return (hash, stamp) of the image's file, or stand-ins for one that is not there."""
    path = absolute(image.path)
    try:
        stamp = _stamp(path)
        return hash_file(path, stamp), stamp
    except (OSError, UnreadableImageError):
        stand_in = hashlib.blake2b(path, digest_size=32, person=b"imgvecd unseen")
        return stand_in.digest(), _NEVER_SEEN


def _info(image: LegacyImage) -> ImageInfo:
    """Return what the record says of the picture, where it is what such facts look like."""

    def number(key: str) -> int:
        value = image.metadata.get(key)
        return value if isinstance(value, int) and value > 0 else 0

    kind = image.metadata.get("format")
    extension = image.path.rpartition(".")[2].lower()
    known = extension.replace("jpg", "jpeg") if is_image_name(image.path) else "unknown"
    return ImageInfo(
        format=kind.lower() if isinstance(kind, str) else known,
        width=number("width"),
        height=number("height"),
    )


def _fetched(
    runtime: EmbeddedRuntime, paths: Sequence[AnyPicture]
) -> list[bytes | UnreadableImageError]:
    """Return where the images lie on disk, or why they do not.

    URLs are downloaded; what has no path is kept in a file of the database's own.
    """
    folder = _downloads_of(runtime)

    def fetched(path: AnyPicture) -> bytes | UnreadableImageError:
        try:
            if is_url(path):
                return _download(folder, str(path))
            content = content_of(path)
            return absolute(path) if content is None else _kept(folder, content)
        except UnreadableImageError as error:
            return error
        except TooLargeError as error:
            return UnreadableImageError("too_large", f"{path!s}: {error}")

    if not any(map(is_url, paths)):
        return [fetched(path) for path in paths]
    with concurrent.futures.ThreadPoolExecutor(_FETCHES) as pool:
        return list(pool.map(fetched, paths))


def _download(folder: str, url: str) -> bytes:
    return _kept(folder, fetch_image(url))


def _kept(folder: str, content: bytes) -> bytes:
    return os.fsencode(downloads.keep(folder, content))


def _downloads_of(runtime: EmbeddedRuntime) -> str:
    return os.path.join(os.path.dirname(runtime.catalog.path), "downloads")


def _files_below(runtime: EmbeddedRuntime, prefix: bytes) -> list[tuple[bytes, FileRow]]:
    """Return (path, file) of every file at `prefix` or below it."""
    found = []
    for root in runtime.catalog.files.roots():
        top = root.path.rstrip(b"/") + b"/"
        inside = prefix[len(top) :] if prefix.startswith(top) else b""
        if inside or prefix + b"/" == top or top.startswith(prefix + b"/"):
            parent, name = os.path.split(inside)
            rows = runtime.catalog.files.iter_files(root.id, inside, recursive=True)
            named = runtime.catalog.files.files_named(root.id, parent, [name] if name else [])
            found += [(top + row.relative, row) for row in (*rows, *named)]
    return found


def _same_bytes(runtime: EmbeddedRuntime, file: FileRow, path: bytes, stamp: Stamp) -> bool:
    if file.content_id is None:
        return False
    if (file.stamp.size_bytes, file.stamp.mtime_ns) == (stamp.size_bytes, stamp.mtime_ns):
        return True
    digest = hash_file(path, stamp)
    if file.stamp == _NEVER_SEEN:
        collection = runtime.catalog.collection
        return collection.identify(file.content_id, digest, stamp.size_bytes)
    images = runtime.catalog.images.images([file.content_id])
    return file.content_id in images and images[file.content_id].hash == digest.hex()


def _row(runtime: EmbeddedRuntime, root_id: int, directory: bytes, name: bytes) -> FileRow | None:
    rows = runtime.catalog.files.files_named(root_id, directory, [name])
    return rows[0] if rows else None


def _result(
    runtime: EmbeddedRuntime, row: FileRow | None, path: bytes
) -> int | UnreadableImageError:
    shown = os.fsdecode(path)
    if row is None or row.pending:
        return UnreadableImageError("changed", f"{shown} changed while it was being read")
    if row.content_id is None:
        return UnreadableImageError("unreadable", f"{shown}: {row.failure}")
    image = runtime.catalog.images.images([row.content_id])[row.content_id]
    if image.failure is not None:
        return UnreadableImageError("damaged", f"{shown}: {image.failure}")
    return row.content_id


def _stamp(path: bytes) -> Stamp:
    status = os.stat(os.fsdecode(path))  # an error names the file as people write it
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableImageError("unsupported", f"{os.fsdecode(path)} is not a regular file")
    return Stamp.of(status)


def require_known(runtime: EmbeddedRuntime, image_ids: Sequence[int]) -> list[int]:
    """Return the ids as Python's own whole numbers.

    Raises:
        NotFoundError: one of the images is not there; names them.
        BadRequestError: an id is no whole number, or they are not in a list.
    """
    given = arguments.items(image_ids, "the ids")
    wanted = [arguments.whole(each, "an id", least=_LEAST_ID, most=_MOST_ID) for each in given]
    known = runtime.catalog.images.images(wanted)
    unknown = [str(image_id) for image_id in wanted if image_id not in known]
    if unknown:
        raise NotFoundError(f"there is no image {', '.join(unknown)}")
    return wanted


def required_list(paths: Iterable[AnyPicture]) -> list[AnyPicture]:
    """Return the paths in a list; raise BadRequestError if that is one path instead."""
    try:
        return arguments.items(paths, "paths")
    except BadRequestError:
        given = type(paths).__name__
        raise BadRequestError(
            f"expected a list of image files, not {given}; `add_image` takes one"
        ) from None


def checked_metadatas(
    metadatas: Iterable[Mapping[str, Any] | None] | None, count: int
) -> list[Mapping[str, Any] | None]:
    """Return one entry for each of `count` images.

    Raises:
        BadRequestError: there are more or fewer, or one that is no dict.
    """
    if metadatas is None:
        return [None] * count
    entries = arguments.items(metadatas, "metadatas")
    if len(entries) != count:
        raise BadRequestError(f"metadatas has {len(entries)} entries for {count} images")
    return [None if each is None else arguments.mapping(each, "metadata") for each in entries]
