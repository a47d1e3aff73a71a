"""Questions about images: what a hit shows, one image, pages of them, counts."""

from __future__ import annotations

import collections
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from imgvecd.api import Companion, FileCounts, Image, ImageFile, Path, Stats
from imgvecd.catalog.files.companions import beside, beside_each
from imgvecd.catalog.files.offline_sql import offline
from imgvecd.catalog.files.place_index import lines_of
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import FILE_COLUMNS, file_row
from imgvecd.catalog.work.models import model_id
from imgvecd.core.files.companions import kind_beside
from imgvecd.errors import NotFoundError
from imgvecd.types import ContentFiles, Stamp, join

SOME = "(SELECT value FROM json_each(?))"
_COLUMNS = "contents.id, hash, format, width, height, taken_at"
_COLUMNS_OF_FACTS = (
    "truncated, contents.failure_message, metadata, user_metadata,"
    " (SELECT text FROM picture_texts WHERE content_id = contents.id)"
)
_FILES_OF = (
    "SELECT roots.path, files.dir, files.name, files.size_bytes, files.mtime_ns,"
    f" {offline()} AS offline, files.root_id, content_id FROM files"
    " JOIN roots ON roots.id = files.root_id WHERE files.content_id {of} ORDER BY offline, files.id"
)
_FILES_OF_ONE, _FILES_OF_SOME = _FILES_OF.format(of="= ?"), _FILES_OF.format(of=f"IN {SOME}")
_FILE = f"SELECT {FILE_COLUMNS} FROM files WHERE id = ?"

_FileOf = tuple[bytes, bytes, bytes, int, int, int, int, int]


class ImageTable:
    """Answers about the images that at least one file bears. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def images(
        self,
        ids: Sequence[int],
        fingerprint: str | None = None,
        *,
        companions: bool = True,
        facts: bool = True,
    ) -> dict[int, Image]:
        """Return those of `ids` that a file bears; `indexed` is told for the given model.

        Args:
            companions: False leaves out what lies beside the files, which is a third of the work.
            facts: False leaves out all that a hit does not show.
        """
        with self._database.read() as connection:
            return _images(connection, ids, fingerprint, companions=companions, facts=facts)

    def page(self, after: int, limit: int, fingerprint: str | None = None) -> list[Image]:
        """Return up to `limit` images with ids above `after`, ascending."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id FROM contents WHERE id > ? AND live ORDER BY id LIMIT ?", (after, limit)
            ).fetchall()
            return list(_images(connection, [id_ for (id_,) in rows], fingerprint).values())

    def path_of(self, content_id: int) -> bytes:
        """Return the path of a file that bears the content, an online one if there is one.

        Raises:
            NotFoundError: no file bears it.
        """
        with self._database.read() as connection:
            row = connection.execute(_FILES_OF_ONE, (content_id,)).fetchone()
        if row is None:
            raise NotFoundError(f"there is no image {content_id}")
        return os.path.join(row[0], join(row[1], row[2]))

    def content_files(self, content_id: int) -> ContentFiles | None:
        """Return the files that bear a content; None if no file does."""
        with self._database.read() as connection:
            content = connection.execute(
                "SELECT hash, failure, failure_message FROM contents WHERE id = ? AND live",
                (content_id,),
            ).fetchone()
            rows = connection.execute(
                f"SELECT roots.path, {offline()}, roots.offline_reason, {FILE_COLUMNS} FROM files"
                " JOIN roots ON roots.id = root_id WHERE content_id = ? ORDER BY files.id",
                (content_id,),
            ).fetchall()
        if content is None:
            return None
        digest, failure, message = content
        return ContentFiles(
            hash=digest,
            online=tuple(
                (os.path.join(root, file.relative), file.stamp)
                for root, away, _, *columns in rows
                if not away and not (file := file_row(tuple(columns))).pending
            ),
            offline_reason=next(
                (reason or "its drive is not mounted" for _, away, reason, *_ in rows if away), None
            ),
            failure=None if failure is None else (failure, message),
        )

    def films(self, content_id: int) -> list[tuple[bytes, Stamp]]:
        """Return (path, stamp) of the films that belong to an image, online ones only."""
        with self._database.read() as connection:
            pictures = connection.execute(_FILES_OF_ONE, (content_id,)).fetchall()
            films = [
                (root, file_id)
                for root, directory, name, _, _, away, root_id, _ in pictures
                if not away
                for file_id, other, _ in beside(connection, root_id, directory, name)
                if kind_beside(name, other) == "video"
            ]
            rows = [
                (root, connection.execute(_FILE, (file_id,)).fetchone()) for root, file_id in films
            ]
        return [
            (os.path.join(root, (file := file_row(row)).relative), file.stamp) for root, row in rows
        ]

    def counts(self, fingerprint: str | None) -> FileCounts:
        """Return how many files are in which state, as the given model sees them."""
        with self._database.read() as connection:
            seen = _number(connection, "SELECT count(*) FROM files") - _number(
                connection, "SELECT count(*) FROM files WHERE companion"
            )
            pending = _number(
                connection, "SELECT count(*) FROM files WHERE pending AND NOT companion"
            )
            failed = _number(
                connection,
                "SELECT count(*) FROM files WHERE failure IS NOT NULL AND NOT companion",
            ) + _number(
                connection,
                "SELECT count(*) FROM contents JOIN files ON files.content_id = contents.id"
                " WHERE contents.failure IS NOT NULL AND NOT files.pending",
            )
            if fingerprint is None:
                queued = seen - pending - failed
            else:
                queued = _number(
                    connection,
                    "SELECT count(*) FROM encode_queue JOIN files USING (content_id)"
                    " WHERE model_id = ? AND NOT files.pending",
                    (model_id(connection, fingerprint),),
                )
        pending += queued
        return FileCounts(
            seen=seen, indexed=seen - pending - failed, pending=pending, failed=failed
        )

    def files_per_root(self) -> dict[int, int]:
        """Return the number of files by root id."""
        with self._database.read() as connection:
            return dict(
                connection.execute(
                    "SELECT root_id, count(*) FROM files WHERE NOT companion GROUP BY root_id"
                ).fetchall()
            )

    def stats(self, index_bytes: int) -> Stats:
        """Return what the library holds; `index_bytes` is passed through."""
        with self._database.read() as connection:
            live = connection.execute(
                "SELECT count(*), min(taken_at), max(taken_at) FROM contents WHERE live"
            ).fetchone()
            files = connection.execute(
                "SELECT count(*), coalesce(sum(size_bytes), 0) FROM files WHERE NOT companion"
            ).fetchone()
            formats = connection.execute(
                "SELECT format, count(*) FROM contents WHERE live AND format IS NOT NULL"
                " GROUP BY format ORDER BY count(*) DESC, format"
            ).fetchall()
            embeddings = _number(connection, "SELECT count(*) FROM embeddings")
        counts = self.counts(None)
        return Stats(
            images=live[0],
            files=files[0],
            size_bytes=files[1],
            embeddings=embeddings,
            failures=counts.failed,
            formats=dict(formats),
            oldest_taken_at=live[1],
            newest_taken_at=live[2],
            catalog_bytes=_bytes_on_disk(self._database.path),
            index_bytes=index_bytes,
        )


def _images(
    connection: sqlite3.Connection,
    ids: Sequence[int],
    fingerprint: str | None,
    *,
    companions: bool = True,
    facts: bool = True,
) -> dict[int, Image]:
    """Return those of `ids` that a file bears, in their order: in few statements for all."""
    some = (json.dumps(list(ids)),)
    columns = _COLUMNS
    if facts:
        columns += f", {_queue_test(connection, fingerprint)}, {_COLUMNS_OF_FACTS}"
    contents = connection.execute(
        f"SELECT {columns} FROM contents WHERE live AND id IN {SOME}", some
    ).fetchall()
    files = collections.defaultdict(list)
    for file in connection.execute(_FILES_OF_SOME, some):
        files[file[-1]].append(file)
    beside_them = _companions(connection, files.values()) if companions else {}
    lines = lines_of(connection, ids) if facts else {}
    by_id = {row[0]: row for row in contents}
    return {
        id_: _image(by_id[id_], files[id_], beside_them.get(id_, ()), lines.get(id_))
        for id_ in ids
        if id_ in by_id and id_ in files
    }


def _image(
    row: tuple[Any, ...],
    files: Sequence[_FileOf],
    companions: Sequence[Companion],
    place: str | None,
) -> Image:
    identity, digest, kind, width, height, taken_at, *facts = row
    image = Image(
        id=identity,
        hash=digest.hex(),
        files=tuple(map(_file, files)),
        format=kind,
        width=width,
        height=height,
        taken_at=taken_at,
        companions=tuple(companions),
    )
    if not facts:
        return image
    waits, cut, failure, metadata, user, text = facts
    return msgspec.structs.replace(
        image,
        truncated=bool(cut),
        indexed=failure is None and not waits,
        failure=failure,
        metadata=_facts(metadata),
        user_metadata=_facts(user),
        place=place,
        text=text,
    )


def _facts(text: str) -> dict[str, Any]:
    facts: dict[str, Any] = {} if text == "{}" else json.loads(text)
    return facts


def _companions(
    connection: sqlite3.Connection, contents: Iterable[Sequence[_FileOf]]
) -> dict[int, list[Companion]]:
    """Return what lies beside the files of contents, by content."""
    files = [file for some in contents for file in some]
    places = [(root_id, directory, name) for _, directory, name, *_, root_id, _ in files]
    found = collections.defaultdict(list)
    for file, others in zip(files, beside_each(connection, places), strict=True):
        root, directory, name, *_, content_id = file
        for _, other, other_id in others:
            if kind := kind_beside(name, other):
                path = Path.of(os.path.join(root, join(directory, other)))
                found[content_id].append(
                    Companion(kind=kind, path=path.path, path_base64=path.path_base64, id=other_id)
                )
    return found


def _file(row: _FileOf) -> ImageFile:
    root, directory, name, size_bytes, mtime_ns, offline, *_ = row
    path = Path.of(os.path.join(root, join(directory, name)))
    return ImageFile(
        path=path.path,
        path_base64=path.path_base64,
        size_bytes=size_bytes,
        modified_at=_moment(mtime_ns),
        offline=bool(offline),
    )


def _moment(time_ns: int) -> str:
    """Return a time in UTC, as ISO 8601 has it; `datetime` takes three times as long for one."""
    year, month, day, hour, minute, second, *_ = time.gmtime(time_ns // 10**9)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00"


def _queue_test(connection: sqlite3.Connection, fingerprint: str | None) -> str:
    if fingerprint is None:
        return "format IS NULL"
    model = model_id(connection, fingerprint)
    return (
        "EXISTS (SELECT 1 FROM encode_queue"
        f" WHERE model_id = {model:d} AND content_id = contents.id)"
    )


def _number(connection: sqlite3.Connection, sql: str, parameters: Iterable[object] = ()) -> int:
    ((value,),) = connection.execute(sql, tuple(parameters)).fetchall()
    return int(value)


def _bytes_on_disk(path: str) -> int:
    return sum(
        os.path.getsize(path + suffix)
        for suffix in ("", "-wal", "-shm")
        if os.path.exists(path + suffix)
    )
