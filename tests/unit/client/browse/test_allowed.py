"""What a page may ask: what is on the list, in bodies that are written anew."""

import json

import pytest

from imgvecd.client.browse.allowed import allows, checked
from imgvecd.errors import BadRequestError, ForbiddenError


def test_a_field_given_twice_is_checked_as_it_is_sent_on():
    body = b'{"terms": [{"url": "http://127.0.0.1"}], "terms": [{"text": "a"}]}'
    assert b"url" not in checked("POST", "/v1/search", body)
    body = b'{"terms": [{"text": "a"}], "terms": [{"url": "http://127.0.0.1"}]}'
    with pytest.raises(ForbiddenError):
        checked("POST", "/v1/search", body)


def test_pictures_and_filters_pass():
    search = {"terms": [{"data": "aGk="}], "filters": {"folder": "/photos"}}
    assert json.loads(checked("POST", "/v1/search", json.dumps(search).encode())) == search


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{", b"\xff", b'{"nonsense": 1}', b"null"])
def test_what_is_no_search_is_refused(body):
    with pytest.raises(BadRequestError):
        checked("POST", "/v1/search", body)


def test_what_holds_too_much_is_not_decoded():
    body = b'{"terms": [' + b'{"text": "x"},' * 50_000 + b"0]}"
    with pytest.raises(BadRequestError, match="more than 50,000 values"):
        checked("POST", "/v1/search", body)


@pytest.mark.parametrize(
    "path",
    ["/v1/images/1/thumbnail/", "/v1/images/1%00", "/v1/statuses", "//v1/status", "/v1/status\n"],
)
def test_only_the_very_paths_are_allowed(path):
    assert not allows("GET", path)
