"""Large bodies: pictures in them come out whole, and everybody else is served meanwhile."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random

import pytest

from imgvecd import api
from imgvecd.errors import BadRequestError, TooLargeError
from imgvecd.server import forms, json_bodies

PICTURE = random.Random(1).randbytes(1_000_001)
KIND = "multipart/form-data; boundary=b"


def encoded(picture, slash="/"):
    return base64.b64encode(picture).decode().replace("/", slash)


@contextlib.asynccontextmanager
async def turns():
    """Count how often others get their turn meanwhile."""
    counted = [0]

    async def count():
        while True:
            counted[0] += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(count())
    try:
        yield counted
    finally:
        task.cancel()


@pytest.mark.parametrize("slash", ["/", r"\/"], ids=["plain", "escaped"])
@pytest.mark.parametrize("cut", [0, 1, 2, 3, 950_000])
async def test_pictures_come_out_whole_however_long_they_are(slash, cut):
    pictures = [PICTURE[cut:], PICTURE[: 70_000 + cut], b"short", PICTURE]
    data = (f'{{"data": "{encoded(each, slash)}", "weight": 0.5}}' for each in pictures)
    body = f'{{"text": "x \\" y", "terms": [{",".join(data)}]}}'.encode()
    async with turns() as counted:
        found = await json_bodies.decoded_body(body, api.SearchRequest)
    assert [term.data for term in found.terms] == pictures
    assert all(type(term.data) is bytes for term in found.terms)
    assert found.text == 'x " y'
    assert counted[0] > len(PICTURE) // 100_000


@pytest.mark.parametrize(
    "body",
    [
        {"text": encoded(PICTURE)},
        {"image": {"path": "/abc" + encoded(PICTURE)}},
        {encoded(PICTURE): 1},
        {"image": {"data": encoded(PICTURE)[:-1]}},
        {"image": {"data": encoded(PICTURE)[:-4] + "===="}},
        {"image": {"data": "=" + encoded(PICTURE)}},
        {"image": {"data": encoded(b"x" * 100_000) + encoded(PICTURE)}},
        {"image": {"data": "\n" + encoded(PICTURE)}},
    ],
    ids=["text", "path", "key", "cut", "padded", "padded before", "padded within", "line break"],
)
async def test_what_is_no_picture_is_refused(body):
    raw = json.dumps(body).encode()
    with pytest.raises(BadRequestError):
        await json_bodies.decoded_body(raw, api.SearchRequest)


async def test_what_is_no_picture_is_told_as_what_it_is_where_no_picture_belongs():
    body = json.dumps({"plan": "a" * 3_000_000}).encode()
    with pytest.raises(BadRequestError, match="a text in it is too long"):
        await json_bodies.decoded_body(body, api.DedupApplyRequest, None)


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b"a" * 3_000_000,
        b"a" * 3_000_000,
        b"\\" * 3_000_000,
        b'["\\"' + b"A" * 3_000_000 + b'"]',
    ],
    ids=["no end", "no string", "backslashes", "escaped quotation mark"],
)
async def test_what_is_no_json_is_refused(body):
    with pytest.raises(BadRequestError):
        await json_bodies.decoded_body(body, api.SearchRequest)


@pytest.mark.parametrize("filling", [b" ", b'"a":1,', b'"\\u0041",', b"\\\\"])
async def test_json_besides_pictures_has_a_bound(filling):
    picture = f'{{"image": {{"data": "{encoded(PICTURE)}"}}'.encode()
    body = picture + filling * (5_000_000 // len(filling)) + b"}"
    with pytest.raises(TooLargeError, match="4,000,000"):
        await json_bodies.decoded_body(body, api.SearchRequest)


@pytest.mark.parametrize("bad", [b"", b", 1"], ids=["taken", "refused"])
async def test_who_sends_many_values_waits_while_others_are_served(monkeypatch, bad):
    rested = []

    class Noted(json_bodies.Courtesy):
        async def rest(self, took_s):
            rested.append(took_s)

    monkeypatch.setattr(json_bodies, "Courtesy", Noted)
    body = b'{"text": "x"%s' % bad + b', "text": "x"' * 20_000 + b"}"
    with pytest.raises(BadRequestError) if bad else contextlib.nullcontext():
        await json_bodies.decoded_body(body, api.SearchRequest)
    assert sum(rested) > 0


@pytest.mark.parametrize(
    "body",
    [
        b"\n" * 5_000_000,
        b"\r\n--" * 1_250_000,
        b"--b\r\n\r\n\r\n" + b"\r\n--a" * 1_000_000,
    ],
    ids=["line breaks", "almost boundaries", "a part without end"],
)
async def test_a_form_whose_boundary_never_comes_holds_nobody_up(body):
    async with turns() as counted:
        with pytest.raises(BadRequestError):
            async for _ in forms.parts(body, KIND):
                pass
    assert counted[0] >= 5_000_000 >> 16


async def test_a_picture_in_a_form_is_copied_while_others_are_served():
    head = b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n'
    async with turns() as counted:
        async for name, data in forms.parts(head + PICTURE * 4 + b"\r\n--b--", KIND):
            assert name == "image"
            assert await forms.copied(data) == PICTURE * 4
    assert counted[0] >= 4 * len(PICTURE) >> 15
