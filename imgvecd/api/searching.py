"""Searches, saved searches, labels, and their answers."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from imgvecd import globs
from imgvecd.api.fields import (
    MOST_HITS_AT_ONCE,
    AfterId,
    AtLeast,
    Band,
    CursorText,
    Id,
    LabelText,
    Latitude,
    Limit,
    Longitude,
    Matched,
    Path,
    Rating,
    Score,
    Share,
    Text,
    Top,
    Weight,
    Word,
    Words,
)
from imgvecd.api.images import Companion
from imgvecd.errors import BadRequestError
from imgvecd.validation_messages import validation_message


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

Months = Annotated[
    tuple[Annotated[int, msgspec.Meta(ge=1, le=12)], ...], msgspec.Meta(max_length=12)
]
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
        months: taken in one of these months, whatever the year: 1 to 12.
        camera, lens: part of the name, whatever its case.
        orientation: by width and height as displayed.
        near: latitude, longitude, kilometres.
        box: south, west, north, east, in degrees; west > east crosses the date line.
        place: town, region or country, in any language: "Hanoi", "Đà Nẵng, Vietnam"; with commas,
            all of them, with semicolons, any.
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
    months: Months = ()
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
        if self.box is not None and self.box[0] > self.box[2]:
            raise ValueError("`box`: south, west, north, east; its south lies north of its north")

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


_NO_TEXT = "a text of the query is not valid Unicode: it contains a lone surrogate"


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
        texts = (request.cursor, [term.text for term in request.all_terms()], request.filters)
        msgspec.json.encode(texts)
    except msgspec.ValidationError as error:
        raise BadRequestError(validation_message(error, SearchRequest)) from error
    except UnicodeEncodeError as error:
        raise BadRequestError(_NO_TEXT) from error
    except AttributeError as error:  # of a value that is neither JSON's nor has such fields
        raise BadRequestError(f"a field of the query is not valid: {error}") from error
    filters = request.filters
    if filters.folder is None:
        return request
    # here, since ~ is the home of who asks, and not the daemon's
    filters = msgspec.structs.replace(filters, folder=os.path.expanduser(filters.folder))
    return msgspec.structs.replace(request, filters=filters)


class Hit(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
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
        hash: of the content, BLAKE2b-256 in hexadecimal; with its beginning, a thumbnail's address
            never means another picture. None for images of another source.
        relevance: 0 to 1, comparable between queries; None while it cannot be told.
        band: by its relevance; None where that is.
        group, group_size: what it stands for, and how many relevant images that has.
        shares: of each term in the score, in the request's order, then of what the text says should
            not be shown; they add up to the score.
        matched: it is found by the "name" of a file or folder, or by "metadata" (title,
            description, keywords, people, camera, place, what the user says, and names with them),
            by the "text" in the picture (with them), or, where the query tells a place or a time
            and nothing else, by its "place" or its "date"; whatever it shows. Also of what bears a
            name among the words ("Ada on the beach").
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
    hash: str | None = None
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
        months: those that it means of any year, as `filters` take them.
        place_words: those that name a place; empty if none do.
        place: that place, as `filters` take it.
        near: latitude, longitude and kilometres, where the words say that it is near the place.
        without: what is said not to be meant. Images that bear such places and names are left
            out; what photos should not show is taken away as a term of its own.
        name_words: those that are names of people, tags, folders or cameras; empty if none are.
        names: whom or what these name. Images that bear all of them come first.
        corrected: words as they were typed, and what was looked for instead.
    """

    text: str
    words: str = ""
    taken: str | None = None
    taken_from: str | None = None
    taken_to: str | None = None
    months: tuple[int, ...] = ()
    place_words: str = ""
    place: str | None = None
    near: tuple[float, float, float] | None = None
    without: tuple[str, ...] = ()
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
        indexing: photos wait to be indexed, so more may be found soon: see `GET /v1/status`.
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
    indexing: bool = False
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


class Label(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A label, its cosine with an image, and its share among all labels (0 to 1)."""

    label: str
    score: float
    share: float


class Labelled(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An image and the labels that fit it best."""

    id: int
    path: Path
    labels: tuple[Label, ...]


class ClassifyResponse(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Labelled images; pass `next_after` as `after` for the next page."""

    images: tuple[Labelled, ...]
    next_after: int | None = None
