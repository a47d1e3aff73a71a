"""Pictures as terms of a query: their bytes are sent, so the daemon need not reach their files."""

from __future__ import annotations

import operator
import os
from typing import Any

import msgspec

from imgvecd import api
from imgvecd.client.options import SearchOptions
from imgvecd.client.query import read_image
from imgvecd.errors import BadRequestError
from imgvecd.picture_input import AnyPicture, content_of
from imgvecd.validation_messages import validation_message

PictureQuery = AnyPicture | int | api.Term
"""What a search by image takes: a picture, the id of a stored one, or a term."""


def picture_term(picture: PictureQuery) -> api.Term:
    """Return the term for a picture; reads its file, or fetches it from its URL.

    Raises:
        BadRequestError: it is none, or its file cannot be read.
        UnreadableImageError: it is empty, or a Pillow image that cannot be read.
    """
    if isinstance(picture, api.Term):
        return picture
    if isinstance(picture, dict):
        return _converted(picture)
    if (number := _number(picture)) is not None:
        return _converted({"id": number})
    data = content_of(picture)  # type: ignore[arg-type]  # it is no number
    if data is None:
        path = os.fsdecode(picture)  # type: ignore[arg-type]  # it has no content of its own
        data = read_image("./-" if path == "-" else path)
    return api.Term(data=data)


def search_for(
    query: str | api.SearchRequest | None, image: PictureQuery | None, options: SearchOptions
) -> api.SearchRequest:
    """Return the request that a client's `search` means.

    Raises:
        BadRequestError: there is nothing to look for, or an option makes no sense.
    """
    fields: dict[str, Any] = dict(options)
    if image is not None:
        fields["image"] = picture_term(image)
    return api.search_request(query, fields)


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]  # numpy's whole numbers are some, too
    except TypeError:
        return None


def _converted(fields: dict[str, object]) -> api.Term:
    try:
        return msgspec.convert(fields, api.Term)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"image: {validation_message(error, api.Term)}") from error
