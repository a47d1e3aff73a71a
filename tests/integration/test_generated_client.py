"""A client that a common generator makes from the OpenAPI document searches a daemon."""

import importlib
import importlib.util
import json
import pathlib
import re
import subprocess
import sys

import pytest

from imgvecd.server import openapi

# the generator alone takes seconds; that the document is as the server answers is tested by day
pytestmark = pytest.mark.nightly

if importlib.util.find_spec("openapi_python_client") is None:
    pytest.skip("openapi-python-client is not installed", allow_module_level=True)

# What the generator has no types for: bodies and answers that are pictures.
LEFT_OUT = r"Unsupported content.type (image/\*|image/jpeg|video/\*)"


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """(the folder with the generated package, what the generator said)."""
    place = tmp_path_factory.mktemp("generated")
    (place / "api.json").write_bytes(openapi.document())
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "openapi_python_client",
            "generate",
            "--meta",
            "none",
            "--path",
            place / "api.json",
            "--output-path",
            place / "generated_imgvecd",
        ],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return place, done.stdout + done.stderr


def test_nothing_is_left_out_but_pictures(generated):
    place, said = generated
    warnings = [line for line in said.splitlines() if re.match(r"(Unsupported|Cannot)", line)]
    assert [line for line in warnings if not re.search(LEFT_OUT, line)] == []
    document = json.loads((place / "api.json").read_text())
    modules = {path.stem for path in (place / "generated_imgvecd" / "api").rglob("*.py")}
    operations = {
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    assert operations <= modules
    models = {path.stem for path in (place / "generated_imgvecd" / "models").glob("*.py")}
    assert {"search_request", "term", "filters", "search_response", "hit"} <= models


def test_it_searches(generated, start_fast, shipped_photos, monkeypatch):
    httpx = importlib.import_module("httpx")
    monkeypatch.syspath_prepend(str(generated[0]))
    made = importlib.import_module("generated_imgvecd")
    models = importlib.import_module("generated_imgvecd.models")
    default = "generated_imgvecd.api.default"
    post_search = importlib.import_module(f"{default}.post_search")
    get_image = importlib.import_module(f"{default}.get_images_id")
    daemon = start_fast(shipped_photos)
    transport = httpx.HTTPTransport(uds=str(daemon.socket))
    client = made.Client(base_url="http://localhost", httpx_args={"transport": transport})
    with client:
        wanted = models.SearchRequest(
            text="a cat",
            terms=[models.Term(text="sleeping", weight=0.5)],
            limit=3,
            all_=True,
            filters=models.Filters(folder=str(shipped_photos)),
        )
        found = post_search.sync(client=client, body=wanted)
        assert isinstance(found, models.SearchResponse)
        assert len(found.hits) == 3
        image = get_image.sync(client=client, id=found.hits[0].id)
        assert pathlib.Path(image.files[0].path) == pathlib.Path(found.hits[0].path)
        refused = post_search.sync_detailed(client=client, body=models.SearchRequest())
        assert refused.status_code == 400
        assert refused.parsed.code == "bad_request"


def test_the_document_says_it_in_words_that_generators_know():
    document = json.loads(openapi.document())
    known = set(document["components"]["schemas"])
    responses = set(document["components"]["responses"])

    def look(part):
        if isinstance(part, list):
            for each in part:
                look(each)
        elif isinstance(part, dict):
            assert part.get("items") is not False
            assert "default" not in part
            if isinstance(part.get("enum"), list):
                assert "type" in part
            if isinstance(part.get("$ref"), str):
                kind, name = part["$ref"].rsplit("/", 2)[-2:]
                assert name in (known if kind == "schemas" else responses)
            for each in part.values():
                look(each)

    look(document)
