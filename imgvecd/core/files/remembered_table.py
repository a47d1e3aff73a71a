"""A small table in a JSON file: what was learnt and may be lost, the latest few entries of it."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import Generic, TypeVar

import msgspec

from imgvecd.core.files.durable import DurableFile, read_whole
from imgvecd.json_bounds import UNDECODABLE

logger = logging.getLogger(__name__)

Row = TypeVar("Row")


class RememberedTable(Generic[Row]):
    """Rows by name. What cannot be read was never known, and what cannot be written is not kept.

    Args:
        path: of the file; empty keeps nothing.
        row: type of the rows, as msgspec reads it; a file with others is not believed.
        most: rows that are kept, those written last.
    """

    def __init__(self, path: str, row: type[Row], most: int) -> None:
        self._path = path
        self._decoder = msgspec.json.Decoder(dict[str, row])  # type: ignore[valid-type]
        self._most = most

    def get(self, name: str) -> Row | None:
        """Return a row, if there is one."""
        return self._rows().get(name)

    def put(self, name: str, row: Row) -> None:
        """Keep a row, in the place of the one of the same name."""
        if not self._path:
            return
        others = [(other, kept) for other, kept in self._rows().items() if other != name]
        try:
            with DurableFile(self._path, parsed=True) as file:
                file.write(msgspec.json.encode(dict([*others[1 - self._most :], (name, row)])))
        except (OSError, UnicodeEncodeError) as error:  # a name may hold bytes that are no UTF-8
            logger.debug("%s is not kept: %s", os.path.basename(self._path), error)

    def _rows(self) -> dict[str, Row]:
        if self._path:
            with contextlib.suppress(OSError, *UNDECODABLE):
                return self._decoder.decode(read_whole(self._path))
        return {}
