"""The shapes that travel over the socket: requests and answers of `/v1`, as msgspec structs.

The server validates against them, the clients read them, and the reference is made from them.

A path is text; where a name on disk is not UTF-8, `path` shows it with replacement characters and
`path_base64` carries the exact bytes. Requests take either.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec

from imgvecd import globs
from imgvecd.complaints import complaint
from imgvecd.errors import BadRequestError

MOST_HITS_AT_ONCE = 10_000
"""In the answer to a batch, which takes some kilobyte for each."""

Limit = Annotated[int, msgspec.Meta(ge=1, le=1000, description="How many hits at the most")]
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
Band = Literal["found", "weaker", "nearest"]
"""How sure a hit is: "found" was likely meant, "weaker" may have been, "nearest" is the rest."""

Matched = Literal["name", "metadata", "text", "date", "place"]
"""Why an image is found that is not by what it shows."""

MOST_COUNTED = 10_000
"""Hits of a band that are counted; more are told as so many."""

Weight = Annotated[float, msgspec.Meta(ge=-10, le=10, description="Negative: less like this")]


class Path(msgspec.Struct, frozen=True, omit_defaults=True):
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


class Term(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True
):
    """One part of a query: exactly one of `text`, `path`, `path_base64`, `id`, `data`, `url`.

    Attributes:
        path, path_base64: absolute path of an image file that the daemon can read.
        id: a stored image.
        data: an image file's bytes, base64 in JSON.
        url: of an image, fetched by the daemon if `server.fetch_urls` is set.
    """

    text: Text | None = None
    path: str | None = None
    path_base64: str | None = None
    id: Id | None = None
    data: bytes | None = None
    url: str | None = None
    weight: Weight = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError, which msgspec reports with the field, unless one part is set."""
        parts = (self.text, self.path, self.path_base64, self.id, self.data, self.url)
        if sum(part is not None for part in parts) != 1:
            raise ValueError("Expected exactly one of text, path, path_base64, id, data, url")
        if self.path is not None and not self.path.startswith("/"):
            raise ValueError("Expected an absolute path")
        if b"\0" in self.raw_path():
            raise ValueError("A path cannot contain NUL")

    def raw_path(self) -> bytes:
        """Return the exact bytes of the path; empty if the term is no path."""
        if self.path_base64 is None:
            return (self.path or "").encode()
        try:
            return base64.b64decode(self.path_base64, validate=True)
        except binascii.Error:
            raise ValueError("Expected base64 in path_base64") from None


_FILTER_LEVELS = 4
_MOST_FILTERS = 51  # each is a query of its own over the whole catalog


class Filters(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True
):
    """Which images a search may find; all that is set must hold.

    Attributes:
        path, path_base64: of a file, absolute: the image that it bears, if any.
        folder: absolute, or relative to a root; the images in it and below.
        glob: matched against absolute paths; `*` stays within a folder, `**` does not. Without a
            slash it is matched against names.
        root: path of a watched folder.
        taken: when: "2023", "2023-05", "summer 2023", "may 2023", "2022-12..2023-02", "3months".
        taken_from, taken_to: the same, of which the beginning and the end count.
        camera, lens: part of the name, whatever its case.
        orientation: by width and height as displayed.
        near: latitude, longitude, kilometres.
        box: south, west, north, east, in degrees; west > east crosses the date line.
        place: town, region or country, in any language: "Hanoi", "Đà Nẵng, Vietnam"; with commas,
            all of them.
        tags: every one of them, among the user's tags, the file's keywords and people's names.
        metadata: the user's own values, by key, whatever their case.
        min_rating: 0 to 5; the user's rating counts before the file's.
        favorite: marked as such, by the user or in an export; false: not.
        any_of: at least one of these holds, too.
        none_of: and none of these. Both go 3 levels deep, and 50 in all.
    """

    path: str | None = None
    path_base64: str | None = None
    folder: str | None = None
    glob: str | None = None
    root: str | None = None
    taken: str | None = None
    taken_from: str | None = None
    taken_to: str | None = None
    camera: Word | None = None
    lens: Word | None = None
    format: Words = ()
    orientation: Literal["landscape", "portrait", "square"] | None = None
    min_width: AtLeast | None = None
    min_height: AtLeast | None = None
    min_size_bytes: AtLeast | None = None
    near: tuple[Latitude, Longitude, Annotated[float, msgspec.Meta(gt=0)]] | None = None
    box: tuple[Latitude, Longitude, Latitude, Longitude] | None = None
    has_gps: bool | None = None
    place: Word | None = None
    tags: Words = ()
    metadata: Annotated[dict[Word, Word], msgspec.Meta(max_length=100)] = {}
    min_rating: Rating | None = None
    favorite: bool | None = None
    online: bool = False
    any_of: tuple[Filters, ...] = ()
    none_of: tuple[Filters, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError, which msgspec reports, for what cannot be, or is too much."""
        if self.levels() > _FILTER_LEVELS or self.count() > _MOST_FILTERS:
            raise ValueError(
                f"`any_of` and `none_of` go {_FILTER_LEVELS - 1} levels deep, and hold"
                f" {_MOST_FILTERS - 1} filters in all, at the most"
            )
        if b"\0" in self.raw_path():
            raise ValueError("A path cannot contain NUL")
        if self.glob is not None:
            globs.of_path(self.glob)

    def raw_path(self) -> bytes:
        """Return the exact bytes of the path; empty if there is none."""
        return Path(self.path or "", self.path_base64).raw()

    def levels(self) -> int:
        """Return how deep filters lie in each other; 1 without any within."""
        return 1 + max((each.levels() for each in (*self.any_of, *self.none_of)), default=0)

    def count(self) -> int:
        """Return how many filters these are, with those within."""
        return 1 + sum(each.count() for each in (*self.any_of, *self.none_of))


class SearchRequest(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True
):
    """`POST /v1/search`. `text` and `image` are short for a list of one term each.

    Attributes:
        min_band: the least sure hits that are wanted: "found" alone, or "weaker" ones after them,
            which is usual. Standing queries take "found" unless it is said.
        all: the "nearest" after them, too; otherwise the answer may be empty.
        min_relevance: no hits below it; without `min_band`, those above it whatever their band.
        order: within each band; any but "score" sorts the best 10,000 images.
        cursor: `next_cursor` of the page before, with the request otherwise unchanged.
        group: show each day, folder or burst once, by its best image.
        explain: tell each term's share in the score.
        names: find images whose names, metadata or text in the picture have all words of the
            text, too, where the request asks for one text and nothing else; and of names among
            them ("Ada on the beach") have those images first that bear them, as is `understood`.
        dates: take times in `text` for a filter ("beach July 2023", "last summer"), unless the
            filters tell a time; the answer says what was `understood`. What is in quotes stays.
        places: take a place in `text` for a filter ("beach in Portugal", "Đà Nẵng"), in the same
            way, if images were taken there.
        spelling: correct words of `text` that nobody knows ("moutain"), in the same way.
        everywhere: find images of other sources of the shared engine, too, up to 1,000; unless it
            is said, as `shared.answer` says.
        sources: names of the only sources that are searched, this one or others.
    """

    text: Text | None = None
    image: Term | None = None
    terms: Annotated[tuple[Term, ...], msgspec.Meta(max_length=100)] = ()
    limit: Limit = 20
    min_score: Score | None = None
    min_relevance: Share | None = None
    min_band: Literal["found", "weaker"] | None = None
    all: bool = False
    filters: Filters = Filters()
    order: Literal["score", "newest", "oldest", "path"] = "score"
    cursor: CursorText | None = None
    group: Literal["day", "folder", "near-duplicates"] | None = None
    explain: bool = False
    names: bool = True
    dates: bool = True
    places: bool = True
    spelling: bool = True
    everywhere: bool | None = None
    sources: Words = ()

    def __post_init__(self) -> None:
        """Raise ValueError unless there is something to look for."""
        if self.text is None and self.image is None and not self.terms:
            raise ValueError("Expected at least one of text, image, terms")

    def least_band(self) -> Band:
        """Return the least sure band that is asked for."""
        if self.all or (self.min_band is None and self.min_relevance is not None):
            return "nearest"
        return self.min_band or "weaker"

    def all_terms(self) -> tuple[Term, ...]:
        """Return every term, `text` and `image` first."""
        text = () if self.text is None else (Term(text=self.text),)
        image = () if self.image is None else (self.image,)
        return (*text, *image, *self.terms)


class Companion(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file that belongs to an image by its name, in the same folder.

    Attributes:
        kind: "developed" is a picture made from a RAW file, "edited" one made from this picture.
        id: of the companion as an image, if it is one.
    """

    kind: Literal["sidecar", "video", "raw", "developed", "edited", "original"]
    path: str
    path_base64: str | None = None
    id: int | None = None


def search_request(query: str | SearchRequest | None, fields: Mapping[str, Any]) -> SearchRequest:
    """Return the request for a text or a request, with further fields of `SearchRequest`.

    Raises:
        BadRequestError: a field that there is not, or that makes no sense.
    """
    given: Mapping[str, Any] = {"text": query}
    if isinstance(query, SearchRequest):
        given = msgspec.structs.asdict(query)
    try:
        request = msgspec.convert({**given, **fields}, SearchRequest, from_attributes=True)
    except msgspec.ValidationError as error:
        raise BadRequestError(complaint(error, SearchRequest)) from error
    filters = request.filters
    if filters.folder is None:
        return request
    # here, since ~ is the home of who asks, and not the daemon's
    filters = msgspec.structs.replace(filters, folder=os.path.expanduser(filters.folder))
    return msgspec.structs.replace(request, filters=filters)


class Hit(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One image found.

    Attributes:
        id: of the image's content; kept through renames, moves and copies.
        score: cosine of the angle between query and image, -1 to 1.
        path: of one file that bears the image, an online one if there is one.
        other_paths: further files with the same bytes.
        companions: files that belong to it. RAW and JPEG of one shot are one hit, by the JPEG.
        offline: none of the files is reachable at the moment.
        taken_at: local time as the camera wrote it, ISO 8601 as precise as is known: "1950",
            "1950-07", "2023-05-17", "2023-05-17T18:30:11.25+02:00".
        relevance: 0 to 1, comparable between queries; None while it cannot be told.
        band: by its relevance; None where that is.
        group, group_size: what it stands for, and how many relevant images that has.
        shares: of each term in the score, in the request's order; they add up to the score.
        matched: it is found by the "name" of a file or folder, or by "metadata" (title,
            description, keywords, people, camera, place, what the user says, and names with them),
            by the "text" in the picture (with them), or, where the query tells a place or a time
            and nothing else, by its "place" or its "date"; whatever it shows.
        source: of the shared engine that has the image; None for this library. `id` is none of this
            library then, and `path` is no path here: "nas:/photos/a.jpg", or "nas:#17" by the id
            there, where that source does not publish paths.
        also_in: other sources that have the same bytes.
    """

    id: int
    score: float
    path: str
    path_base64: str | None = None
    other_paths: tuple[Path, ...] = ()
    companions: tuple[Companion, ...] = ()
    offline: bool = False
    format: str | None = None
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None
    taken_at: str | None = None
    relevance: float | None = None
    band: Band | None = None
    group: str | None = None
    group_size: int | None = None
    shares: tuple[float, ...] | None = None
    matched: Matched | None = None
    source: str | None = None
    also_in: tuple[str, ...] = ()


class Understood(msgspec.Struct, frozen=True, kw_only=True):
    """What the words of a query say besides what photos show.

    Attributes:
        text: what is looked for; empty if the words tell a time or a place and nothing else.
        words: those that tell a time; empty if none do.
        taken: that time, as `filters` take it.
        taken_from, taken_to: its first day and its last; None where it has no end.
        place_words: those that name a place; empty if none do.
        place: that place, as `filters` take it.
        name_words: those that are names of people, tags, folders or cameras; empty if none are.
        names: whom or what these name. Images that bear all of them come first.
        corrected: words as they were typed, and what was looked for instead.
    """

    text: str
    words: str = ""
    taken: str | None = None
    taken_from: str | None = None
    taken_to: str | None = None
    place_words: str = ""
    place: str | None = None
    name_words: str = ""
    names: tuple[str, ...] = ()
    corrected: dict[str, str] = {}


class SearchResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Hits, "found" ones before "weaker" ones, and what they were drawn from.

    Attributes:
        found, weaker: how many images there are in these bands on all pages together, whether
            `min_band` asks for them or not; 10,000 stands for that or more. Where more than
            100,000 are searched, those beyond a page are estimated.
        searched: images that could have been found: those that the filters allow.
        nearest: the first of `nearest_hits`.
        nearest_hits: the three that came nearest, where nothing is found.
        notes: what a person should know about the answer, such as that the end of a text that is
            too long for the model was not looked at.
        understood: which words of the text were taken for a time or a place, or corrected; None
            if none were.
        next_cursor: asks for the next page; None on the last one.
    """

    hits: tuple[Hit, ...]
    searched: int
    clock: str
    took_ms: float
    model: str
    found: int = 0
    weaker: int = 0
    nearest: Hit | None = None
    nearest_hits: tuple[Hit, ...] = ()
    notes: tuple[str, ...] = ()
    understood: Understood | None = None
    next_cursor: str | None = None


class SearchBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/search/batch`: many searches, whose texts are encoded together.

    Attributes:
        searches: their limits are 10,000 hits at most, added up.
    """

    searches: Annotated[tuple[SearchRequest, ...], msgspec.Meta(min_length=1, max_length=256)]

    def __post_init__(self) -> None:
        """Raise ValueError for an answer that would take the daemon's memory and time."""
        total = sum(search.limit for search in self.searches)
        if total > MOST_HITS_AT_ONCE:
            raise ValueError(
                f"Expected `limit`s of {MOST_HITS_AT_ONCE:,} at most in all, got {total:,}"
            )


class SearchBatchResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One answer for each search, in order."""

    answers: tuple[SearchResponse, ...]


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A new image that matches a standing query; `since` asks for what comes after it."""

    hit: Hit
    since: str


class SavedSearch(msgspec.Struct, frozen=True, kw_only=True):
    """A search with a name."""

    name: str
    search: SearchRequest


class SavedSearches(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/saved`: by name."""

    saved: tuple[SavedSearch, ...]


class ClassifyRequest(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True
):
    """`POST /v1/classify`: which of some labels fit which images.

    Attributes:
        ids: images to label; empty takes all that the filters allow, by ascending id.
        after: only ids above it.
        template: text that a label is put into, at `{}`.
        top: labels for each image, at the most.
        min_share: labels below it are left out. Unless it is said, 0.5 where tags are written
            (what fits better than all others together), else 0.
        write_tags: add the labels to the images' tags.
    """

    labels: Annotated[tuple[LabelText, ...], msgspec.Meta(min_length=1, max_length=1000)]
    ids: Annotated[tuple[Id, ...], msgspec.Meta(max_length=1000)] = ()
    filters: Filters = Filters()
    after: AfterId = -1
    limit: Limit = 1000
    template: Annotated[str, msgspec.Meta(pattern=r"\{\}")] = "a photo of {}"
    top: Top = 3
    min_share: Share | None = None
    write_tags: bool = False

    def least_share(self) -> float:
        """Return `min_share`, or what it is if nothing was said."""
        if self.min_share is None:
            return 0.5 if self.write_tags else 0.0
        return self.min_share


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """A label, its cosine with an image, and its share among all labels (0 to 1)."""

    label: str
    score: float
    share: float


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """An image and the labels that fit it best."""

    id: int
    path: Path
    labels: tuple[Label, ...]


class ClassifyResponse(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Labelled images; pass `next_after` as `after` for the next page."""

    images: tuple[Labelled, ...]
    next_after: int | None = None


class ImageFile(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file that bears an image."""

    path: str
    path_base64: str | None = None
    size_bytes: int
    modified_at: str
    offline: bool = False


class Image(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
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
    """Images that were taken near each other: their mean position, and the id of one."""

    latitude: float
    longitude: float
    count: int
    id: int


class Clusters(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/positions`: those with most images first, 4,096 at the most.

    Attributes:
        cell_degrees: how wide and high the cells are whose images are told of together. They begin
            at 90° south and 180° west, whatever the box is, and each holds its mean position.
    """

    clusters: tuple[Cluster, ...]
    cell_degrees: float


Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class TagRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/tags`: tags to add to images, and to remove from them; case does not matter."""

    ids: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=1000)]
    add: Annotated[tuple[Tag, ...], msgspec.Meta(max_length=100)] = ()
    remove: Annotated[tuple[Tag, ...], msgspec.Meta(max_length=100)] = ()

    def __post_init__(self) -> None:
        """Raise ValueError, which msgspec reports, if there is nothing to add or remove."""
        if not (self.add or self.remove):
            raise ValueError("Expected at least one tag in add or remove")


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The model that answers queries.

    Attributes:
        loaded: a worker holds it in memory now.
        runs_on: runtime, device and number format that images are encoded with; empty until known.
        images_per_step: how many are encoded at once; 0 until that was learnt.
        ms_per_image: that one takes in such a step.
        runtime_note: why this runtime, with what was measured; None until that was found out.
        note: why this model, where the configuration left the choice open.
    """

    name: str
    pretrained: str
    fingerprint: str = ""
    dim: int = 0
    loaded: bool = False
    runs_on: str = ""
    images_per_step: int = 0
    ms_per_image: float = 0.0
    runtime_note: str | None = None
    note: str | None = None
    error: str | None = None


class EncodeServerStatus(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A server that encodes images for this daemon, with one model.

    Attributes:
        state: "untried", "ready", "unreachable" (off, asleep, or the network is), "refused" (one
            of both does not take the other, until a person changes something) or "failing" (it
            answers, and its model does not work).
        reason: why it is not ready.
        since: when this state began.
        next_try_s: in how many seconds it is tried again, if images wait for it then.
        encoded: images, since the daemon started.
        ms_per_image: that one takes, the network included; 0 until known.
        images_per_request: how many are sent at once.
        runs_on: what the model runs on there.
    """

    url: str
    model: str
    state: str
    reason: str | None = None
    since: str | None = None
    next_try_s: float | None = None
    encoded: int = 0
    rate_per_s: float = 0.0
    ms_per_image: float = 0.0
    images_per_request: int = 0
    runs_on: str = ""


class MoveStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The model that shall answer queries once it knows every image.

    Attributes:
        indexed, pending: files, as that model sees them; 0 until it is loaded.
        loading: how fetching and loading it goes on, as it tells; else empty.
        stopped: by a person; `POST /v1/move/resume` goes on.
        to_fetch_mb: size of a download that waits for a person's yes, which
            `POST /v1/move/resume` is; 0 while none does.
        error: why it does not come on, or None; next_try_at: when that is tried again.
    """

    name: str
    pretrained: str
    indexed: int = 0
    pending: int = 0
    rate_per_s: float = 0.0
    loading: str = ""
    stopped: bool = False
    to_fetch_mb: int = 0
    error: str | None = None
    next_try_at: str | None = None


class RootStatus(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A watched folder.

    Attributes:
        watching: "events", "poll", "mixed" or "none".
        warning: what limits the watching, and the way out.
    """

    path: str
    path_base64: str | None = None
    online: bool = True
    offline_since: str | None = None
    offline_reason: str | None = None
    files: int = 0
    watching: str = "none"
    warning: str | None = None


class FileCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Files: seen = indexed + pending + failed."""

    seen: int = 0
    indexed: int = 0
    pending: int = 0
    failed: int = 0


class IndexStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The index that answers queries."""

    kind: str = "flat"
    vectors: int = 0
    delta: int = 0
    removed: int = 0
    generation: int = 0
    clock: int = 0
    checkpoint_clock: int | None = None
    checkpoint_at: str | None = None
    rebuilding: bool = False


PauseCause = Literal["request", "quiet_hours", "battery", "load"]


class Pause(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why indexing rests.

    Attributes:
        reason: for a person, to be read after "paused: ".
        until: when it ends by itself, where that is known.
    """

    cause: PauseCause
    reason: str
    until: str | None = None


class ForgetRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/forget`: forget what is of no use any more.

    Attributes:
        older_than_s: pictures that are gone, and texts that were not asked, for so long; None: for
            as long as `catalog.keep_days` says.
    """

    older_than_s: Annotated[float, msgspec.Meta(ge=0, le=10**10)] | None = None


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `POST /v1/forget`: how many query texts and pictures were forgotten."""

    texts: int
    images: int


class PauseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/pause`: have indexing rest, for a while or until it is resumed."""

    for_s: PauseSeconds | None = None


class ResumeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/resume`: end a pause that was asked for.

    Attributes:
        force: go on although another cause holds, until that cause ends.
    """

    force: bool = False


class Pausing(msgspec.Struct, frozen=True, kw_only=True):
    """Whether indexing rests now."""

    pause: Pause | None


class SharedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is shared with other libraries.

    Attributes:
        source: what this library is called.
        engine: kind and place.
        waiting: images that the engine does not have as they are here.
        vectors_taken: images not encoded since the start, since another source had.
        error: why publishing does not go on; None when all is well.
    """

    source: str
    engine: str
    waiting: int = 0
    vectors_taken: int = 0
    error: str | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/status`: what the daemon is doing.

    Attributes:
        state: "starting", "scanning", "indexing", "paused" (with work left), "idle" or "stopping".
        pause: why indexing rests, whether or not there is work.
        rate_per_s: images encoded per second over the last half minute; eta_s follows from it.
        encoded: images encoded since the daemon started.
        rereading: images whose metadata another version has read, and which are read again while
            nothing else waits.
        encode_servers: other machines that encode for this one; `encode.remote` names them.
        sandbox: what keeps a decoder that bad bytes have taken over from doing anything else:
            "limits", "no_new_privs", "landlock", "seccomp"; empty before the first has started.
        encoder_sandbox: likewise, of the processes that the model runs in.
        texts_waiting: pictures whose text is still to be read, while nothing else waits.
        recogniser_sandbox: likewise, of the process that reads text.
        shared: None unless `shared.url` is set.
    """

    version: str
    pid: int
    started_at: str
    state: str
    clock: str
    model: ModelStatus
    move: MoveStatus | None = None
    pause: Pause | None = None
    roots: tuple[RootStatus, ...]
    files: FileCounts
    index: IndexStatus
    encoded: int = 0
    rate_per_s: float = 0.0
    eta_s: float | None = None
    rereading: int = 0
    encode_servers: tuple[EncodeServerStatus, ...] = ()
    sandbox: tuple[str, ...] = ()
    encoder_sandbox: tuple[str, ...] = ()
    texts_waiting: int = 0
    recogniser_sandbox: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    shared: SharedStatus | None = None


class Progress(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How far indexing is; the fields are those of `Status`."""

    state: str
    pause: Pause | None = None
    files: FileCounts
    encoded: int
    rate_per_s: float
    eta_s: float | None = None


class ModelEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The model that answers, and the one that shall, after a change of either."""

    model: ModelStatus
    move: MoveStatus | None = None


class Event(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`GET /v1/events`: exactly one of these, after its `id`, has happened.

    Attributes:
        id: names the event; as `Last-Event-ID` it asks for what came after it.
        status: the whole state: where a listener begins, or has missed too much.
        progress: at most once a second.
        root: came online, went offline, or is watched otherwise.
        model: was loaded, was put away, is being moved to.
        checkpoint: the index was written to disk.
        clock: what happened to files up to it can be found; `GET /v1/changes` says what that is.
    """

    id: str
    status: Status | None = None
    progress: Progress | None = None
    root: RootStatus | None = None
    model: ModelEvent | None = None
    checkpoint: IndexStatus | None = None
    clock: str | None = None

    @property
    def kind(self) -> str:
        """Name of the part that is set."""
        kinds = ("status", "progress", "root", "model", "checkpoint")
        return next((kind for kind in kinds if getattr(self, kind) is not None), "clock")


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/stats`: what the library holds."""

    images: int
    files: int
    size_bytes: int
    embeddings: int
    failures: int
    formats: dict[str, int]
    oldest_taken_at: str | None
    newest_taken_at: str | None
    catalog_bytes: int
    index_bytes: int


class Health(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`GET /v1/health`: "ok", or "degraded" with reasons."""

    status: str
    reasons: tuple[str, ...] = ()


class RescanRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/rescan`: everything, or one folder at or below a root.

    Naming a root, or a folder on which something was mounted, takes it as it is now: what was kept
    because it was absent is let go.

    Attributes:
        path_base64: instead of `path`, for names that are no text.
    """

    path: str | None = None
    path_base64: str | None = None
    wait: bool = False

    @classmethod
    def of(cls, folder: str | os.PathLike[str] | None) -> RescanRequest:
        """Return the request for a folder of this process's view, or for everything."""
        if folder is None:
            return cls()
        named = Path.of(os.fsencode(os.path.abspath(folder)))
        return cls(path=named.path, path_base64=named.path_base64)

    def __post_init__(self) -> None:
        """Raise ValueError, which msgspec reports, for a path that cannot be one."""
        if b"\0" in Path(self.path or "", self.path_base64).raw():
            raise ValueError("A path cannot contain NUL")


class Empty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request that needs none."""


class SyncRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/sync`: wait until all that is on disk now is searchable or recorded as failed."""

    timeout_s: WaitSeconds = 30.0


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file that cannot be searched.

    Attributes:
        reason: stable name, such as "damaged", "timeout", "too_large", "unreadable".
        message: for a person.
    """

    path: str
    path_base64: str | None = None
    size_bytes: int
    reason: str
    message: str


class FailureList(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`GET /v1/failures`: one page; pass `next_after` as `after` for the next."""

    failures: tuple[Failure, ...]
    next_after: int | None = None


class Change(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Something that happened to a file.

    Attributes:
        kind: "added", "changed" (other bytes), "moved" or "removed".
        id: of the image that the file bears, or bore.
        old_path: where a moved file was.
        at: number of the clock at which it happened; 0 in a full state.
    """

    kind: str
    id: int
    path: str
    path_base64: str | None = None
    old_path: Path | None = None
    at: int = 0


class Changes(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`GET /v1/changes`: pass `clock` as `since` to go on from here.

    Attributes:
        fresh_instance: the clock given was unknown or too old: forget everything, `changes` is the
            state, every file as if just added.
        more: there are more to fetch at once.
    """

    changes: tuple[Change, ...]
    clock: str
    fresh_instance: bool = False
    more: bool = False


class Divergence(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file that is not searchable although it is there, or the other way round.

    Attributes:
        kind: "not_in_catalog", "not_on_disk", "changed", "pending", "not_in_index" or "unlisted" (a
            folder that cannot be read, and never was); or, where nothing is amiss, "failed",
            "unreadable" (its folder; what was known is kept), "covered" (by a file system that is
            not mounted at the moment), "left_out" (by a rule, which is the reason).
        reason: for a person.
    """

    kind: str
    path: str
    path_base64: str | None = None
    reason: str


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/doctor`: disk, catalog and index, compared file by file.

    Attributes:
        healthy: nothing diverges; what has its reason is no divergence.
        counts: "on_disk", "in_catalog", "searchable", "companions" (files that belong to images),
            "offline", "stray_in_index", and one number for each kind of finding.
        findings: up to 10,000 of them.
    """

    healthy: bool
    counts: dict[str, int]
    findings: tuple[Divergence, ...]


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


DuplicateKind = Literal[
    "same_bytes", "same_pixels", "reencoded", "transformed", "edited", "burst", "similar"
]
"""From the surest to the loosest; "reencoded" is also resized, "transformed" is turned by a quarter
or more, "edited" is cropped, mirrored, or changed in colour, tone, sharpness or parts."""

SURE_KINDS: tuple[DuplicateKind, ...] = ("same_bytes", "same_pixels", "reencoded")
"""What is the same picture; the others are in a plan only where somebody asks for them."""

KeeperRule = Literal["folder", "resolution", "quality", "metadata", "format", "age"]
"""What the file of a group that is kept may be chosen by."""

KEEPER_RULES: tuple[KeeperRule, ...] = get_args(KeeperRule)
"""All of them, the most important first where nobody says otherwise."""


class DuplicatesRequest(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True
):
    """`POST /v1/duplicates`: what counts, and which file of a group to keep.

    Attributes:
        kinds: all of them if empty.
        min_similarity: of "similar": cosine of the embeddings.
        burst_s: of "burst": longest time between two shots.
        rules: by which a keeper is chosen, the most important first; None takes the
            configuration's.
        prefer: folders to keep files in, the best first; the configuration's if empty.
        protect: folders whose files are always kept, as are those of the configuration's.
        limit: groups a page; all of them if null.
        cursor: `next_cursor` of the page before, with the request otherwise unchanged.
    """

    kinds: tuple[DuplicateKind, ...] = ()
    min_similarity: Share = 0.95
    burst_s: BurstSeconds = 10
    rules: tuple[KeeperRule, ...] | None = None
    prefer: Folders = ()
    protect: Folders = ()
    limit: GroupsPerPage | None = None
    cursor: CursorText | None = None


class DuplicateFile(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One file of a group.

    Attributes:
        kind: how it relates to the group's keeper.
        similarity: cosine of its embedding to the keeper's.
        keep: stays, since it is the keeper or protected.
        quality: about how well it was saved, 1 to 100; null where nothing tells, or needs to.
        why: what speaks for or against it, for people.
    """

    id: int
    hash: str
    path: str
    path_base64: str | None = None
    offline: bool = False
    size_bytes: int
    modified_at: str
    format: str | None = None
    width: int | None = None
    height: int | None = None
    taken_at: str | None = None
    kind: DuplicateKind
    similarity: float
    keep: bool = False
    protected: bool = False
    quality: int | None = None
    why: str = ""


class DuplicateGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Files that are the same picture, or nearly; the keeper comes first.

    Attributes:
        kind: the loosest that joins them.
    """

    kind: DuplicateKind
    files: tuple[DuplicateFile, ...]


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that could not be compared, and why."""

    path: str
    why: str


class Duplicates(msgspec.Struct, frozen=True, kw_only=True):
    """Groups, the surest first.

    Attributes:
        images: in the library.
        compared: of these, pictures that could be compared by now; ask again for the others.
        missing: the others, 100 of them at most.
        waiting: files that are not indexed yet: `POST /v1/sync` waits for them.
        protect: folders, absolute, whose files were always kept.
        groups_in_all: on every page together.
        next_cursor: asks for the next page; null on the last one.
    """

    groups: tuple[DuplicateGroup, ...]
    groups_in_all: int = 0
    next_cursor: str | None = None
    images: int
    compared: int
    missing: tuple[Missing, ...] = ()
    waiting: int = 0
    protect: tuple[str, ...] = ()
    took_ms: float


class DuplicateMatches(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/duplicates/check`: files of the library that are the given picture."""

    matches: tuple[DuplicateFile, ...]


class DedupPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/duplicates/plan`: which files could go to the trash; nothing moves.

    Attributes:
        files: on lines that begin with "trash".
        size_bytes: of these.
        text: the plan, a line for each file, as `imgvecd dedup plan` writes it; may be edited.
    """

    name: str
    files: int
    size_bytes: int
    text: str


class DedupApplyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/duplicates/apply`: a plan's text, with lines left out or changed to "keep"."""

    plan: str


class DedupUndoRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/duplicates/undo`: a plan by its name; the last one that moved files if null."""

    name: str | None = None


class FileLeft(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file that was not moved, and why."""

    path: str
    path_base64: str | None = None
    why: str


class DedupDone(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a plan's files.

    Attributes:
        files: that were moved, to the trash or back.
        size_bytes: of these.
        gone: files that were not there any more.
        left: files that stay where they are.
    """

    name: str
    files: int
    size_bytes: int
    gone: int
    left: tuple[FileLeft, ...] = ()


class DuplicateDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/duplicates/decisions`: what a person decided about images, for good.

    Attributes:
        hashes: of the contents, each decided about with each other.
        decision: "undecided" takes an earlier one back.
    """

    hashes: Annotated[tuple[Hash, ...], msgspec.Meta(min_length=2, max_length=100)]
    decision: Literal["not_duplicates", "keep_both", "undecided"]
