"""What is known of the tables of vectors, one a model; asked anew every few seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass

from imgvecd.adapters.postgres.connections import Connection

_UNMEASURED = 8  # lists of which one is looked through
_REMEMBERED_S = 10.0


@dataclass(frozen=True, slots=True)
class VectorTable:
    """The table of one model's vectors.

    Attributes:
        mean: as a text; None while there is no index.
        lists: of the index.
        probes: how many of them a search looks through, as measured.
        probes_filtered: the same where a filter lets a part of the images pass.
    """

    number: int
    dim: int
    mean: str | None
    lists: int
    probes: int
    probes_filtered: int

    @property
    def name(self) -> str:
        """The table's name."""
        return f"imgvecd.vectors_{self.number:d}"

    @property
    def centred(self) -> str:
        """The expression that is indexed."""
        return f"((v.vector - '{self.mean}'::halfvec({self.dim}))::halfvec({self.dim}))"


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
            "SELECT number, dim, mean, lists, probes, probes_filtered FROM imgvecd.models"
            " WHERE fingerprint = %s",
            (fingerprint,),
        ).fetchone()
        if row is None:
            return None
        number, dim, mean, lists, probes, filtered = row
        some = (lists or 0) // _UNMEASURED + 1
        table = VectorTable(number, dim, mean, lists or 0, probes or some, filtered or some)
        self._known[fingerprint] = now, table
        return table

    def forget(self, fingerprint: str) -> None:
        """Ask anew the next time."""
        self._known.pop(fingerprint, None)
