"""Images in the order in which they were taken, by month and page by page."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from imgvecd.api import ListOrder, MonthImages, Timeline, TimelineMonth
from imgvecd.catalog.schema.connection import Database
from imgvecd.errors import BadRequestError, NotFoundError
from imgvecd.json_bounds import UNDECODABLE
from imgvecd.types import Int64Array

UNDATED = "undated"
"""The month of images that do not say when they were taken."""

# A byte for each shape, as `api.Timeline` tells; characters up to 255 are such bytes in Latin-1.
_SHAPE = (
    "char(CASE WHEN width IS NULL OR height IS NULL OR width < 1 OR height < 1 THEN 128"
    " WHEN width <= height THEN max(1, (128 * width + height / 2) / height)"
    " ELSE min(255, 256 - (128 * height + width / 2) / width) END)"
)
_ALLOWED = " AND id IN (SELECT value FROM json_each(?))"
_NEWEST = "contents INDEXED BY contents_timeline WHERE live {} ORDER BY taken_at DESC, id DESC"
SHORT_HASH = "lower(hex(substr(hash, 1, 8)))"
"""SQL: the beginning of a content's hash, for the address of its thumbnail."""

_MONTH_DIGITS = 7  # YYYY-MM


class TimelineRows:
    """Reads the timeline. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def timeline(self, allowed: Int64Array | None, clock: str) -> Timeline:
        """Return how many images each month has, newest first, and their shapes.

        Args:
            allowed: only these; None means all.
        """
        with self._database.read() as connection:
            found = _counts(connection) if allowed is None else _counts_of(connection, allowed)
        return Timeline(
            clock=clock,
            total=sum(count for _, count, _ in found),
            months=tuple(TimelineMonth(month, count) for month, count, _ in found),
            shapes=b"".join(shapes.encode("latin-1") for *_, shapes in found),
        )

    def month(
        self, month: str, allowed: Int64Array | None, clock: str, start: int, limit: int
    ) -> MonthImages:
        """Return up to `limit` images of one month after the first `start`, newest first.

        Raises:
            NotFoundError: it is no month.
        """
        limits, values = _month_limits(month)
        within = limits + ("" if allowed is None else _ALLOWED)
        with self._database.read() as connection:
            found = connection.execute(
                f"SELECT id, {SHORT_HASH}, substr(taken_at, 9, 2)"
                f" FROM {_NEWEST.format(within)} LIMIT ? OFFSET ?",
                (*values, *_values(allowed), limit, start),
            ).fetchall()
        return MonthImages(
            clock=clock,
            ids=tuple(identity for identity, *_ in found),
            hashes=tuple(digest for _, digest, _ in found),
            days=tuple(int(day) if (day or "").isdigit() else 0 for *_, day in found),
        )

    def page(
        self, order: ListOrder, cursor: str | None, limit: int, allowed: Int64Array | None
    ) -> tuple[list[int], str | None]:
        """Return (up to `limit` ids in an order, the cursor of the page after them).

        Raises:
            BadRequestError: the cursor is none, or one of another order.
        """
        if order == "path":
            return self._by_path(_position(cursor, _PathPosition), limit, allowed)
        return self._by_time(order, _position(cursor, _TimePosition), limit, allowed)

    def _by_time(
        self, order: ListOrder, after: _TimePosition | None, limit: int, allowed: Int64Array | None
    ) -> tuple[list[int], str | None]:
        down = order == "newest"
        if after is not None and after.order != order:
            raise BadRequestError("`cursor` belongs to a list in another order")
        direction, beyond = ("DESC", "<") if down else ("ASC", ">")
        # images without a time come last, whichever the order is
        parts = [
            ("taken_at IS NOT NULL", "(taken_at, id)"),
            ("taken_at IS NULL", "id"),
        ]
        if after is not None and after.taken_at is None:
            del parts[0]
        rows: list[tuple[int, str | None]] = []
        with self._database.read() as connection:
            for dated, key in parts:
                where, values = f"live AND {dated}", list[object]()
                if after is not None and (after.taken_at is None) == (key == "id"):
                    place = [after.id] if key == "id" else [after.taken_at, after.id]
                    where += f" AND {key} {beyond} ({', '.join('?' * len(place))})"
                    values += place
                if allowed is not None:
                    where += _ALLOWED
                    values += _values(allowed)
                rows += connection.execute(
                    f"SELECT id, taken_at FROM contents INDEXED BY contents_timeline WHERE {where}"
                    f" ORDER BY taken_at {direction}, id {direction} LIMIT ?",
                    (*values, limit - len(rows)),
                ).fetchall()
        ids = [identity for identity, _ in rows]
        if len(rows) < limit:
            return ids, None
        return ids, _cursor(_TimePosition(order, rows[-1][1], ids[-1]))

    def _by_path(
        self, after: _PathPosition | None, limit: int, allowed: Int64Array | None
    ) -> tuple[list[int], str | None]:
        """Return images by their first path; roots in the order of theirs."""
        chosen = "" if allowed is None else " AND content_id IN (SELECT value FROM json_each(?))"
        found: list[tuple[int, bytes, bytes]] = []
        with self._database.read() as connection:
            roots = connection.execute("SELECT id, path FROM roots ORDER BY path").fetchall()
            for root_id, path in roots:
                if after is not None and path < after.root:
                    continue
                start = (after.dir, after.name) if after and path == after.root else (b"", b"")
                rows = connection.execute(
                    "SELECT content_id, dir, name FROM files AS file WHERE root_id = ?"
                    " AND (dir, name) > (?, ?) AND content_id IS NOT NULL AND NOT EXISTS ("
                    " SELECT 1 FROM files AS other JOIN roots ON roots.id = other.root_id"
                    " WHERE other.content_id = file.content_id AND (roots.path, other.dir,"
                    f" other.name) < (?, file.dir, file.name)){chosen} ORDER BY dir, name LIMIT ?",
                    (root_id, *start, path, *_values(allowed), limit - len(found)),
                ).fetchall()
                found += [(content_id, directory, name) for content_id, directory, name in rows]
                if len(found) == limit:
                    last = _PathPosition(path, *found[-1][1:])
                    return [content_id for content_id, *_ in found], _cursor(last)
        return [content_id for content_id, *_ in found], None


class _TimePosition(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    order: ListOrder
    taken_at: str | None
    id: int


class _PathPosition(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    root: bytes
    dir: bytes
    name: bytes


P = TypeVar("P", bound=msgspec.Struct)


def _cursor(position: msgspec.Struct) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def _position(cursor: str | None, shape: type[P]) -> P | None:
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(text, type=shape)
    except (*UNDECODABLE, ValueError) as error:
        raise BadRequestError("`cursor` does not belong to this list") from error


def _counts(connection: sqlite3.Connection) -> list[tuple[str, int, str]]:
    """Return (month, images, their shapes), the latest first.

    Month by month, since SQLite would sort what it groups by a part of a column.
    """
    found = []
    for month in [*_months(connection), UNDATED]:
        limits, values = _month_limits(month)
        ((count, shapes),) = connection.execute(
            f"SELECT count(*), group_concat({_SHAPE}, '') FROM"
            f" (SELECT width, height FROM {_NEWEST.format(limits)})",
            values,
        )
        if count:
            found.append((month, count, shapes))
    return found


def _counts_of(connection: sqlite3.Connection, allowed: Int64Array) -> list[tuple[str, int, str]]:
    """Return the same of some images only."""
    return connection.execute(
        f"SELECT coalesce(substr(taken_at, 1, {_MONTH_DIGITS}), '{UNDATED}'), count(*),"
        f" group_concat({_SHAPE}, '') FROM (SELECT taken_at, width, height"
        f" FROM {_NEWEST.format(_ALLOWED)}) GROUP BY substr(taken_at, 1, {_MONTH_DIGITS})"
        f" ORDER BY substr(taken_at, 1, {_MONTH_DIGITS}) DESC",
        _values(allowed),
    ).fetchall()


def _months(connection: sqlite3.Connection) -> list[str]:
    """Return every month that a live image was taken in, the latest first."""
    months: list[str] = []
    before = "~"  # after every digit
    while True:
        ((latest,),) = connection.execute(
            "SELECT max(taken_at) FROM contents INDEXED BY contents_timeline"
            " WHERE live AND taken_at < ?",
            (before,),
        )
        if latest is None:
            return months
        before = latest[:_MONTH_DIGITS]
        months.append(before)


def _values(allowed: Int64Array | None) -> Sequence[str]:
    return () if allowed is None else (json.dumps(allowed.tolist()),)


def _month_limits(month: str) -> tuple[str, tuple[str, ...]]:
    if month == UNDATED:
        return "AND taken_at IS NULL", ()
    if not re.fullmatch(r"(?!0000)[0-9]{4}(-(0[1-9]|1[0-2]))?", month):
        raise NotFoundError(f"There is no month {month}; they are like 2023-05, 2023, or undated.")
    # "-" comes before digits, "." right after it: a year has what says no month, and a month all of
    # its days
    beyond = f"{month}." if "-" in month else f"{month}-"
    return "AND taken_at >= ? AND taken_at < ?", (month, beyond)
