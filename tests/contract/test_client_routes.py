"""Both clients have a method for every route of the API, and typed options for every field."""

import importlib.resources
import io
import json
import re
import typing

import msgspec
import numpy as np
import pytest
from answering import running
from both_clients import CLIENTS
from PIL import Image

from imgvecd import Client, api
from imgvecd.client import options
from imgvecd.errors import BadRequestError, DaemonError, ImgvecdError

DOCUMENT = json.loads((importlib.resources.files("imgvecd.server") / "openapi.json").read_text())
ROUTES = {
    (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
}
# What a query string can say, the same route with a body says, and more.
SAME_AS_POST = {("GET", "/v1/search"), ("GET", "/v1/search/live")}
# Every method, with what it is called with.
CALLS = {
    "apply_dedup": ("plan",),
    "changes": (),
    "check_duplicate": (b"picture",),
    "checkpoint": (),
    "classify": (["cat"],),
    "decide_duplicates": (["00", "11"], "keep_both"),
    "doctor": (),
    "drop_saved": ("a name/of it",),
    "duplicates": (),
    "events": (),
    "facets": ("tag",),
    "failures": (),
    "film": (7,),
    "forget": (),
    "health": (),
    "hits": ("x",),
    "image": (7,),
    "images": (),
    "lookup": ([7],),
    "metrics": (),
    "month": ("2023-05",),
    "openapi": (),
    "original": (7,),
    "pause": (),
    "plan_dedup": (),
    "positions": (),
    "rebuild": (),
    "replace_metadata": (7, {}),
    "rescan": (),
    "resume": (),
    "resume_move": (),
    "retry": (),
    "run_saved": ("x",),
    "save_search": ("x", "y"),
    "saved_searches": (),
    "search": ("x",),
    "search_many": (["x"],),
    "set_metadata": (7,),
    "stats": (),
    "status": (),
    "stop_move": (),
    "sync": (),
    "tag": ([7], ["a"]),
    "thumbnail": (7,),
    "timeline": (),
    "undo_dedup": (),
    "watch": ("x",),
}


@pytest.fixture
def daemon(tmp_path):
    """Answers everything with an error, and remembers what was asked."""
    error = api.Problem(code="x", title="X", status=500, detail="no")
    with running(str(tmp_path / "s")) as server:
        server.otherwise = 500, msgspec.json.encode(error)
        yield server


@pytest.fixture(params=CLIENTS, ids=["Client", "AsyncClient"])
def client(request, daemon):
    with request.param(daemon.server_address) as client:
        yield client


def ask(client, name, *args, **further):
    """Call a method, which the daemon refuses; a stream asks when it is first read."""
    with pytest.raises(DaemonError):
        next(getattr(client, name)(*args, **further))


def test_every_method_is_listed_here():
    assert {name for name in dir(Client) if not name.startswith("_")} - {"close"} == set(CALLS)


def test_every_route_has_a_method(client, daemon):
    for name, args in CALLS.items():
        ask(client, name, *args)
    asked = {
        (method, path)
        for method, url, _ in daemon.asked
        for path in DOCUMENT["paths"]
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), url.partition("?")[0])
        and (method, path) in ROUTES
    }
    assert ROUTES - asked == SAME_AS_POST


@pytest.mark.parametrize(
    ("kind", "struct", "positional"),
    [
        (options.SearchOptions, api.SearchRequest, {"text", "image"}),
        (options.ClassifyOptions, api.ClassifyRequest, {"labels"}),
        (options.DuplicatesOptions, api.DuplicatesRequest, set()),
    ],
)
def test_options_are_the_fields(kind, struct, positional):
    assert set(typing.get_type_hints(kind)) | positional == set(struct.__struct_fields__)
    fields = msgspec.structs.fields(struct)
    hints = typing.get_type_hints(kind)
    for field in fields:
        if typing.get_origin(field.type) is typing.Literal:
            assert typing.get_args(hints[field.name]) == typing.get_args(field.type)


def picture():
    return Image.new("RGB", (5, 4), "red")


def test_pictures_of_every_kind_are_sent(client, daemon, tmp_path):
    picture().save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    for given in (
        str(tmp_path / "a.png"),
        tmp_path / "a.png",
        bytes(tmp_path / "a.png"),
        data,
        bytearray(data),
        io.BytesIO(data),
        open(tmp_path / "a.png", "rb"),  # noqa: SIM115
        picture(),
        np.asarray(picture()),
        np.asarray(picture()) / 255,
        np.asarray(picture()) > 0,
    ):
        for method in ("search", "hits", "watch", "save_search"):
            if hasattr(given, "seek"):
                given.seek(0)
            name = ["name"] if method == "save_search" else []
            ask(client, method, *name, image=given)
            _, _, body = daemon.asked[-1]
            term = msgspec.json.decode(body, type=api.SearchRequest).image
            with Image.open(io.BytesIO(term.data)) as sent:
                assert sent.convert("RGB").tobytes() == picture().tobytes()


@pytest.mark.parametrize(
    ("given", "term"),
    [
        (7, api.Term(id=7)),
        (np.int64(7), api.Term(id=7)),
        (api.Term(id=7, weight=-1), api.Term(id=7, weight=-1)),
        ({"id": 7}, api.Term(id=7)),
    ],
)
def test_stored_images_and_terms(client, daemon, given, term):
    ask(client, "search", "a text", image=given, limit=3, filters={"tags": ["a"]})
    _, _, body = daemon.asked[-1]
    filters = api.Filters(tags=("a",))
    wanted = api.SearchRequest(text="a text", image=term, limit=3, filters=filters)
    assert msgspec.json.decode(body, type=api.SearchRequest) == wanted


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"image": object()},
        {"image": True},
        {"image": -1},
        {"image": b""},
        {"image": io.StringIO("text")},
        {"image": io.BytesIO()},
        {"image": "/nowhere.jpg"},
        {"image": "a\0b"},
        {"image": {"idd": 7}},
        {"image": np.zeros((3,), np.uint8)},
        {"image": np.zeros((3, 20, 20), np.uint8)},
        {"image": np.zeros((2, 20, 20, 3), np.uint8)},
        {"image": np.zeros((0, 20, 3), np.uint8)},
        {"image": np.zeros((20, 20, 3), np.int64)},
        {"image": np.full((20, 20), np.nan)},
        {"image": np.full((20, 20, 3), 200.0)},
        {"image": np.array([["a"]])},
        {"query": 5},
        {"query": "x", "limit": "many"},
        {"query": "x", "limit": 0},
        {"query": "x", "limits": 3},
        {"query": "x", "order": "best"},
        {"query": "x", "filters": {"tag": "a"}},
        {"query": "x", "terms": "abc"},
    ],
)
@pytest.mark.parametrize("method", ["search", "hits", "watch"])
def test_what_makes_no_sense_is_never_sent(client, daemon, method, wrong):
    with pytest.raises(ImgvecdError):
        next(getattr(client, method)(**wrong))
    assert daemon.asked == []


def test_values_that_json_cannot_hold(client, daemon):
    for value in (object(), {1, 2}.__iter__, "\udcff"):
        with pytest.raises(BadRequestError):
            client.set_metadata(7, note=value)
    assert daemon.asked == []
