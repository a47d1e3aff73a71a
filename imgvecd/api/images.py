"""Stored images, and ways to browse them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from imgvecd.api.fields import Id, Tag


class Companion(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A file that belongs to an image by its name, in the same folder.

    Attributes:
        kind: "developed" is a picture made from a RAW file, "edited" one made from this picture.
        id: of the companion as an image, if it is one.
    """

    kind: Literal["sidecar", "video", "raw", "developed", "edited", "original"]
    path: str
    path_base64: str | None = None
    id: int | None = None


class ImageFile(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A file that bears an image."""

    path: str
    path_base64: str | None = None
    size_bytes: int
    modified_at: str
    offline: bool = False


class Image(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A stored image: `GET /v1/images/{id}`.

    Attributes:
        truncated: the file ends early; what there is of the picture is indexed.
        companions: files that belong to it.
        metadata: what the file says of itself, and its sidecars say of it.
        user_metadata: what the user says of it.
        place: where it was taken: "Portland, Oregon, United States".
        text: what is written in the picture, in lines, where text is read; empty if nothing is.
    """

    id: int
    hash: str
    files: tuple[ImageFile, ...]
    format: str | None = None
    width: int | None = None
    height: int | None = None
    taken_at: str | None = None
    truncated: bool = False
    indexed: bool = False
    failure: str | None = None
    companions: tuple[Companion, ...] = ()
    metadata: dict[str, str | int | float | bool | list[str] | None] = {}
    user_metadata: dict[str, Any] = {}
    place: str | None = None
    text: str | None = None


ListOrder = Literal["id", "newest", "oldest", "path"]

FacetKind = Literal["camera", "tag", "person", "folder", "place", "favorite"]


class ImageList(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`GET /v1/images`: one page.

    Attributes:
        next_after: by ascending id, pass it as `after` for the next page.
        next_cursor: in any other order, pass it as `cursor`.
    """

    images: tuple[Image, ...]
    next_after: int | None = None
    next_cursor: str | None = None


class LookupRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/images/lookup`: images by their ids."""

    ids: Annotated[tuple[Id, ...], msgspec.Meta(max_length=1000)]


class TimelineMonth(msgspec.Struct, frozen=True):
    """A month as "2023-05", as "2023" if no month is known, or "undated"; and its images."""

    month: str
    count: int


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/timeline`: how many images were taken when, newest first; undated ones last.

    Attributes:
        shapes: a byte an image, in this order: up to 128 it is 128 × width / height, above that
            256 − 128 × height / width. So much as is needed to lay all of them out.
    """

    clock: str
    total: int
    months: tuple[TimelineMonth, ...]
    shapes: bytes


class MonthImages(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/timeline/{month}`: the images of a month, in the timeline's order, in columns.

    Attributes:
        hashes: the beginning of each content's hash, for the address of its thumbnail.
        days: of the month; 0 where nothing is said.
    """

    clock: str
    ids: tuple[int, ...]
    hashes: tuple[str, ...]
    days: tuple[int, ...]


class Facet(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What images have in common, and how many have it; of a folder, the files right in it.

    Attributes:
        value_base64: of a folder whose name is not text.
    """

    value: str
    value_base64: str | None = None
    count: int


class Facets(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/facets`: the values that most images have."""

    kind: FacetKind
    values: tuple[Facet, ...]


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """Images that were taken near each other: their mean position, and one of them.

    Attributes:
        id, hash: of that one, and the beginning of its content's hash, for its thumbnail's address.
    """

    latitude: float
    longitude: float
    count: int
    id: int
    hash: str


class Clusters(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/positions`: those with most images first, 4,096 at the most.

    Attributes:
        cell_degrees: how wide and high the cells are whose images are told of together. They begin
            at 90° south and 180° west, whatever the box is, and each holds its mean position.
    """

    clusters: tuple[Cluster, ...]
    cell_degrees: float


class TagRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/tags`: tags to add to images, and to remove from them; case does not matter."""

    ids: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=1000)]
    add: Annotated[tuple[Tag, ...], msgspec.Meta(max_length=100)] = ()
    remove: Annotated[tuple[Tag, ...], msgspec.Meta(max_length=100)] = ()

    def __post_init__(self) -> None:
        """Raise ValueError, which msgspec reports, if there is nothing to add or remove."""
        if not (self.add or self.remove):
            raise ValueError("Expected at least one tag in add or remove")
