"""The flags of everything that searches, and the request that they make."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

import msgspec

from imgvecd import api
from imgvecd.client.flag_types import fitting
from imgvecd.client.query import read_image, terms_of
from imgvecd.errors import BadRequestError
from imgvecd.json_bounds import UNDECODABLE

LARGEST_PAGE = 1000
"""Hits that the daemon answers at once."""

_NEAR, _BOX = 3, 4  # numbers in `--near` and `--box`
_MOST_SHOWN = 200  # characters of what makes no sense


def add_query_flags(command: argparse.ArgumentParser) -> None:
    """Add what to look for."""
    command.add_argument(
        "text",
        nargs="*",
        help="what the photos show; +TERM adds, -TERM takes away, @FILE is an image, #ID a stored"
        ' one, "2:TERM" counts twice',
    )
    command.add_argument("--term", action="append", default=[], help=argparse.SUPPRESS)
    command.add_argument("--image", metavar="FILE", help="photos like this file; `-` for stdin")
    command.add_argument(
        "--id", type=fitting(api.Id), metavar="N", help="photos like this stored image"
    )
    add_feedback_flags(command)


def add_feedback_flags(command: argparse.ArgumentParser) -> None:
    """Add what hits were right and wrong."""
    for name, hits in (("more", "right"), ("less", "wrong")):
        command.add_argument(
            f"--{name}-like",
            type=fitting(api.Id),
            nargs="+",
            default=[],
            metavar="ID",
            help=f"{name} photos like these {hits} hits",
        )


def add_relevance_flags(command: argparse.ArgumentParser) -> None:
    """Add what counts as a hit."""
    command.add_argument(
        "--all", action="store_true", help="also show weaker matches, and then what comes nearest"
    )
    command.add_argument(
        "--min-relevance",
        type=fitting(api.Share),
        metavar="X",
        help="what counts as a match (0 to 1), instead of what is found",
    )
    command.add_argument(
        "--min-score",
        type=fitting(api.Score),
        metavar="X",
        help="no hits whose cosine is below X (-1 to 1)",
    )
    command.add_argument(
        "--no-names",
        dest="names",
        action="store_false",
        help="only what photos show: not the names of files and folders, nor their metadata",
    )
    command.add_argument(
        "--no-dates",
        dest="dates",
        action="store_false",
        help='treat "July 2023" and "last summer" as words like any other',
    )
    command.add_argument(
        "--no-places",
        dest="places",
        action="store_false",
        help='treat "in Portugal" and "Hanoi" as words like any other',
    )
    command.add_argument(
        "--no-spelling",
        dest="spelling",
        action="store_false",
        help="do not correct the spelling of words",
    )
    command.set_defaults(
        limit=20,
        order="score",
        group=None,
        cursor=None,
        explain=False,
        everywhere=None,
        source=(),
    )


def add_result_flags(command: argparse.ArgumentParser) -> None:
    """Add what counts as a hit, how many are shown, and in which order."""
    add_relevance_flags(command)
    add_limit_flag(command)
    command.add_argument(
        "--order",
        choices=("score", "newest", "oldest", "path"),
        default="score",
        help="what comes first (default: %(default)s, the best)",
    )
    command.add_argument(
        "--group", choices=("day", "folder", "near-duplicates"), help="show the best photo of each"
    )
    command.add_argument("--cursor", help="continue after a page: `next_cursor` of its --json")
    command.add_argument(
        "--explain", action="store_true", help="show how much each term counted for each hit"
    )
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--everywhere",
        action="store_true",
        default=None,
        help="also search the other libraries of the shared engine",
    )
    where.add_argument(
        "--here", dest="everywhere", action="store_false", help="only photos of this library"
    )
    command.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="NAME",
        help="only photos of this source of the shared engine (repeatable)",
    )


def add_limit_flag(command: argparse.ArgumentParser, default: int | None = 20) -> None:
    """Add how many hits are shown; without a default it says nothing of one."""
    said = "" if default is None else f" (default: {default})"
    command.add_argument(
        "-n", "--limit", type=_count, default=default, metavar="N", help=f"at most N{said}"
    )


def add_filter_flags(command: argparse.ArgumentParser, since: str = "") -> None:
    """Add which images may be found.

    Args:
        since: what `--since` says besides.
    """
    group = command.add_argument_group("filters")
    group.add_argument("--folder", metavar="DIR", help="in DIR or below")
    group.add_argument(
        "--glob", metavar="GLOB", help='names: "IMG_*.jpg", or whole paths: "**/2023/*.jpg"'
    )
    group.add_argument("--root", metavar="DIR", help="under this watched folder")
    group.add_argument(
        "--taken", metavar="WHEN", help='taken in "2023", "last summer", "2023-05-17"'
    )
    group.add_argument("--since", metavar="WHEN", help=f'taken since: "3months", "2023-05"{since}')
    group.add_argument("--until", metavar="WHEN", help="taken until the end of WHEN")
    group.add_argument(
        "--month",
        metavar="N",
        type=int,
        action="append",
        default=[],
        help="taken in this month of any year, 1 to 12 (repeatable)",
    )
    group.add_argument("--camera", metavar="NAME", help="part of the camera's name")
    group.add_argument("--lens", metavar="NAME", help="part of the lens's name")
    group.add_argument(
        "--format", action="append", default=[], help="jpeg, png, heif … (repeatable)"
    )
    group.add_argument(
        "--orientation", choices=("landscape", "portrait", "square"), help="as the photo is shown"
    )
    group.add_argument(
        "--min-width", type=fitting(api.AtLeast), metavar="PX", help="at least PX pixels wide"
    )
    group.add_argument(
        "--min-height", type=fitting(api.AtLeast), metavar="PX", help="at least PX pixels high"
    )
    group.add_argument(
        "--min-bytes", type=fitting(api.AtLeast), metavar="N", help="files of at least N bytes"
    )
    group.add_argument("--place", metavar="NAME", help="town, region or country, in any language")
    group.add_argument("--near", metavar="LAT,LON,KM", help="taken within KM of a place")
    group.add_argument("--box", metavar="S,W,N,E", help="taken within these degrees")
    gps = group.add_mutually_exclusive_group()
    gps.add_argument("--gps", action="store_true", default=None, help="with a position")
    gps.add_argument("--no-gps", dest="gps", action="store_false", help="without one")
    group.add_argument("--tag", action="append", default=[], help="with this tag (repeatable)")
    group.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="your own metadata KEY is VALUE",
    )
    group.add_argument(
        "--min-rating", type=fitting(api.Rating), metavar="N", help="rated N or more (0 to 5)"
    )
    favorite = group.add_mutually_exclusive_group()
    favorite.add_argument("--favorite", action="store_true", default=None, help="favorites")
    favorite.add_argument(
        "--no-favorite", dest="favorite", action="store_false", help="no favorites"
    )
    for name, help_ in (("any", "at least one of these must hold"), ("none", "this must not")):
        group.add_argument(
            f"--{name}-of",
            type=_filters,
            action="append",
            default=[],
            metavar="JSON",
            help=f'{help_} (repeatable): \'{{"tags": ["family"]}}\', fields as in the API',
        )
    group.add_argument("--online", action="store_true", help="only what is reachable now")


def request_of(options: argparse.Namespace) -> api.SearchRequest:
    """Return the request that the flags make.

    Raises:
        BadRequestError: there is nothing to look for, or a flag makes no sense.
    """
    if options.image is not None and options.id is not None:
        raise BadRequestError("Give either an image file or an id.")
    image = None
    if options.image is not None:
        image = api.Term(data=read_image(options.image))
    elif options.id is not None:
        image = api.Term(id=options.id)
    words, signed = getattr(options, "text", ()), getattr(options, "term", ())
    text, terms = terms_of(words, signed, options.more_like, options.less_like)
    filters = filters_of(options)
    try:
        return api.SearchRequest(
            text=text,
            image=image,
            terms=terms,
            limit=min(options.limit, LARGEST_PAGE),
            min_score=options.min_score,
            min_relevance=options.min_relevance,
            all=options.all,
            filters=filters,
            order=options.order,
            group=options.group,
            cursor=options.cursor,
            explain=options.explain,
            names=options.names,
            dates=options.dates,
            places=options.places,
            spelling=options.spelling,
            everywhere=options.everywhere,
            sources=tuple(options.source),
        )
    except ValueError:
        raise BadRequestError(
            "Say what to look for: words, an image file, or --id."
            " (`imgvec images` lists all that pass filters.)"
        ) from None


def filters_of(options: argparse.Namespace) -> api.Filters:
    """Return the filters that the flags make.

    Raises:
        BadRequestError: a flag makes no sense.
    """
    try:
        return _filters_of(options)
    except ValueError as error:
        raise BadRequestError(f"{error}.") from error


def _filters_of(options: argparse.Namespace) -> api.Filters:
    near = _numbers(options.near, _NEAR, "--near")
    box = _numbers(options.box, _BOX, "--box")
    return api.Filters(
        folder=_absolute(options.folder),
        glob=options.glob,
        root=_absolute(options.root),
        taken=options.taken,
        taken_from=options.since,
        taken_to=options.until,
        months=tuple(options.month),
        camera=options.camera,
        lens=options.lens,
        format=tuple(options.format),
        orientation=options.orientation,
        min_width=options.min_width,
        min_height=options.min_height,
        min_size_bytes=options.min_bytes,
        near=(near[0], near[1], near[2]) if near else None,
        box=(box[0], box[1], box[2], box[3]) if box else None,
        has_gps=options.gps,
        place=options.place,
        tags=tuple(options.tag),
        metadata=dict(map(_pair, options.where)),
        min_rating=options.min_rating,
        favorite=options.favorite,
        online=options.online,
        any_of=tuple(options.any_of),
        none_of=tuple(options.none_of),
    )


def _filters(text: str) -> api.Filters:
    try:
        return _here(msgspec.json.decode(text, type=api.Filters))
    except (*UNDECODABLE, UnicodeEncodeError) as error:  # the latter: of bytes that are no text
        shown = repr(text[:_MOST_SHOWN])
        raise argparse.ArgumentTypeError(f"{shown} is not a filter: {error}") from error


def _here(filters: api.Filters) -> api.Filters:
    """Return filters whose folders are as the daemon knows them, at every depth."""
    return msgspec.structs.replace(
        filters,
        folder=_absolute(filters.folder),
        root=_absolute(filters.root),
        any_of=tuple(map(_here, filters.any_of)),
        none_of=tuple(map(_here, filters.none_of)),
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _absolute(folder: str | None) -> str | None:
    """Return a folder as the daemon knows it; one that is not here may lie below a root."""
    if folder is None:
        return None
    path = os.path.abspath(os.path.expanduser(folder))
    return path if folder.startswith(("/", "~", ".")) or os.path.isdir(path) else folder


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise BadRequestError(f"--where {text}: write KEY=VALUE")
    return key, value


def _numbers(text: str | None, count: int, flag: str) -> Sequence[float]:
    try:
        numbers = [float(part) for part in (text or "").split(",") if part]
    except ValueError:
        numbers = []
    if text is not None and len(numbers) != count:
        raise BadRequestError(f"{flag} {text}: write {count} numbers with commas between them")
    return numbers
