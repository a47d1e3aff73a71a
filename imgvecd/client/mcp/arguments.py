"""What each tool takes: the schemas that a model reads, and what its calls are checked against."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from imgvecd import api

MOST_PICTURES = 8


def _said(description: str, **bounds: Any) -> msgspec.Meta:  # noqa: ANN401  # of `Meta`
    return msgspec.Meta(description=description, **bounds)


Id = Annotated[api.Id, _said("Id of a photo, as search_photos gives it")]
Few = Annotated[int, _said("How many at most", ge=1, le=100)]
When = Annotated[
    str,
    _said('When: "2023", "2023-05", "summer 2023", "2022-12..2023-02", "3months"', max_length=200),
]
Folder = Annotated[
    str, _said("Only photos in this folder: absolute, or relative to a root", max_length=4096)
]


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """None, and the base of all."""


class SearchArguments(Arguments, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of `search_photos`."""

    query: Annotated[
        str, _said("What the photos show, in plain words", min_length=1, max_length=2000)
    ]
    limit: Few = 20
    folder: Folder | None = None
    taken: When | None = None
    place: (
        Annotated[str, _said("Town, region or country, in any language", max_length=200)] | None
    ) = None
    camera: Annotated[str, _said("Part of the camera's name", max_length=200)] | None = None
    tags: Annotated[
        tuple[api.Tag, ...], _said("Photos that have every one of these tags", max_length=20)
    ] = ()
    min_rating: api.Rating | None = None
    sure_only: Annotated[bool, _said("Leave out weaker hits, which may be meant or not")] = False
    order: Literal["score", "newest", "oldest"] = "score"
    cursor: Annotated[api.CursorText, _said("next_cursor of the answer before")] | None = None


class LookArguments(Arguments, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of `look`."""

    ids: Annotated[tuple[Id, ...], _said("Photos to see", min_length=1, max_length=MOST_PICTURES)]
    size: Annotated[Literal[256, 512, 1024], _said("Longest side in pixels")] = 512


class DetailsArguments(Arguments, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of `details`."""

    id: Id


class SimilarArguments(Arguments, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of `similar`."""

    id: Id
    limit: Few = 20


class FindDuplicatesArguments(Arguments, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of `find_duplicates`."""

    kinds: Annotated[
        tuple[api.DuplicateKind, ...],
        _said("Only groups of these kinds; all if empty", max_length=10),
    ] = ()
    limit: Annotated[int, _said("How many groups at most", ge=1, le=100)] = 20


class LibraryArguments(Arguments, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of `library`."""

    most: Annotated[
        int, _said("How many cameras, tags, people, folders, places and months each", ge=1, le=100)
    ] = 20


class TagArguments(Arguments, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of `tag`."""

    ids: Annotated[tuple[Id, ...], _said("Photos", min_length=1, max_length=100)]
    add: Annotated[tuple[api.Tag, ...], _said("Tags to add", max_length=20)] = ()
    remove: Annotated[tuple[api.Tag, ...], _said("Tags to remove", max_length=20)] = ()


class SetArguments(Arguments, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of `set`."""

    id: Id
    values: Annotated[
        dict[str, Any],
        _said(
            'Such as {"rating": 5, "note": "…"}; null takes a value away',
            min_length=1,
            max_length=20,
        ),
    ]


def schema(shape: type[Arguments]) -> dict[str, Any]:
    """Return the JSON Schema of a tool's arguments, an object at its root as MCP wants it."""
    (_,), parts = msgspec.json.schema_components([shape], ref_template="#/$defs/{name}")
    root = parts.pop(shape.__name__)
    root = {name: value for name, value in root.items() if name not in ("title", "description")}
    return {**root, "$defs": parts} if parts else root
