"""Each route, each way of asking for a search, and each kind of error."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import pathlib

import pytest
from prometheus_client.parser import text_string_to_metric_families

from imgvecd import api
from imgvecd.config.schema import ServerConfig
from imgvecd.errors import ModelError, UnreadableImageError
from imgvecd.server import openapi
from imgvecd.server.app import build

PHOTO = b"\xff\xd8\xff" + bytes(range(256))


@pytest.mark.parametrize(
    ("method", "url", "asked"),
    [
        ("GET", "/v1/health", "health"),
        ("GET", "/v1/status", "status"),
        ("GET", "/v1/stats", "stats"),
        ("GET", "/v1/images", (-1, 100, api.Filters())),
        ("GET", "/v1/images?after=9&limit=5", (9, 5, api.Filters())),
        (
            "GET",
            "/v1/images?filters=%7B%22tags%22:[%22family%22]%7D",
            (-1, 100, api.Filters(tags=("family",))),
        ),
        ("GET", "/v1/images/7", 7),
        ("POST", "/v1/rescan", api.RescanRequest()),
        ("POST", "/v1/pause", api.PauseRequest()),
        ("POST", "/v1/resume", api.ResumeRequest()),
        ("POST", "/v1/checkpoint", "checkpoint"),
        ("POST", "/v1/rebuild", "rebuild"),
    ],
)
async def test_routes_ask_the_service(daemon, method, url, asked):
    answer = await daemon.ask(method, url)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert daemon.service.asked == [asked]


async def test_what_the_user_says_is_replaced_changed_and_tagged(daemon):
    for method in ("PUT", "PATCH"):
        body = json.dumps({"note": "ours", "rating": None}).encode()
        answer = await daemon.ask(method, "/v1/images/7/metadata", body)
        assert (answer.status, answer.json["id"]) == (200, 7)
        assert daemon.service.asked.pop() == (7, {"note": "ours", "rating": None})
    body = b'{"ids": [5, 7], "add": ["family"], "remove": ["todo"]}'
    assert (await daemon.ask("POST", "/v1/tags", body)).status == 200
    assert daemon.service.asked == [api.TagRequest(ids=(5, 7), add=("family",), remove=("todo",))]


@pytest.mark.parametrize(
    ("method", "url", "body", "status"),
    [
        ("PATCH", "/v1/images/seven/metadata", b"{}", 404),
        ("PATCH", "/v1/images/7/metadata", b"[1]", 400),
        ("POST", "/v1/tags", b'{"ids": [], "add": ["x"]}', 400),
        ("POST", "/v1/tags", b'{"ids": [7], "add": [""]}', 400),
    ],
)
async def test_what_cannot_be_said_is_refused(daemon, method, url, body, status):
    assert (await daemon.ask(method, url, body)).status == status
    assert daemon.service.asked == []


async def test_rescan_takes_a_folder(daemon):
    await daemon.ask("POST", "/v1/rescan", b'{"path": "/photos/2024", "wait": true}')
    assert daemon.service.asked == [api.RescanRequest(path="/photos/2024", wait=True)]


def form(*parts):
    lines = []
    for name, filename, content in parts:
        file = f'; filename="{filename}"' if filename else ""
        lines += [b"--b", f'Content-Disposition: form-data; name="{name}"{file}'.encode(), b""]
        lines += [content]
    return b"\r\n".join([*lines, b"--b--", b""])


FORM = {"Content-Type": "multipart/form-data; boundary=b"}
FORM_URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}  # what `curl -d` says


@pytest.mark.parametrize(
    ("method", "url", "body", "headers", "wanted"),
    [
        ("GET", "/v1/search?text=a%20dog&limit=3", None, {}, {"text": "a dog", "limit": 3}),
        ("GET", "/v1/search?id=7&min_score=0.2", None, {}, {"image": {"id": 7}, "min_score": 0.2}),
        ("GET", "/v1/search?path=/a.jpg", None, {}, {"image": {"path": "/a.jpg"}}),
        ("POST", "/v1/search", b'{"text": "a dog"}', {}, {"text": "a dog"}),
        ("POST", "/v1/search", b'{"text": "a dog"}', FORM_URLENCODED, {"text": "a dog"}),
        (
            "POST",
            "/v1/search",
            json.dumps({"terms": [{"text": "x", "weight": -1}, {"id": 3}]}),
            {},
            {"terms": ({"text": "x", "weight": -1.0}, {"id": 3})},
        ),
        (
            "POST",
            "/v1/search",
            json.dumps({"image": {"data": base64.b64encode(PHOTO).decode()}}),
            {},
            {"image": {"data": PHOTO}},
        ),
        (
            "POST",
            "/v1/search?limit=4",
            PHOTO,
            {"Content-Type": "image/jpeg"},
            {"image": {"data": PHOTO}, "limit": 4},
        ),
        (
            "POST",
            "/v1/search",
            form(("image", "photo.jpg", PHOTO), ("text", None, b"snow"), ("limit", None, b"5")),
            FORM,
            {"image": {"data": PHOTO}, "text": "snow", "limit": 5},
        ),
    ],
)
async def test_every_way_of_asking_is_the_same_request(daemon, method, url, body, headers, wanted):
    answer = await daemon.ask(method, url, body, headers)
    assert answer.status == 200, answer.body
    assert answer.json["hits"] == [{"id": 7, "score": 0.31, "path": "/photos/dog.jpg"}]
    if "image" in wanted:
        wanted = wanted | {"image": api.Term(**wanted["image"])}
    if "terms" in wanted:
        wanted = wanted | {"terms": tuple(api.Term(**term) for term in wanted["terms"])}
    assert daemon.service.asked == [api.SearchRequest(**wanted)]


@pytest.mark.parametrize(
    ("url", "body", "headers", "detail"),
    [
        ("/v1/search", b"", {}, "at least one of text, image, terms"),
        ("/v1/search", b"{", {}, "truncated"),
        ("/v1/search", b"[" * 40_000, {}, "object"),
        ("/v1/search", b'{"text":' + b"[" * 40_000, {}, "text"),
        ("/v1/search", b'{"text": "a\xff"}', {}, "utf-8"),
        ("/v1/search", b'{"text": "\\ud800"}', {}, "Request body"),
        ("/v1/search", b'{"txet": "a dog"}', {}, "txet"),
        ("/v1/search", b'{"text": "a dog", "limit": 0}', {}, "limit: Expected"),
        ("/v1/search", b'{"text": "a dog", "limit": "5"}', {}, "limit: Expected"),
        (
            "/v1/search",
            b'{"terms": [{"text": "a", "weight": 11}]}',
            {},
            "terms[0].weight: Expected",
        ),
        ("/v1/search", b'{"image": {}}', {}, "exactly one of"),
        ("/v1/search", b'{"image": {"id": 1, "text": "a"}}', {}, "exactly one of"),
        ("/v1/search", b'{"image": {"path": "a.jpg"}}', {}, "absolute"),
        ("/v1/search", b'{"image": {"path": "/a\\u0000"}}', {}, "NUL"),
        ("/v1/search", b'{"image": {"path_base64": "!"}}', {}, "base64"),
        ("/v1/search", b'{"image": {"data": "!"}}', {}, "base64"),
        ("/v1/search?limit=5", b'{"text": "x"}', {}, "query string"),
        ("/v1/search?limit=x", PHOTO, {"Content-Type": "image/png"}, "limit: Expected"),
        ("/v1/search?limit=1&limit=2", PHOTO, {"Content-Type": "image/png"}, "`limit`"),
        ("/v1/search", form(("image", "a", PHOTO), ("colour", None, b"red")), FORM, "colour"),
        ("/v1/search", form(("limit", None, b"\xff")), FORM, "broken"),
        ("/v1/search", b"no form at all", FORM, "broken"),
        ("/v1/search", b"--b\r\nno header--b--\r\n", FORM, "broken"),
        ("/v1/search", b"", {"Content-Type": "multipart/form-data"}, "broken"),
        ("/v1/rescan", b'{"wait": 1}', {}, "wait: Expected"),
        ("/v1/rescan", '{"path_base64": "é"}'.encode(), {}, "ASCII"),
        ("/v1/rescan", b'{"path": "/a\\u0000"}', {}, "NUL"),
        ("/v1/search", b'{"image": {"id": 9223372036854775806}}', {}, "image.id: Expected"),
    ],
)
async def test_nonsense_is_a_bad_request_that_names_the_field(daemon, url, body, headers, detail):
    answer = await daemon.ask("POST", url, body, headers)
    assert answer.status == 400
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json["code"] == "bad_request"
    assert answer.json["status"] == 400
    assert detail in answer.json["detail"]
    assert daemon.service.asked == []


@pytest.mark.parametrize(
    ("method", "url", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/images/8", 404, "not_found"),
        ("GET", "/v1/images/x", 404, "not_found"),
        ("GET", "/v1/images/99999999999999999999999", 404, "not_found"),
        ("GET", "/v1/images?limit=0", 400, "bad_request"),
        ("GET", "/v1/images?filters=[", 400, "bad_request"),
        ("GET", "/v1/images?filters=%7B%22tag%22:1%7D", 400, "bad_request"),
        ("GET", "/v1/rebuild", 405, "method_not_allowed"),
        ("DELETE", "/v1/images/7", 405, "method_not_allowed"),
    ],
)
async def test_wrong_addresses_are_problems(daemon, method, url, status, code):
    answer = await daemon.ask(method, url)
    assert (answer.status, answer.json["code"], answer.json["status"]) == (status, code, status)
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ModelError("No model."), 503, "model"),
        (UnreadableImageError("truncated", "It ends early."), 422, "unreadable_image"),
    ],
)
async def test_errors_of_the_service_keep_code_and_sentence(daemon, error, status, code):
    daemon.service.error = error
    answer = await daemon.ask("GET", "/v1/search?text=a")
    assert answer.status == status
    assert answer.json["code"] == code
    assert answer.json["detail"] == str(error)


async def test_an_unexpected_error_is_logged_and_not_shown(daemon, caplog):
    daemon.service.error = RuntimeError("secret detail")
    answer = await daemon.ask("GET", "/v1/status")
    assert answer.status == 500
    assert answer.json["code"] == "internal"
    assert b"secret" not in answer.body
    assert "secret detail" in caplog.text


async def test_a_query_is_one_log_line_without_names_or_words(daemon, caplog):
    caplog.set_level(logging.DEBUG, "imgvecd")
    await daemon.ask("GET", "/v1/search?text=unicorn&path=/photos/secret.jpg")
    lines = [record.getMessage() for record in caplog.records if "search" in record.getMessage()]
    assert lines == ["search: 1 hits of 1 in 1.0 ms"]
    assert "dog.jpg" not in caplog.text
    assert "unicorn" not in caplog.text


async def test_an_action_goes_on_when_its_client_leaves(daemon):
    daemon.service.gate = asyncio.Event()
    client = daemon.connect()
    client.sendall(b"POST /v1/rebuild HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    await daemon.until(lambda: daemon.service.asked == ["rebuild"])
    client.close()
    daemon.service.gate.set()
    await daemon.until(lambda: daemon.service.finished == 1)


def references(node):
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from references(item)


def test_the_description_that_is_kept_is_the_codes():
    kept = pathlib.Path(openapi.__file__).with_name("openapi.json").read_bytes()
    assert kept == openapi.document(), "run: make openapi"


async def test_the_description_names_every_route_and_resolves(daemon):
    document = (await daemon.ask("GET", "/v1/openapi.json")).json
    assert document["openapi"] == "3.1.0"
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    app = build(daemon.service, ServerConfig())
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.method != "HEAD"
    }
    assert described == served
    components = {
        f"#/components/{kind}/{name}"
        for kind, named in document["components"].items()
        for name in named
    }
    found = set(references(document))
    assert found <= components
    names = {reference.rpartition("/")[2] for reference in found}
    assert {"SearchRequest", "Term", "Hit", "Problem"} <= names


async def test_answers_fit_their_description(daemon):
    document = (await daemon.ask("GET", "/v1/openapi.json")).json
    for path in ("/v1/health", "/v1/status", "/v1/stats", "/v1/images"):
        content = document["paths"][path]["get"]["responses"]["200"]["content"]
        name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
        schema = document["components"]["schemas"][name]
        answer = (await daemon.ask("GET", path)).json
        assert set(schema["required"]) <= set(answer) <= set(schema["properties"])


async def test_metrics_count_what_happened(daemon):
    await daemon.ask("GET", "/v1/search?text=a")
    await daemon.ask("GET", "/v1/search?limit=0")
    answer = await daemon.ask("GET", "/v1/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }
    assert samples["imgvecd_search_seconds_count",] == 1
    assert samples["imgvecd_search_seconds_bucket", "+Inf"] == 1
    assert samples["imgvecd_search_seconds_sum",] > 0
    assert samples["imgvecd_encode_seconds_bucket", "1.0"] == 2
    assert samples["imgvecd_encode_seconds_count",] == 3
    assert samples["imgvecd_encode_seconds_sum",] == pytest.approx(3.55)
    assert samples["imgvecd_failures", "damaged"] == 2
    assert samples["imgvecd_requests", "under_way"] == 1
    assert samples["imgvecd_memory_bytes", "daemon"] > 1_000_000
    assert samples["imgvecd_state", "idle"] == 1
