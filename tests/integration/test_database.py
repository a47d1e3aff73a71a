"""`VectorDatabase` on real photos with the embedded model."""

import itertools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kept_state import keep_state
from running import DEADLINE_S, wait_until

import imgvecd
from imgvecd import VectorDatabase, VectorDBManager, api
from imgvecd.core.library import checkpoint_digests
from imgvecd.core.library.checkpoint_digests import digest_checkpoint
from imgvecd.errors import (
    BadRequestError,
    CatalogDamagedError,
    CatalogError,
    ConfigError,
    DimensionError,
    ModelError,
    NotFoundError,
    UnreadableImageError,
)

TESTS = Path(__file__).parents[1]
PHOTOS = TESTS / "data" / "photos"
NAMES = ["cat", "coffee", "rocket", "motorcycle"]


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    place = keep_state(tmp_path_factory.mktemp("db"))
    with VectorDatabase("imgvecd-mini", db_path=place) as database:
        database.add_images_batch([PHOTOS / f"{name}.jpg" for name in NAMES])
        yield database


@pytest.fixture
def kept(tmp_path):
    """Where a database with the embedded model has been, without any image."""
    return keep_state(tmp_path / "kept")


def names(results):
    return [Path(result["image_path"]).stem for result in results]


def test_text_finds_what_the_photo_shows(database):
    for name in NAMES:
        (best,) = database.search_by_text(f"a photo of a {name}", k=1)
        assert names([best]) == [name]
        assert -1 <= best["similarity"] <= 1


def test_an_image_finds_itself_first(database):
    best, *others = database.search_by_image(PHOTOS / "cat.jpg", k=3)
    assert names([best]) == ["cat"]
    assert best["similarity"] == pytest.approx(1, abs=0.01)
    assert len(others) == 2
    assert (best["format"], best["width"], best["height"]) == ("jpeg", 400, 266)


def test_the_query_of_the_clients_is_the_librarys_too(database):
    query = api.SearchRequest(terms=(api.Term(text="a cat"), api.Term(text="a dog", weight=-0.5)))
    page = database.search(query, limit=2, filters=api.Filters(format=("jpg",)))
    assert Path(page.hits[0].path).stem == "cat"
    following = database.search(
        query, limit=2, filters=api.Filters(format=("jpg",)), cursor=page.next_cursor
    )
    paths = {hit.path for hit in (*page.hits, *following.hits)}
    assert len(paths) == len(NAMES)
    with pytest.raises(BadRequestError, match="limit"):
        database.search("a cat", limit=0)
    with pytest.raises(BadRequestError, match="not a public address"):
        database.search(api.SearchRequest(image=api.Term(url="http://127.0.0.1/cat.jpg")))


def test_metadata_comes_back_with_the_image(database):
    image_id = database.add_image(PHOTOS / "cat.jpg", metadata={"tags": ["cute"], "stars": 5})
    (best,) = database.search_by_text("cat", k=1)
    assert (best["id"], best["metadata"]) == (image_id, {"tags": ["cute"], "stars": 5})


def test_adding_the_same_again_changes_nothing(database):
    before = database.get_stats()["total_images"]
    ids = database.add_images_batch([PHOTOS / "cat.jpg", PHOTOS / "cat.jpg"])
    assert ids[0] == ids[1]
    assert database.get_stats()["total_images"] == before


def test_stats(database):
    stats = database.get_stats()
    assert stats["total_images"] == len(NAMES)
    assert stats["model_name"] == "imgvecd-mini"
    assert stats["dimension"] == database.dimension
    assert stats["formats"] == {"jpeg": len(NAMES)}


def test_a_notebook_shows_what_it_is_and_completes_its_name(database):
    assert repr(database) == f"<VectorDatabase {database.db_path!r}, imgvecd-mini>"
    assert {"VectorDatabase", "VectorDBManager", "Client"} <= set(dir(imgvecd))


def test_what_other_threads_are_at_ends_when_the_database_is_closed(kept):
    database = VectorDatabase("imgvecd-mini", db_path=kept)
    image_id = database.add_image(PHOTOS / "cat.jpg")
    calls = [
        lambda number: database.search_by_text(f"a cat {number}"),
        lambda number: database.add_image(np.full((9, 9), number % 256, np.uint8)),
        lambda _: database.thumbnail(image_id),
        lambda _: database.get_stats(),
        lambda _: database.read_only,
    ]
    at_work = threading.Barrier(len(calls) + 1)
    ends: list[Exception] = []

    def ask(call):
        at_work.wait()
        try:
            for number in itertools.count():
                call(number)
        except Exception as error:  # noqa: BLE001  # whatever it is
            ends.append(error)

    threads = [threading.Thread(target=ask, args=(call,), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    at_work.wait()
    database.close()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert len(ends) == len(calls)
    assert all(isinstance(end, BadRequestError | CatalogError) for end in ends), ends


WRONG_CALLS: dict[str, tuple[list[Any], list[Callable[[Any, Any], Any]]]] = {
    "whole": (
        [None, True, 2.5, float("nan"), "1", [1], np.float32(1), np.array([1, 2]), 10**30, -1],
        [
            lambda db, value: db.search_by_text("cat", value),
            lambda db, value: db.thumbnail(1, value),
        ],
    ),
    "id": (
        [None, True, 2.5, "1", [1], 10**30],
        [
            lambda db, value: db.remove_image(value),
            lambda db, value: db.get_image(value),
            lambda db, value: db.thumbnail(value),
            lambda db, value: db.set_metadata(value, {}),
            lambda db, value: db.tag([value], ["a"]),
        ],
    ),
    "number": (
        [None, True, float("nan"), 10**400, "1", [1]],
        [
            lambda db, value: db.search_combined("a", PHOTOS / "cat.jpg", text_weight=value),
            lambda db, value: db.find_duplicates(value),
            lambda db, value: db.check_duplicate(PHOTOS / "cat.jpg", value),
        ],
    ),
    "text": (
        [5, b"a", ["a"], "\udcff"],
        [
            lambda db, value: db.search_by_text(value),
            lambda db, value: db.search(value),
            lambda db, value: db.search("a", filters={"tags": [value]}),
            lambda db, value: db.search("a", cursor=value),
            lambda db, value: db.tag([], [value]),
            lambda db, value: db.decide_duplicates([value, value], "keep_both"),
            lambda db, value: db.decide_duplicates(["aa", "bb"], value),
            lambda db, value: db.export_metadata("x.json", since=value),
            lambda db, value: db.find_duplicates(prefer=[value]),
            lambda _, value: VectorDatabase(value),
        ],
    ),
    "list": (
        [5, "abc", b"abc", Path("a"), {"a": 1}, np.array(2)],
        [
            lambda db, value: db.add_images_batch(value),
            lambda db, value: db.add_images_batch([], value),
            lambda db, value: db.add_images_explained(value),
            lambda db, value: db.remove_images(value),
            lambda db, value: db.tag([], value),
            lambda db, value: db.decide_duplicates(value, "keep_both"),
            lambda db, value: VectorDBManager(database=db).index_files(value),
        ],
    ),
    "dict": (
        [5, "abc", ["a"], True],
        [
            lambda db, value: db.add_image(PHOTOS / "cat.jpg", value),
            lambda db, value: db.add_images_batch([PHOTOS / "cat.jpg"], [value]),
            lambda db, value: db.set_metadata(1, value),
            lambda _, value: VectorDatabase("imgvecd-mini", encode=value),
        ],
    ),
    "path": (
        [5, None, ["a"], "a\0b", b"a\0b"],
        [
            lambda db, value: db.import_legacy(value),
            lambda db, value: db.export_metadata(value),
            lambda db, value: db.relocate(value, "/a"),
            lambda db, value: db.relocate("/a", value),
            lambda db, value: VectorDBManager(database=db).index_directory(value),
            lambda _, value: VectorDatabase(db_path=value),
        ],
    ),
}


@pytest.mark.parametrize("kind", WRONG_CALLS)
def test_values_that_make_no_sense_are_told_of(database, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = database.get_stats()["total_images"]
    values, calls = WRONG_CALLS[kind]
    for call in calls:
        for value in values:
            with pytest.raises((BadRequestError, ConfigError)) as raised:
                call(database, value)
            assert len(str(raised.value)) < 500
    assert database.get_stats()["total_images"] == images
    assert os.listdir(tmp_path) == []


def test_values_of_numpy_and_of_other_lists_are_as_good(database):
    image_id = database.search_by_text("cat", np.int64(1))[0]["id"]
    assert database.thumbnail(np.int64(image_id), np.uint16(64))
    database.tag(np.array([image_id]), ("a",))
    assert database.search_by_text(np.str_("cat"), 1) == database.search_by_text("cat", 1)
    database.tag([image_id], np.array(["b"]), [np.str_("b")])
    database.tag({image_id}, (), (tag for tag in ["A"]))
    paths = (PHOTOS / f"{name}.jpg" for name in NAMES)
    assert len(database.add_images_batch(paths, iter([None] * len(NAMES)))) == len(NAMES)
    cat = PHOTOS / "cat.jpg"
    assert database.search_combined("a", cat, text_weight=np.float32(0.5), image_weight=1)
    with pytest.raises(BadRequestError, match="must be a path"):
        database.search_by_image("a\0b")


def test_what_cannot_be_added_is_named(database, tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    with pytest.raises(UnreadableImageError, match=r"text\.jpg"):
        database.add_image(text)
    with pytest.raises(FileNotFoundError) as missing:
        database.add_image(tmp_path / "missing.jpg")
    assert missing.value.filename == str(tmp_path / "missing.jpg")
    with pytest.raises(UnreadableImageError, match=r"text\.jpg: it is not a picture"):
        database.search_by_image(text)
    with pytest.raises(BadRequestError, match="expected a list of image files"):
        database.add_images_batch(str(PHOTOS / "cat.jpg"))
    with pytest.raises(UnreadableImageError, match="not a regular file"):
        database.add_image(tmp_path)
    good_and_bad = database.add_images_batch([PHOTOS / "cat.jpg", text])
    assert isinstance(good_and_bad[0], int)
    assert good_and_bad[1] is None


def test_arguments_that_make_no_sense_are_refused(database, tmp_path):
    with pytest.raises(BadRequestError, match="k must be at least 1"):
        database.search_by_text("cat", k=0)
    with pytest.raises(BadRequestError, match="2 entries for 1 images"):
        database.add_images_batch([PHOTOS / "cat.jpg"], [{}, {}])
    with pytest.raises(BadRequestError, match="JSON"):
        database.add_image(PHOTOS / "cat.jpg", metadata={"x": object()})
    with pytest.raises(FileNotFoundError):
        database.search_by_image(tmp_path / "missing.jpg")


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda d: d.search_by_text("a cat", k=2.5), "k must be a whole number"),
        (lambda d: d.search_by_text("a cat", k="2"), "k must be a whole number"),
        (lambda d: d.search_by_text("a cat", k=None), "k must be a whole number"),
        (lambda d: d.search_by_text(["a", "b"]), "not list"),
        (lambda d: d.search_by_text(None), "not NoneType"),
        (lambda d: d.search_by_text(b"a cat"), "not bytes"),
        (lambda d: d.search_by_image(["a.jpg"]), "expected a picture .* not list"),
        (lambda d: d.search_combined("a", PHOTOS / "cat.jpg", text_weight="x"), "weight"),
        (lambda d: d.search(["a", "b"]), "text"),
        (lambda d: d.search("a", limit=2.5), "limit"),
        (lambda d: d.add_image(5), "expected a picture .* not int"),
        (lambda d: d.add_images_batch("a.jpg"), "expected a list"),
        (lambda d: d.add_images_batch(5), "expected a list"),
        (lambda d: d.add_images_explained("a.jpg"), "expected a list"),
        (lambda d: d.get_image("x"), "whole number"),
        (lambda d: d.get_image(1.5), "whole number"),
        (lambda d: d.remove_images(5), "expected a list"),
        (lambda d: d.tag("12", ["x"]), "expected a list"),
        (lambda d: d.set_metadata("x", {}), "whole number"),
    ],
)
def test_arguments_of_another_type_are_refused_in_words(database, call, complaint):
    with pytest.raises(BadRequestError, match=complaint):
        call(database)


def test_whole_numbers_of_numpy_are_numbers(database):
    (found,) = database.search_by_text("a cat", k=np.int64(1))
    assert database.get_image(np.int64(found["id"]))["id"] == found["id"]


FORKING = """
import sys
from forks import in_a_fork
from imgvecd import VectorDatabase
from imgvecd.batch_encoder import BatchEncoder
from imgvecd.errors import BadRequestError

kept, picture = sys.argv[1:]

def refusal(call):
    try:
        return f"not refused: {call()}"
    except BadRequestError as error:
        return str(error)

def use():
    calls = [lambda: database.search_by_text("a cat"), database.get_stats, lambda: database.clock]
    calls += [lambda: VectorDatabase("imgvecd-mini", db_path=path) for path in (kept, kept + "2")]
    told = [refusal(call) for call in calls]
    database.close()
    return told, refusal(lambda: encoder.encode([picture])), encoder.close()

def use_own():
    with VectorDatabase("imgvecd-mini", db_path=kept) as own:
        return own.search_by_text("a cat", k=1)[0]["image_path"]

encoder = BatchEncoder("imgvecd-mini")
database = VectorDatabase("imgvecd-mini", db_path=kept)
database.add_images_batch([picture])
told, of_encoder, _ = in_a_fork(use)
assert all("close the database before you fork" in each for each in told), told
assert "make one in here" in of_encoder, of_encoder
assert database.search_by_text("a cat", k=1)
assert encoder.encode([picture])[0].vector is not None
encoder.close()
database.close()
assert in_a_fork(use_own).endswith("cat.jpg")
"""


def test_a_process_forked_off_is_told_what_to_do_instead_of_hanging(kept, tmp_path):
    """In a program of its own: a process of tests has threads of all kinds."""
    command = [sys.executable, "-c", FORKING, str(kept), str(PHOTOS / "cat.jpg")]
    keep_state(tmp_path / "imgvecd-encoders", catalog=False)
    env = {**os.environ, "PYTHONPATH": str(TESTS), "XDG_STATE_HOME": str(tmp_path)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=DEADLINE_S, env=env
    )
    assert done.returncode == 0, done.stderr


def test_a_checkpoint_is_read_once_where_a_library_begins_and_not_at_all_later(kept, monkeypatch):
    read = []

    def digest(path):
        read.append(Path(path).suffix)
        return digest_checkpoint(path)

    monkeypatch.setattr(checkpoint_digests, "digest_checkpoint", digest)
    VectorDatabase("imgvecd-mini", db_path=kept).close()
    assert read.count(".safetensors") == 1
    VectorDatabase("imgvecd-mini", db_path=kept).close()
    assert read.count(".safetensors") == 1


def test_one_process_can_open_it_many_times(database):
    with VectorDatabase(db_path=database.db_path) as again:  # with the model that it has
        assert names(again.search_by_text("a photo of a cat", k=1)) == ["cat"]
        with pytest.raises(BadRequestError, match="open with imgvecd-mini"):
            VectorDatabase("RN50", "openai", db_path=database.db_path)
    assert database.get_stats()["total_images"] == len(NAMES)


_ANOTHER_PROCESS = """
import sys
from imgvecd import VectorDatabase, api
from imgvecd.errors import ReadOnlyError
with VectorDatabase(db_path=sys.argv[1]) as database:
    print(database.read_only, len(database.search_by_text("a photo of a cat", k=10)), flush=True)
    try:
        database.add_image(sys.argv[2])
    except ReadOnlyError as error:
        print("refused", flush=True)
    sys.stdin.readline()
    (best,) = database.search_by_image(sys.argv[2], k=1)
    print(best["image_path"] == sys.argv[2], best["metadata"], flush=True)
"""


@pytest.mark.long
def test_other_processes_read_what_the_first_one_writes(kept):
    rocket = str(PHOTOS / "rocket.jpg")
    with VectorDatabase("imgvecd-mini", db_path=kept) as database:
        database.add_image(PHOTOS / "cat.jpg")
        reader = subprocess.Popen(
            [sys.executable, "-c", _ANOTHER_PROCESS, str(kept), rocket],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert reader.stdout.readline() == "True 1\n"
            assert reader.stdout.readline() == "refused\n"
            database.add_image(rocket, metadata={"a": 1})
            output, _ = reader.communicate("go on\n", timeout=DEADLINE_S)
        finally:
            reader.kill()
    assert output == "True {'a': 1}\n"


def test_removed_images_are_found_no_more_and_can_come_back(kept):
    with VectorDatabase("imgvecd-mini", db_path=kept) as database:
        cat, coffee = database.add_images_batch([PHOTOS / "cat.jpg", PHOTOS / "coffee.jpg"])
        database.remove_image(cat)
        assert names(database.search_by_text("a photo of a cat")) == ["coffee"]
        with pytest.raises(NotFoundError, match=f"no image {cat}"):
            database.remove_images([coffee, cat])
        assert names(database.search_by_text("a photo of a cat")) == ["coffee"]
        encoded = database._runtime.encoded
        assert database.add_image(PHOTOS / "cat.jpg") == cat
        assert database._runtime.encoded == encoded
        assert names(database.search_by_text("a photo of a cat", k=1)) == ["cat"]


def test_moved_files_are_followed_without_encoding(tmp_path, kept):
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(PHOTOS, old, ignore=shutil.ignore_patterns("*.md"))
    (old / "copy of cat.jpg").write_bytes((old / "cat.jpg").read_bytes())
    with VectorDatabase("imgvecd-mini", db_path=kept) as database:
        files = sorted(old.iterdir())
        ids = database.add_images_batch(files)
        encoded = database._runtime.encoded
        old.rename(new)
        (new / "cat.jpg").unlink()
        os.utime(new / "coffee.jpg")
        shutil.copy(new / "rocket.jpg", new / "grass.jpg")
        moved = database.relocate(old, new)
        assert moved == {"moved": len(files) - 2, "changed": 1, "missing": 1}
        assert database._runtime.encoded == encoded
        by_id = dict(zip(ids, files, strict=True))
        for name in ("coffee", "brick", "copy of cat"):
            (image_id,) = [key for key, path in by_id.items() if path.stem == name]
            paths = {database.get_image(image_id)["image_path"]}
            assert paths <= {str(new / f"{name}.jpg"), str(old / "cat.jpg")}
        rocket = ids[files.index(old / "rocket.jpg")]
        assert database.add_image(new / "grass.jpg") == rocket


def test_threads_can_share_it(database):
    found = []
    threads = [
        threading.Thread(
            target=lambda name=name: found.extend(names(database.search_by_text(name, k=1)))
        )
        for name in NAMES
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(NAMES)


def test_it_is_all_there_when_opened_again(tmp_path):
    keep_state(tmp_path, catalog=False)
    with VectorDatabase("imgvecd-mini", db_path=tmp_path) as database:
        first = database.add_image(PHOTOS / "cat.jpg", metadata={"a": 1})
    assert len(list(tmp_path.glob("backups/*.sqlite"))) == 1
    with VectorDatabase("imgvecd-mini", db_path=tmp_path) as database:
        (best,) = database.search_by_text("cat")
        assert (best["id"], best["metadata"]) == (first, {"a": 1})
        assert database._runtime.encoded == 0
    with pytest.raises(BadRequestError, match="closed"):
        database.search_by_text("cat")


def test_a_text_that_was_answered_while_the_catalog_was_written_needs_no_model_later(kept):
    database = VectorDatabase("imgvecd-mini", db_path=kept)
    database.add_image(PHOTOS / "cat.jpg")
    runtime, text = database._runtime, "a text that nobody asked before"
    closing = threading.Thread(target=database.close)
    with runtime.catalog._database.write_aside():
        assert database.search_by_text(text)
        closing.start()
        wait_until(lambda: runtime._is_closing)
    closing.join()
    with VectorDatabase("imgvecd-mini", db_path=kept) as database:
        found = database._runtime.catalog.searching.texts(
            database._runtime.model.fingerprint, [text]
        )
        assert text in found


@pytest.mark.nightly
def test_it_is_restored_from_the_backup_that_closing_made(kept):
    with VectorDatabase("imgvecd-mini", db_path=kept) as database:
        cat = database.add_image(PHOTOS / "cat.jpg")
    (kept / "catalog.sqlite").write_bytes(b"no catalog at all")
    with pytest.raises(CatalogDamagedError):
        VectorDatabase(db_path=kept, read_only=True)
    with VectorDatabase(db_path=kept) as database:
        assert database.get_image(cat)["image_path"] == str(PHOTOS / "cat.jpg")
        assert database._runtime.encoded == 0


def test_a_wrong_dimension_is_refused_before_anything_is_added(tmp_path):
    keep_state(tmp_path, catalog=False)
    with pytest.raises(DimensionError, match="dimension=7 does not fit"):
        VectorDatabase("imgvecd-mini", db_path=tmp_path, dimension=7)


def test_arguments_have_their_former_names_too(database, tmp_path):
    text = names(database.search_by_text(query="a photo of a cat", k=1))
    assert text == names(database.search_by_text(query_text="a photo of a cat", k=1)) == ["cat"]
    assert names(database.search_by_image(query_image_path=PHOTOS / "cat.jpg", k=1)) == ["cat"]
    assert database.export_metadata(output_file=tmp_path / "all.json") >= len(NAMES)
    with pytest.raises(TypeError, match="'query_text' and 'query'"):
        database.search_by_text(query_text="a", query="b")
    with pytest.raises(TypeError, match="unexpected keyword"):
        database.search_by_text(words="a")


def test_a_model_that_cannot_be_had_gives_way_to_the_packages_own(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    keep_state(tmp_path / "db", catalog=False)
    with VectorDatabase(db_path=tmp_path / "db") as database:
        assert database.get_stats()["model_name"] == "imgvecd-mini"
    assert "is not available here" in caplog.text
    with VectorDatabase(db_path=tmp_path / "db") as database:  # it stays on it
        assert database.get_stats()["model_name"] == "imgvecd-mini"
    with pytest.raises(ModelError, match="imgvecd-mini"):
        VectorDatabase("ViT-B-32", "laion2b_s34b_b79k", db_path=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_settings_of_encoding_that_make_no_sense_are_told_and_leave_nothing(tmp_path):
    for settings in ({"remot": []}, {"without_remote": "wait"}, {"remote": [{"url": "ftp://x"}]}):
        with pytest.raises(ConfigError, match="encode: "):
            VectorDatabase("imgvecd-mini", db_path=tmp_path / "db", encode=settings)
    assert not (tmp_path / "db").exists()
