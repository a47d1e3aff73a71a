"""Thumbnails have names by which a client knows that it has the right one."""

import pytest

from imgvecd.errors import OfflineError, UnreadableImageError

URL = "/v1/images/7/thumbnail"


async def test_a_thumbnail_comes_with_a_strong_name(daemon):
    answer = await daemon.ask("GET", URL)
    assert (answer.status, answer.body) == (200, b"00-256")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["ETag"] == '"00-256"'
    assert "private" in answer.headers["Cache-Control"]
    assert "max-age" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("known", ['"00-256"', '"other", "00-256"', 'W/"00-256"', "*"])
async def test_who_has_it_gets_none_and_none_is_made(daemon, known):
    answer = await daemon.ask("GET", URL, headers={"If-None-Match": known})
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["ETag"] == '"00-256"'
    assert daemon.service.asked == []


@pytest.mark.parametrize("known", ['"00-128"', "rubbish", '"'])
async def test_who_has_another_gets_it(daemon, known):
    assert (await daemon.ask("GET", URL, headers={"If-None-Match": known})).status == 200


async def test_a_size_is_one_of_a_few(daemon):
    assert (await daemon.ask("GET", URL + "?size=1024")).body == b"00-1024"
    refused = await daemon.ask("GET", URL + "?size=257")
    assert (refused.status, refused.json["code"]) == (400, "bad_request")
    assert "size" in refused.json["detail"]


async def test_what_cannot_be_shown_has_a_reason(daemon):
    assert (await daemon.ask("GET", "/v1/images/8/thumbnail")).json["code"] == "not_found"
    daemon.service.error = OfflineError("the disk is away")
    answer = await daemon.ask("GET", URL)
    assert (answer.status, answer.json["code"]) == (404, "offline")
    assert answer.json["detail"] == "the disk is away"
    daemon.service.error = UnreadableImageError("truncated", "it ends early")
    answer = await daemon.ask("GET", URL)
    assert (answer.status, answer.json["reason"]) == (422, "truncated")
