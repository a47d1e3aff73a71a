"""Searching through the socket: as open_clip and numpy find, live, from memory, from Python."""

import asyncio
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from later import Later
from running import RunningDaemon

from benchmarks import captioned
from imgvecd import AsyncClient, Client, api

relevance = Later("benchmarks.relevance")

PHOTOS = Path(__file__).parents[1] / "data" / "photos"


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    """A daemon over some of the captioned photos of the `dev` split."""
    photos = captioned.photos("dev")[::6]
    if not photos:
        pytest.skip("the captioned photos do not lie beside the project")
    home = tmp_path_factory.mktemp("dev")
    for photo in photos:
        folder = home / "photos" / photo.path.name[0]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo.path, folder)
    settings = {"model": "imgvecd-mini", "encode__precision": "fp32"}
    daemon = RunningDaemon(home / "home", [home / "photos"], settings)
    daemon.wait_until_indexed(len(photos))
    yield daemon, photos
    daemon.kill()


@pytest.fixture(scope="module")
def plain(dev):
    """What open_clip and numpy make of the same photos: (names, image rows, encode texts)."""
    _, photos = dev
    model, preprocess, tokenizer = relevance.load()
    rows = relevance.encode_images(model, preprocess, photos)
    names = [photo.path.name for photo in photos]
    return names, rows, lambda texts: relevance.encode_texts(model, tokenizer, texts)


@pytest.mark.nightly  # towers, pixels and the index are each compared by day, on fewer photos
@pytest.mark.parametrize("folder", [None, "2"])
def test_retrieval_equals_open_clip_and_numpy(dev, plain, folder):
    daemon, photos = dev
    names, rows, encode = plain
    # without the full stop, which no search takes for a word
    captions = [photo.captions[0].rstrip(" .") for photo in photos[::4]]
    allowed = np.array([folder is None or name.startswith(folder) for name in names])
    searches = [
        {
            "text": text,
            "limit": 10,
            "all": True,
            "filters": {"folder": folder} if folder else {},
            "spelling": False,  # what is compared with takes each caption as it stands
        }
        for text in captions
    ]
    answers = daemon.post("/v1/search/batch", {"searches": searches})["answers"]
    for vector, answer in zip(encode(captions), answers, strict=True):
        expected = np.where(allowed, rows @ vector, -1)
        best = np.sort(expected)[::-1][:10]
        hits = {Path(hit["path"]).name: hit["score"] for hit in answer["hits"]}
        assert len(hits) == 10
        assert np.allclose(list(hits.values()), best, atol=1e-3)
        for name, score in hits.items():
            assert score == pytest.approx(expected[names.index(name)], abs=1e-3)


def test_what_is_not_there_is_not_found(dev):
    daemon, _ = dev

    def measured():
        return daemon.post("/v1/search", {"text": "a dog"})["hits"][0].get("relevance")

    daemon.wait_until(measured)
    found = daemon.imgvec("search", "a dog running on grass")
    absent = daemon.imgvec("search", "a screenshot of a spreadsheet", "--min-relevance", 0.33)
    assert (found.returncode, absent.returncode) == (0, 1)
    assert absent.stdout == b""
    answer = json.loads(
        daemon.imgvec("search", "a spreadsheet", "--min-relevance", 0.33, "--json").stdout
    )
    assert (
        answer["nearest"]["relevance"]
        < daemon.post("/v1/search", {"text": "a dog running"})["hits"][0]["relevance"]
    )


def test_the_clients_ask_the_same(dev):
    daemon, _ = dev
    socket = str(daemon.socket)
    client = Client(socket)
    page = client.search("a dog", limit=3, all=True)
    assert [
        hit.id for hit in client.search(api.SearchRequest(text="a dog"), limit=3, all=True).hits
    ] == [hit.id for hit in page.hits]
    every = [hit.id for hit in itertools.islice(client.hits("a dog", limit=3, all=True), 7)]
    assert every[:3] == [hit.id for hit in page.hits]
    assert len(set(every)) == 7

    async def together():
        one = AsyncClient(socket)
        texts = [f"a dog and {i} balls" for i in range(20)]
        answers = await asyncio.gather(*(one.search(text, limit=1, all=True) for text in texts))
        batch = await one.search_many([api.SearchRequest(text=t, limit=1, all=True) for t in texts])
        return answers, batch

    answers, batch = asyncio.run(together())
    assert [a.hits for a in answers] == [b.hits for b in batch]


def test_a_repeated_text_needs_no_worker(start, shipped_photos):
    daemon = start(shipped_photos, encode__idle_s=1)
    daemon.wait_until_indexed(len(list(shipped_photos.rglob("*.jpg"))))
    first = daemon.post("/v1/search", {"text": "a cat looking at the camera"})
    daemon.wait_until(lambda: not daemon.status()["model"]["loaded"])
    again = daemon.post("/v1/search", {"text": "a cat looking at the camera"})
    assert again["hits"] == first["hits"]
    assert not daemon.status()["model"]["loaded"]


class Watching:
    """`imgvec watch` beside a daemon."""

    def __init__(self, daemon, *arguments):
        self.log = daemon.home / "watched"
        command = [sys.executable, "-m", "imgvecd.client.main", "watch", *arguments, "--json"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, env=daemon.env, stdout=log)

    def names(self):
        lines = self.log.read_text().splitlines()
        return [Path(json.loads(line)["hit"]["path"]).name for line in lines]

    def stop(self):
        self.process.kill()
        self.process.wait()


def test_who_watches_is_told_once_even_if_the_daemon_is_killed(start, tmp_path, shipped_photos):
    folder = tmp_path / "watched folder"
    folder.mkdir()
    shutil.copy(shipped_photos / "2024" / "rocket.jpg", folder)
    daemon = start(folder)
    clock = daemon.wait_until_indexed(1)["clock"]
    watching = Watching(daemon, "a cat", "--min-score=-1", "--since", clock)
    try:
        shutil.copy(PHOTOS / "cat.jpg", folder)
        daemon.wait_until(lambda: watching.names() == ["cat.jpg"])
        daemon.kill()
        shutil.copy(PHOTOS / "coffee.jpg", folder)
        daemon = start(folder)
        daemon.wait_until(lambda: watching.names() == ["cat.jpg", "coffee.jpg"])
        shutil.copy(PHOTOS / "brick.jpg", folder)
        daemon.wait_until(lambda: watching.names() == ["cat.jpg", "coffee.jpg", "brick.jpg"])
    finally:
        watching.stop()
