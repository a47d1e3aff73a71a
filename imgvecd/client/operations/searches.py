"""Searching: once, many times, standing, saved; labels."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from imgvecd import api
from imgvecd.client.calls import ApiCall, ApiStream, events, get, post, request, send
from imgvecd.errors import BadRequestError

_SAVED = "/v1/saved"


def search(wanted: api.SearchRequest) -> ApiCall[api.SearchResponse]:
    """Ask for a page of hits."""
    return post("/v1/search", wanted, api.SearchResponse)


def search_many(requests: Sequence[api.SearchRequest]) -> ApiCall[tuple[api.SearchResponse, ...]]:
    """Ask for the answers to many searches."""
    batch = request(api.SearchBatch, searches=tuple(requests))
    return post("/v1/search/batch", batch, api.SearchBatchResponse).then(lambda all_: all_.answers)


def watch(wanted: api.SearchRequest, since: str | None) -> ApiStream[api.Match]:
    """Listen for new images that match."""
    # a clock consists of characters that need no quoting
    url = "/v1/search/live" if since is None else f"/v1/search/live?since={since}"
    return events("POST", url, api.Match, kind="match", body=wanted)


def saved_searches() -> ApiCall[tuple[api.SavedSearch, ...]]:
    """Ask for the saved searches."""
    return get(_SAVED, api.SavedSearches).then(lambda answer: answer.saved)


def save_search(name: str, wanted: api.SearchRequest) -> ApiCall[api.SavedSearch]:
    """Save a search."""
    return send("PUT", _saved(name), wanted, api.SavedSearch)


def run_saved(name: str) -> ApiCall[api.SearchResponse]:
    """Ask for the hits of a saved search."""
    return get(_saved(name), api.SearchResponse)


def drop_saved(name: str) -> ApiCall[tuple[api.SavedSearch, ...]]:
    """Drop a saved search."""
    dropped = ApiCall("DELETE", _saved(name), get(_SAVED, api.SavedSearches).read)
    return dropped.then(lambda answer: answer.saved)


def classify(labels: Sequence[str], fields: Mapping[str, Any]) -> ApiCall[api.ClassifyResponse]:
    """Ask for the labels that fit images best.

    Raises:
        BadRequestError: a field that there is not, or that makes no sense.
    """
    wanted = request(api.ClassifyRequest, labels=tuple(labels), **fields)
    return post("/v1/classify", wanted, api.ClassifyResponse)


def _saved(name: str) -> str:
    if not name:
        raise BadRequestError("name: a saved search needs one")
    return f"{_SAVED}/{urllib.parse.quote(name, safe='')}"
