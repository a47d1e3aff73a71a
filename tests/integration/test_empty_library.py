"""A library without a single image says so at once, while the model is still being loaded."""

import time
from pathlib import Path

import pytest
from running import RunningDaemon

TESTS = Path(__file__).parents[1]


@pytest.fixture
def empty(tmp_path):
    """A daemon on an empty folder, whose model never comes up."""
    (tmp_path / "photos").mkdir()
    env = {"PYTHONPATH": f"{TESTS}:{TESTS.parent}"}
    daemon = RunningDaemon(tmp_path, [tmp_path / "photos"], module="loading_daemon", env=env)
    yield daemon
    daemon.kill()


def test_nothing_waits_for_the_model(empty):
    began = time.monotonic()
    assert empty.request("PUT", "/v1/saved/cats", {"text": "a cat"})[0] == 200
    batch = empty.post("/v1/search/batch", {"searches": [{"text": "a cat"}, {"text": "a dog"}]})
    for answer in (
        empty.post("/v1/search", {"text": "a cat"}),
        empty.get("/v1/saved/cats"),
        *batch["answers"],
    ):
        assert answer["hits"] == []
        assert answer["searched"] == 0
    assert empty.post("/v1/classify", {"labels": ["a cat", "a dog"]}) == {"images": []}
    assert not empty.status()["model"].get("loaded"), "the model came up: nothing was shown"
    assert time.monotonic() - began < 15  # each used to wait for 20 s
