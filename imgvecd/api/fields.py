"""Kinds of fields that requests and answers share, and small structs."""

from __future__ import annotations

import base64
from typing import Annotated, Literal

import msgspec

MOST_HITS_AT_ONCE = 10_000
"""In the answer to a batch, which takes some kilobyte for each."""

Limit = Annotated[int, msgspec.Meta(ge=1, le=1000, description="How many hits at most")]

Id = Annotated[int, msgspec.Meta(ge=0, le=2**40 - 1, description="Of a stored image")]

AtLeast = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

AfterId = Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1, description="Only ids above it")]

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

Score = Annotated[float, msgspec.Meta(ge=-1, le=1)]

Rating = Annotated[float, msgspec.Meta(ge=0, le=5)]

Top = Annotated[int, msgspec.Meta(ge=1, le=100)]

WaitSeconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]

GroupsPerPage = Annotated[int, msgspec.Meta(ge=1, le=10_000)]

BurstSeconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]

PauseSeconds = Annotated[float, msgspec.Meta(gt=0, le=366 * 86_400)]

Hash = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{2})+$")]

LabelText = Annotated[str, msgspec.Meta(pattern=r"\S")]

Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]

Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]

Text = Annotated[str, msgspec.Meta(max_length=100_000)]

Word = Annotated[str, msgspec.Meta(max_length=4096)]

Words = Annotated[tuple[Word, ...], msgspec.Meta(max_length=100)]

Folders = Annotated[tuple[Word, ...], msgspec.Meta(max_length=1000)]

CursorText = Annotated[str, msgspec.Meta(max_length=4096)]


def clock_text(instance: str, clock: int) -> str:
    """Return a clock of the catalog as it travels: "c:<instance>:<n>"."""
    return f"c:{instance}:{clock}"


Band = Literal["found", "weaker", "nearest"]
"""How sure a hit is: "found" was likely meant, "weaker" may have been, "nearest" is the rest."""

Matched = Literal["name", "metadata", "text", "date", "place"]
"""Why an image is found that is not by what it shows."""

MOST_OF_MONTH = 100_000
"""Images of a month in one answer."""

MOST_COUNTED = 10_000
"""Hits of a band that are counted; more are told as so many."""

Weight = Annotated[float, msgspec.Meta(ge=-10, le=10, description="Negative: less like this")]


class Path(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A path that survives JSON whatever its bytes."""

    path: str
    path_base64: str | None = None

    @classmethod
    def of(cls, raw: bytes) -> Path:
        """Return the path for `raw` bytes."""
        try:
            return cls(raw.decode())
        except UnicodeDecodeError:
            return cls(raw.decode(errors="replace"), base64.b64encode(raw).decode())

    def raw(self) -> bytes:
        """Return the exact bytes."""
        return base64.b64decode(self.path_base64) if self.path_base64 else self.path.encode()


Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Empty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request that needs none."""


class Done(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Answer of an action: what was done, and the clock it reached."""

    done: str
    clock: str
    bytes_written: int | None = None


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Every error, as problem details (RFC 9457) with our stable `code`.

    Attributes:
        type: `urn:imgvecd:problem:` and the code.
        title: the same for every problem of a type.
        instance: names this very problem; the daemon's log has it beside unexpected errors.
        reason: of code "unreadable_image": "damaged", "timeout", "unsupported" and the like.
    """

    code: str
    title: str
    status: int
    detail: str
    type: str = "about:blank"
    instance: str | None = None
    reason: str | None = None
