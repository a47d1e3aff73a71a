"""The main job, with nothing faked: a folder becomes searchable, and stays so."""

import contextlib
import http.client
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image
from running import RunningDaemon

TESTS = Path(__file__).parents[1]


# the larger one at night: what is done is the same
@pytest.fixture(params=["shipped_photos", pytest.param("shared_photos", marks=pytest.mark.nightly)])
def library(request):
    """A folder of photos, and whether the daemon starts with the model's towers kept."""
    return request.getfixturevalue(request.param), request.param == "shared_photos"


def images_in(folder):
    return [path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"}]


def re_encode(photo, target):
    with Image.open(photo) as image:
        image.save(target, quality=50)


def find(daemon, text, path, limit=2):
    """Wait until a search for `text` has `path` among its first hits."""
    daemon.wait_until(lambda: str(path) in daemon.search(text, limit))


def encoded(daemon):
    return daemon.status()["encoded"]


def test_a_folder_becomes_searchable_and_stays_so(start, library, shipped_photos):
    photos, kept = library
    cat, coffee = (next(shipped_photos.rglob(name)) for name in ("cat.jpg", "coffee.jpg"))
    daemon = start(photos, kept=kept)  # once from the very first start on
    count = len(images_in(photos))
    status = daemon.wait_until_indexed(count)
    assert status["files"] == {"seen": count, "indexed": count, "pending": 0, "failed": 0}
    assert status["model"]["name"] == "imgvecd-mini"
    daemon.post("/v1/checkpoint")
    before = encoded(daemon)

    added = photos / "new folder" / "Ünïcode 猫.JPG"
    added.parent.mkdir()
    re_encode(cat, added)  # other pixels than the cat that may be there already
    find(daemon, "a photo of a cat", added)

    re_encode(coffee, added)
    find(daemon, "a cup of coffee", added)
    daemon.wait_until(lambda: str(added) not in daemon.search("a photo of a cat", limit=2))
    assert encoded(daemon) == before + 2

    renamed = added.with_name("renamed.jpg")
    added.rename(renamed)
    find(daemon, "a cup of coffee", renamed)
    assert str(added) not in daemon.search("a cup of coffee", limit=50)

    moved = photos / "renamed folder"
    renamed.parent.rename(moved)
    find(daemon, "a cup of coffee", moved / "renamed.jpg")

    copy = photos / "copy.jpg"
    shutil.copy(moved / "renamed.jpg", copy)
    daemon.wait_until_indexed(count + 2)

    (moved / "renamed.jpg").unlink()
    find(daemon, "a cup of coffee", copy)
    copy.unlink()
    daemon.wait_until(lambda: str(copy) not in daemon.search("a cup of coffee", 50))
    assert encoded(daemon) == before + 2
    assert daemon.wait_until_indexed(count)
    assert daemon.stop() == 0

    again = start(photos)
    again.wait_until_indexed(count)
    assert encoded(again) == 0
    assert again.search("a photo of a cat") == daemon_free_search(again, "a photo of a cat")
    assert again.stop() == 0


def daemon_free_search(daemon, text):
    """The same search by the query tool."""
    result = daemon.imgvec("search", text, "--all", "--limit", "5")
    assert result.returncode == 0, result.stderr
    return [os.fsdecode(line) for line in result.stdout.splitlines()]


def test_words_find_their_pictures(start, shipped_photos):
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(len(images_in(shipped_photos)))
    for word in ("cat", "coffee", "rocket", "motorcycle", "galaxies"):
        assert Path(daemon.search(word, limit=1)[0]).stem == word


def test_changes_while_stopped_are_found_without_encoding_twice(start, shipped_photos):
    count = len(images_in(shipped_photos))
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(count)
    assert daemon.stop() == 0
    cat = next(shipped_photos.rglob("cat.jpg"))
    cat.rename(cat.with_name("moved cat.jpg"))
    next(shipped_photos.rglob("brick.jpg")).unlink()
    again = start(shipped_photos)
    again.wait_until_indexed(count - 1)
    assert again.search("a cat", limit=1) == [str(cat.with_name("moved cat.jpg"))]
    assert encoded(again) == 0


def test_kill_9_loses_nothing_that_was_committed(start, shipped_photos):
    count = len(images_in(shipped_photos))
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(count)
    daemon.kill()
    again = start(shipped_photos)
    again.wait_until_indexed(count)
    assert encoded(again) == 0
    assert Path(again.search("rocket", limit=1)[0]).name == "rocket.jpg"


def test_two_roots_and_excludes(start, shipped_photos, tmp_path):
    other = tmp_path / "other"
    (other / "private").mkdir(parents=True)
    cat = next(shipped_photos.rglob("cat.jpg"))
    shutil.copy(cat, other / "private" / "secret.jpg")
    shutil.copy(cat, other / "second cat.jpg")
    daemon = start(shipped_photos, other, exclude="private/")
    daemon.wait_until_indexed(len(images_in(shipped_photos)) + 1)
    answer = daemon.post("/v1/search", {"text": "a cat", "limit": 1})
    (hit,) = answer["hits"]
    assert {hit["path"], *(path["path"] for path in hit["other_paths"])} == {
        str(cat),
        str(other / "second cat.jpg"),
    }


def test_names_that_are_not_utf8_come_out_as_they_are(start, tmp_path, shipped_photos):
    folder = os.fsencode(tmp_path / "odd")
    os.mkdir(folder)
    path = os.path.join(folder, b"caf\xe9 \n.jpg")
    shutil.copy(next(shipped_photos.rglob("cat.jpg")), path)
    daemon = start(os.fsdecode(folder))
    daemon.wait_until_indexed(1)
    found = daemon.imgvec("search", "cat", "-0")
    assert found.stdout == path + b"\0"


def test_searching_by_image_and_by_id(start, shipped_photos):
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(len(images_in(shipped_photos)))
    cat = next(shipped_photos.rglob("cat.jpg"))
    by_path = daemon.post("/v1/search", {"image": {"path": str(cat)}, "limit": 1})["hits"][0]
    assert by_path["path"] == str(cat)
    assert by_path["score"] == pytest.approx(1, abs=0.01)
    by_id = daemon.post("/v1/search", {"image": {"id": by_path["id"]}, "limit": 1})["hits"][0]
    assert by_id["id"] == by_path["id"]
    found = daemon.imgvec("search", "--image", cat, "--limit", 1)
    assert found.stdout == os.fsencode(cat) + b"\n"


def test_who_waits_for_idle_has_everything(tmp_path, shipped_photos):
    """Also if the first scan ends while its files are being counted."""
    env = {"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "ENCODED": os.devnull}
    home = tmp_path / "home"
    daemon = RunningDaemon(home, [shipped_photos], module="late_daemon", env=env, wait=False)

    def idle():
        with contextlib.suppress(OSError, http.client.HTTPException):  # it does not serve yet
            status = daemon.status()
            return status if status["state"] == "idle" else None

    try:
        assert daemon.wait_until(idle)["files"]["indexed"] == len(images_in(shipped_photos))
    finally:
        daemon.kill()


def test_who_adds_a_photo_and_waits_for_idle_has_it(start, tmp_path, shipped_photos):
    first, *others = images_in(shipped_photos)[:4]
    library = tmp_path / "library"
    library.mkdir()
    shutil.copy(first, library)
    daemon = start(library)
    daemon.wait_until_indexed(1)
    for number, photo in enumerate(others, start=2):
        shutil.copy(photo, library)
        daemon.wait_until(lambda: daemon.status()["state"] == "idle")
        assert daemon.status()["files"]["indexed"] == number
        assert str(library / photo.name) in daemon.search("a photo", limit=number)


def test_a_second_daemon_is_refused_and_the_first_goes_on(start, shipped_photos):
    daemon = start(shipped_photos)
    with pytest.raises(AssertionError, match="in use by process"):
        start(shipped_photos)
    assert daemon.get("/v1/health")["status"] == "ok"
