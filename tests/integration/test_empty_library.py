"""A library without a single image says so at once, while the model is still being loaded."""

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
    put = empty.request("PUT", "/v1/saved/cats", {"text": "a cat"})
    assert put[0] == 200
    searches = {"searches": [{"text": "a cat"}, {"text": "a dog"}]}
    for answer in (
        empty.post("/v1/search", {"text": "a cat"}),
        empty.get("/v1/saved/cats"),
        *empty.post("/v1/search/batch", searches)["answers"],
    ):
        assert answer["hits"] == []
        assert answer["searched"] == 0
    classified = empty.post("/v1/classify", {"labels": ["a cat", "a dog"]})
    assert classified == {"images": []}
    assert not empty.status()["model"].get("loaded"), "the model came up: nothing was shown"
