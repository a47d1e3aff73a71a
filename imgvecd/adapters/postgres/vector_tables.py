"""What is known of the tables of vectors, one a model; asked anew every few seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from imgvecd.adapters.postgres.connections import Connection
from imgvecd.adapters.postgres.short_vectors import ShortForm

_UNMEASURED = 500
_REMEMBERED_S = 10.0


@dataclass(frozen=True, slots=True)
class VectorTable:
    """The table of one model's vectors, and its index.

    Attributes:
        version: of the index; 0 while there is none.
        short: what is indexed; None while nothing is.
        candidates: of the index that are ranked by whole vectors, as measured.
        candidates_filtered: the same where a filter lets a part of the images pass.
    """

    number: int
    dim: int
    version: int = 0
    short: ShortForm | None = None
    candidates: int = _UNMEASURED
    candidates_filtered: int = _UNMEASURED

    @property
    def name(self) -> str:
        """The table's name."""
        return f"imgvecd.vectors_{self.number:d}"

    @property
    def short_name(self) -> str:
        """The name of the table with the short forms."""
        return f"imgvecd.short_{self.number:d}_{self.version:d}"


class VectorTables:
    """Looks tables up by the fingerprint of their model. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, VectorTable]] = {}

    def find(self, connection: Connection, fingerprint: str) -> VectorTable | None:
        """Return the table of a model; None if nobody has published its vectors."""
        now = time.monotonic()
        at, table = self._known.get(fingerprint, (-_REMEMBERED_S, None))
        if table is not None and now < at + _REMEMBERED_S:
            return table
        row = connection.execute(
            "SELECT number, dim, coalesce(version, 0), candidates, candidates_filtered"
            " FROM imgvecd.models WHERE fingerprint = %s",
            (fingerprint,),
        ).fetchone()
        if row is None:
            return None
        number, dim, version, candidates, filtered = row
        short = table.short if table is not None and table.version == version else None
        if version and short is None:
            version, short = _short_form(connection, number)
        table = VectorTable(
            number, dim, version, short, candidates or _UNMEASURED, filtered or _UNMEASURED
        )
        self._known[fingerprint] = now, table
        return table

    def forget(self, fingerprint: str) -> None:
        """Ask anew the next time."""
        self._known.pop(fingerprint, None)


def _short_form(connection: Connection, number: int) -> tuple[int, ShortForm]:
    """Return (version of the index, what it is of)."""
    ((version, mean, axes, query_axes, reach),) = connection.execute(
        "SELECT version, mean, axes, query_axes, reach FROM imgvecd.models WHERE number = %s",
        (number,),
        binary=True,
    ).fetchall()
    of_vectors, of_queries = (
        np.stack([axis.to_numpy() for axis in some]).astype(np.float32)
        for some in (axes, query_axes or axes)
    )
    return version, ShortForm(mean.to_numpy().astype(np.float32), of_vectors, of_queries, reach)
