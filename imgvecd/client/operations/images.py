"""Stored images: lists, single ones, where and when they were taken, what the user says of them."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from imgvecd import api
from imgvecd.client.calls import ApiCall, ApiStream, get, get_bytes, listing, post, request, send

WORLD = (-90.0, -180.0, 90.0, 180.0)


def image(image_id: int) -> ApiCall[api.Image]:
    """Ask for one image."""
    return get(_of(image_id), api.Image)


def images(after: int, filters: api.Filters | None, order: api.ListOrder) -> ApiStream[api.Image]:
    """List images."""
    return listing(_filtered("/v1/images", filters, after=after, order=order), api.Image)


def lookup(ids: Sequence[int]) -> ApiCall[tuple[api.Image, ...]]:
    """Ask for images by their ids."""
    found = post("/v1/images/lookup", request(api.LookupRequest, ids=tuple(ids)), api.ImageList)
    return found.then(lambda answer: answer.images)


def timeline(filters: api.Filters | None) -> ApiCall[api.Timeline]:
    """Ask how many images were taken when."""
    return get(_filtered("/v1/timeline", filters), api.Timeline)


def month(
    name: str, filters: api.Filters | None, start: int, limit: int
) -> ApiCall[api.MonthImages]:
    """Ask for a month's images."""
    url = f"/v1/timeline/{urllib.parse.quote(name, safe='')}"
    return get(_filtered(url, filters, start=start, limit=limit), api.MonthImages)


def facets(kind: api.FacetKind, contains: str, limit: int) -> ApiCall[api.Facets]:
    """Ask for the values that most images have."""
    return get(_queried("/v1/facets", kind=kind, contains=contains, limit=limit), api.Facets)


def positions(box: tuple[float, float, float, float], columns: int) -> ApiCall[api.Clusters]:
    """Ask where images were taken."""
    south, west, north, east = box
    url = _queried("/v1/positions", south=south, west=west, north=north, east=east, columns=columns)
    return get(url, api.Clusters)


def original(image_id: int) -> ApiCall[bytes]:
    """Ask for a picture's file."""
    return get_bytes(f"{_of(image_id)}/original")


def film(image_id: int) -> ApiCall[bytes]:
    """Ask for the film of a Live Photo."""
    return get_bytes(f"{_of(image_id)}/film")


def thumbnail(image_id: int, size: int) -> ApiCall[bytes]:
    """Ask for a small picture."""
    return get_bytes(f"{_of(image_id)}/thumbnail?size={size}")


def set_metadata(image_id: int, changes: Mapping[str, Any]) -> ApiCall[api.Image]:
    """Set some of what the user says of an image."""
    return send("PATCH", f"{_of(image_id)}/metadata", changes, api.Image)


def replace_metadata(image_id: int, values: Mapping[str, Any]) -> ApiCall[api.Image]:
    """Replace what the user says of an image."""
    return send("PUT", f"{_of(image_id)}/metadata", values, api.Image)


def tag(ids: Sequence[int], add: Sequence[str], remove: Sequence[str]) -> ApiCall[api.Done]:
    """Add and remove tags."""
    wanted = request(api.TagRequest, ids=tuple(ids), add=tuple(add), remove=tuple(remove))
    return post("/v1/tags", wanted, api.Done)


def _of(image_id: int) -> str:
    return f"/v1/images/{image_id}"


def _filtered(url: str, filters: api.Filters | None, **fields: int | str) -> str:
    given = {} if filters is None else {"filters": msgspec.json.encode(filters).decode()}
    return _queried(url, **fields, **given)


def _queried(url: str, **fields: float | str) -> str:
    return f"{url}?{urllib.parse.urlencode(fields)}"
