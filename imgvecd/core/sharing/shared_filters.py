"""Which filters sources are searched by: those whose facts are published."""

from __future__ import annotations

import msgspec

from imgvecd.api import Filters
from imgvecd.errors import BadRequestError

_KNOWN = {
    "folder",
    "taken",  # resolved into the two that follow
    "taken_from",
    "taken_to",
    "format",
    "orientation",
    "min_width",
    "min_height",
    "near",
    "box",
    "has_gps",
    "tags",
    "min_rating",
    "online",  # nobody knows what is reachable for whom
    "any_of",
    "none_of",
}


def refuse_unknown(filters: Filters) -> None:
    """Pass if engines know the filters; those within are another call.

    Raises:
        BadRequestError: a filter that no engine knows; it names the field.
    """
    for name in msgspec.structs.asdict(filters):
        given = getattr(filters, name) != getattr(Filters(), name)
        if given and name not in _KNOWN:
            raise BadRequestError(f"`{name}`: other sources cannot be searched by it")
