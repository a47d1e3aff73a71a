"""Commands that keep what a person says of stored images: `tag` and `set`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import msgspec

from imgvecd import api
from imgvecd.client import image_refs, reports
from imgvecd.client.http_connection import DaemonConnection, read
from imgvecd.client.output import Output
from imgvecd.errors import BadRequestError
from imgvecd.json_bounds import UNDECODABLE


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `tag` and `set`; `add` makes a command by name, help and function."""
    command = add("tag", "add and remove tags of stored images", tag)
    command.add_argument(
        "words",
        nargs="+",
        metavar=f"{image_refs.WORD}|+TAG|-TAG",
        help="images, then tags with their sign: `imgvec tag 5 beach.jpg +family -todo`",
    )
    command.add_argument("--term", action="append", default=[], help=argparse.SUPPRESS)
    command = add(
        "set", "set values of a stored image: rating, note, whatever you like", set_metadata
    )
    image_refs.add_image(command)
    command.add_argument(
        "values",
        nargs="+",
        metavar="KEY=VALUE",
        help="JSON (5, true) or text; an empty value takes the key away",
    )


def tag(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Add and remove tags."""
    words = [*options.words, *options.term]  # those with a minus, as `protect_negatives` leaves it
    signed = [word for word in words if word.startswith(("+", "-"))]
    images = [word for word in words if word not in signed]
    if not (images and signed):
        raise BadRequestError(
            "Expected images and tags with a sign: `imgvec tag 5 beach.jpg +family -todo`"
        )
    request = api.TagRequest(
        ids=tuple(image_refs.image_id(daemon, word) for word in images),
        add=tuple(word[1:] for word in signed if word.startswith("+")),
        remove=tuple(word[1:] for word in signed if word.startswith("-")),
    )
    body = daemon.post("/v1/tags", request)
    if output.json:
        output.answer(body)
    else:
        output.lines([read(body, api.Done).done])
    return 0


def set_metadata(daemon: DaemonConnection, options: argparse.Namespace, output: Output) -> int:
    """Set what the user says of an image, and show it."""
    changes: dict[str, Any] = {}
    for word in options.values:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise BadRequestError(f"Expected KEY=VALUE, not {word!r}")
        changes[key] = _json_or_text(value)
    image_id = image_refs.image_id(daemon, options.id)
    body = daemon.patch(f"/v1/images/{image_id}/metadata", changes)
    if output.json:
        output.answer(body)
    else:
        output.lines(reports.image(read(body, api.Image)))
    return 0


def _json_or_text(value: str) -> Any:  # noqa: ANN401  # whatever JSON holds
    if not value:
        return None
    try:
        return msgspec.json.decode(value)
    except (*UNDECODABLE, UnicodeEncodeError):
        return value
