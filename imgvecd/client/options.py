"""The further arguments that methods of the clients take, for type checkers and editors.

Their meaning is written with the struct of `imgvecd.api` of which they are fields; a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from imgvecd import api


class SearchOptions(TypedDict, total=False):
    """Fields of `api.SearchRequest` beside `text` and `image`."""

    terms: Sequence[api.Term | Mapping[str, Any]]
    limit: int
    min_score: float | None
    min_relevance: float | None
    min_band: Literal["found", "weaker"] | None
    all: bool
    filters: api.Filters | Mapping[str, Any]
    order: Literal["score", "newest", "oldest", "path"]
    cursor: str | None
    group: Literal["day", "folder", "near-duplicates"] | None
    explain: bool
    names: bool
    dates: bool
    places: bool
    spelling: bool
    everywhere: bool | None
    sources: Sequence[str]


class ClassifyOptions(TypedDict, total=False):
    """Fields of `api.ClassifyRequest` beside `labels`."""

    ids: Sequence[int]
    filters: api.Filters | Mapping[str, Any]
    after: int
    limit: int
    template: str
    top: int
    min_share: float | None
    write_tags: bool


class DuplicatesOptions(TypedDict, total=False):
    """Fields of `api.DuplicatesRequest`."""

    kinds: Sequence[api.DuplicateKind]
    min_similarity: float
    burst_s: float
    rules: Sequence[api.KeeperRule] | None
    prefer: Sequence[str]
    protect: Sequence[str]
    limit: int | None
    cursor: str | None
