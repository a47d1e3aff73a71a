"""What the user says of images, tags among it (under `tags`): implements `UserMetadataStore`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imgvecd.catalog.schema.connection import Database
from imgvecd.errors import BadRequestError
from imgvecd.spelling import folded_words

_MOST_BYTES = 64 * 1024  # for one image: remarks, not documents; it travels with every listing
_DEEPEST = 20  # levels, far from where JSON libraries give up


class UserMetadata:
    """The user's values by content. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, metadata: Mapping[int, Mapping[str, Any]]) -> None:
        """Replace what the user says of contents, by id.

        Raises:
            BadRequestError: a value that JSON cannot hold, or too much; nothing was changed.
        """
        texts = {content_id: _text(values) for content_id, values in metadata.items()}
        with self._database.write() as (connection, _):
            _store(connection, texts)

    def change(self, content_id: int, changes: Mapping[str, Any]) -> None:
        """Set some of the values; None takes one away. Errors as for `replace`."""
        with self._database.write() as (connection, _):
            values = {**_values(connection, content_id), **changes}
            kept = {name: value for name, value in values.items() if value is not None}
            _store(connection, {content_id: _text(kept)})

    def tag(
        self, content_ids: Iterable[int], add: Sequence[str], remove: Sequence[str] = ()
    ) -> None:
        """Add and remove tags, whatever their case; those that an image has already stay."""
        with self._database.write() as (connection, _):
            texts = {}
            for content_id in content_ids:
                values = _values(connection, content_id)
                values["tags"] = _tagged(values.get("tags", []), add, remove)
                if not values["tags"]:
                    del values["tags"]
                texts[content_id] = _text(values)
            _store(connection, texts)


def _tagged(known: object, add: Sequence[str], remove: Sequence[str]) -> list[str]:
    # programs may have kept a single tag as a text
    tags = [str(tag) for tag in known] if isinstance(known, list) else [str(known)]
    unwanted = {folded_words(tag) for tag in remove}
    chosen: dict[str, str] = {}
    for tag in [*tags, *add]:
        if folded_words(tag) not in unwanted:
            chosen.setdefault(folded_words(tag), tag)
    return list(chosen.values())


def _values(connection: sqlite3.Connection, content_id: int) -> dict[str, Any]:
    row = connection.execute(
        "SELECT user_metadata FROM contents WHERE id = ?", (content_id,)
    ).fetchone()
    values: dict[str, Any] = json.loads(row[0]) if row else {}
    return values


def _text(values: Mapping[str, Any]) -> str:
    if _is_deeper(values, _DEEPEST):
        raise BadRequestError(f"metadata is nested {_DEEPEST} levels deep at most")
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError) as error:  # a lone surrogate is a ValueError, too
        raise BadRequestError(f"metadata must be JSON values: {error}") from error
    if size > _MOST_BYTES:
        raise BadRequestError(f"metadata of one image is at most {_MOST_BYTES:,} bytes of JSON")
    return text


def _is_deeper(value: object, levels: int) -> bool:
    if not isinstance(value, Mapping | list | tuple):
        return False
    inner = value.values() if isinstance(value, Mapping) else value
    return not levels or any(_is_deeper(each, levels - 1) for each in inner)


def _store(connection: sqlite3.Connection, texts: Mapping[int, str]) -> None:
    connection.executemany(
        "UPDATE contents SET user_metadata = ? WHERE id = ?",
        [(text, content_id) for content_id, text in texts.items()],
    )
