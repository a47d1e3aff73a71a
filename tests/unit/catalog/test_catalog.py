import hashlib
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from imgvecd.api import Filters
from imgvecd.catalog import Catalog
from imgvecd.catalog.queries import search_store
from imgvecd.core.index.packed_vectors import unpacked
from imgvecd.errors import CatalogError
from imgvecd.types import (
    FileChanges,
    FileMove,
    FoundFile,
    ImageInfo,
    ModelInfo,
    MountRow,
    PreprocessSpec,
    Stamp,
)

DIM = 8
MODEL = ModelInfo("m1", "tiny", "", DIM, PreprocessSpec(32, (0.5,) * 3, (0.5,) * 3))
OTHER = ModelInfo("m2", "tiny2", "", DIM, PreprocessSpec(32, (0.5,) * 3, (0.5,) * 3))
INFO = ImageInfo("jpeg", 640, 480, "2023-05-01T10:00:00", metadata={"camera": "X"})


@pytest.fixture
def catalog(tmp_path):
    catalog = Catalog(str(tmp_path / "state"))
    catalog.models.activate([MODEL])
    yield catalog
    catalog.close()


@pytest.fixture
def root(catalog):
    (root,) = catalog.files.set_roots([b"/photos"])
    return root


def stamp(inode, mtime_ns=5, size_bytes=100):
    return Stamp(size_bytes, mtime_ns, inode, mtime_ns)


def add(catalog, root, *paths, first_inode=1):
    added = []
    for inode, path in enumerate(paths, first_inode):
        directory, _, name = path.rpartition(b"/")
        added.append((root.id, directory, FoundFile(name, stamp(inode))))
    catalog.files.apply(FileChanges(added=tuple(added)))


def read_all(catalog, hash_of=lambda file: file.name.ljust(32)):
    files = catalog.work.pending_files(1000)
    catalog.work.link_contents([(file, hash_of(file)) for file in files])


def encode_all(catalog, model=MODEL):
    todo = catalog.work.contents_to_encode(model.fingerprint, 1000, set())
    ids = [content_id for content_id, _ in todo]
    catalog.work.commit_embeddings(
        model.fingerprint, [(content_id, INFO) for content_id in ids], vectors_of(ids), []
    )
    return ids


def vectors_of(ids):
    rows = (
        np.stack([np.random.default_rng(i).normal(size=DIM) for i in ids])
        if ids
        else np.zeros((0, DIM))
    )
    rows /= np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9)
    return rows.astype(np.float32)


def index_of(catalog, model=MODEL, since=0, limit=3):
    """Replay the changes as the index does; return (clock, {id: vector})."""
    held = {}
    while True:
        count, changes = catalog.embeddings.embedding_changes(model.fingerprint, since, limit)
        for content_id in changes.removed:
            held.pop(int(content_id), None)
        held.update(zip(changes.added.tolist(), unpacked(changes.vectors), strict=True))
        if not count and changes.clock == since:
            return since, held
        since = changes.clock


def rows(catalog, root, directory=b"", recursive=True):
    return list(catalog.files.iter_files(root.id, directory, recursive=recursive))


def test_new_files_are_read_then_encoded_and_reach_the_index(catalog, root):
    add(catalog, root, b"a.jpg", b"sub/b.jpg")
    assert catalog.images.counts("m1").pending == 2
    read_all(catalog)
    assert catalog.images.counts("m1").pending == 2
    ids = encode_all(catalog)
    counts = catalog.images.counts("m1")
    assert (counts.seen, counts.indexed, counts.pending, counts.failed) == (2, 2, 0, 0)
    _, held = index_of(catalog)
    assert set(held) == set(ids)
    assert catalog.embeddings.live_count("m1") == 2


def test_same_bytes_are_one_content_and_encoded_once(catalog, root):
    add(catalog, root, b"a.jpg", b"copy of a.jpg")
    read_all(catalog, lambda file: b"same".ljust(32))
    (content_id,) = encode_all(catalog)
    assert len(catalog.images.images([content_id])[content_id].files) == 2


def test_listing_is_by_folder_and_by_subtree(catalog, root):
    add(catalog, root, b"a.jpg", b"s/b.jpg", b"s/t/c.jpg", b"s0/d.jpg", b"s\xff/e.jpg")
    assert [row.relative for row in rows(catalog, root, b"s")] == [b"s/b.jpg", b"s/t/c.jpg"]
    assert [row.relative for row in rows(catalog, root, b"s", recursive=False)] == [b"s/b.jpg"]
    assert catalog.files.subdirectories(root.id, b"") == {b"s", b"s/t", b"s0", b"s\xff"}
    assert catalog.files.subdirectories(root.id, b"s") == {b"s/t"}


def test_moves_keep_ids_and_swaps_work(catalog, root):
    add(catalog, root, b"a.jpg", b"b.jpg")
    read_all(catalog)
    encode_all(catalog)
    before = {row.name: row for row in rows(catalog, root)}
    a, b = before[b"a.jpg"], before[b"b.jpg"]
    clock, _ = index_of(catalog)
    catalog.files.apply(
        FileChanges(
            moved=(
                FileMove(a.id, root.id, b"", b"b.jpg", a.stamp),
                FileMove(b.id, root.id, b"", b"a.jpg", b.stamp),
            )
        )
    )
    after = {row.name: row for row in rows(catalog, root)}
    assert (after[b"b.jpg"].id, after[b"a.jpg"].id) == (a.id, b.id)
    assert after[b"b.jpg"].content_id == a.content_id
    assert not catalog.work.pending_files(10)
    assert index_of(catalog, since=clock)[1] == {}


def test_a_move_onto_a_known_file_replaces_it(catalog, root):
    add(catalog, root, b"a.jpg", b"b.jpg")
    read_all(catalog)
    a, _ = rows(catalog, root)
    catalog.files.apply(FileChanges(moved=(FileMove(a.id, root.id, b"", b"b.jpg", a.stamp),)))
    (left,) = rows(catalog, root)
    assert (left.id, left.name) == (a.id, b"b.jpg")


def test_removal_leaves_the_index_but_not_the_embedding(catalog, root):
    add(catalog, root, b"a.jpg")
    read_all(catalog)
    (content_id,) = encode_all(catalog)
    clock, _ = index_of(catalog)
    (row,) = rows(catalog, root)
    catalog.files.apply(FileChanges(removed=(row.id,)))
    _, changes = catalog.embeddings.embedding_changes("m1", clock, 10)
    assert changes.removed.tolist() == [content_id]
    assert catalog.images.images([content_id]) == {}

    add(catalog, root, b"a.jpg", first_inode=9)
    read_all(catalog)
    assert catalog.work.contents_to_encode("m1", 10, set()) == []
    assert set(index_of(catalog)[1]) == {content_id}


def test_a_changed_file_shows_its_old_content_until_read_again(catalog, root):
    add(catalog, root, b"a.jpg")
    read_all(catalog)
    (old,) = encode_all(catalog)
    (row,) = rows(catalog, root)
    catalog.files.apply(FileChanges(changed=((row.id, stamp(1, mtime_ns=9)),)))
    assert old in catalog.images.images([old])
    read_all(catalog, lambda file: b"new".ljust(32))
    (new,) = encode_all(catalog)
    assert set(index_of(catalog)[1]) == {new}


def test_a_file_that_changed_while_being_read_stays_pending(catalog, root):
    add(catalog, root, b"a.jpg")
    (handed_out,) = catalog.work.pending_files(1)
    catalog.files.apply(FileChanges(changed=((handed_out.id, stamp(1, mtime_ns=9)),)))
    catalog.work.link_contents([(handed_out, b"x" * 32)])
    (again,) = catalog.work.pending_files(1)
    assert again.stamp.mtime_ns == 9
    assert again.content_id is None


def test_failures_are_counted_and_not_tried_again_until_the_file_changes(catalog, root):
    add(catalog, root, b"a.jpg", b"b.jpg")
    a, _ = catalog.work.pending_files(2)
    catalog.work.fail_files([(a, "unreadable", "permission denied")])
    read_all(catalog)
    ((bad, _),) = catalog.work.contents_to_encode("m1", 10, set())
    catalog.work.commit_embeddings("m1", [], vectors_of([]), [(bad, "damaged", "no JPEG")])
    counts = catalog.images.counts("m1")
    assert (counts.failed, counts.pending, counts.indexed) == (2, 0, 0)
    assert catalog.work.contents_to_encode("m1", 10, set()) == []
    catalog.files.apply(FileChanges(changed=((a.id, stamp(1, mtime_ns=9)),)))
    assert [file.id for file in catalog.work.pending_files(10)] == [a.id]


def test_offline_roots_are_left_alone(catalog, root):
    add(catalog, root, b"a.jpg", b"b.jpg")
    read_all(catalog, lambda file: file.name.ljust(32))
    add(catalog, root, b"c.jpg", first_inode=7)
    catalog.files.update_root(replace(root, offline_since_ns=1, offline_reason="unmounted"))
    assert catalog.work.pending_files(10) == []
    assert catalog.work.contents_to_encode("m1", 10, set()) == []
    assert not catalog.files.roots()[0].online


def test_a_dropped_root_takes_its_files_along_and_comes_back_for_free(catalog, root):
    add(catalog, root, b"a.jpg")
    read_all(catalog)
    encode_all(catalog)
    catalog.files.set_roots([])
    assert catalog.files.roots() == []
    while catalog.files.remove_dropped(1):
        pass
    assert catalog.embeddings.live_count("m1") == 0
    (again,) = catalog.files.set_roots([b"/photos"])
    assert again.id != root.id  # whoever still holds the old id must not take this for that
    root = again
    add(catalog, root, b"a.jpg")
    read_all(catalog)
    assert encode_all(catalog) == []
    assert catalog.embeddings.live_count("m1") == 1


def test_a_second_model_is_queued_and_the_first_keeps_its_vectors(catalog, root):
    add(catalog, root, b"a.jpg", b"b.jpg")
    read_all(catalog)
    encode_all(catalog)
    catalog.models.activate([MODEL, OTHER])
    assert catalog.images.counts("m2").pending == 2
    assert len(encode_all(catalog, OTHER)) == 2
    assert set(index_of(catalog, OTHER)[1]) == set(index_of(catalog, MODEL)[1])
    assert catalog.models.get("m2") == OTHER
    assert catalog.models.get("m3") is None


def test_streaming_is_one_snapshot(catalog, root):
    add(catalog, root, *(b"%d.jpg" % i for i in range(10)))
    read_all(catalog)
    ids = encode_all(catalog)
    clock, batches = catalog.embeddings.stream_embeddings("m1", 4)
    catalog.files.apply(FileChanges(removed=(rows(catalog, root)[0].id,)))
    batches = list(batches)
    assert {batch.clock for batch in batches} == {clock}
    assert np.concatenate([batch.added for batch in batches]).tolist() == sorted(ids)
    assert len(batches) == 3
    stored = catalog.embeddings.embeddings("m1", ids[:2])
    np.testing.assert_allclose(stored[ids[0]], vectors_of(ids)[0], atol=1e-3)


def test_names_that_are_not_utf8_survive(catalog, root):
    add(catalog, root, b"caf\xe9/\xff\n.jpg")
    read_all(catalog)
    (content_id,) = encode_all(catalog)
    assert catalog.images.path_of(content_id) == b"/photos/caf\xe9/\xff\n.jpg"
    (file,) = catalog.images.images([content_id])[content_id].files
    assert file.path_base64 is not None


def test_inodes_above_63_bits_survive(catalog, root):
    inode = (1 << 64) - 3
    catalog.files.apply(FileChanges(added=((root.id, b"", FoundFile(b"a.jpg", stamp(inode))),)))
    assert [row.stamp.inode for row in catalog.files.files_by_inode(inode)] == [inode]


def test_a_failed_transaction_changes_nothing(catalog, root):
    before = catalog.embeddings.clock()
    with pytest.raises(CatalogError, match="FOREIGN KEY"):
        add(catalog, type(root)(99, b"/none"), b"a.jpg")
    assert catalog.embeddings.clock() == before
    add(catalog, root, b"a.jpg")
    assert len(rows(catalog, root)) == 1


def test_readers_see_whole_transactions_beside_a_writer(catalog, root):
    stop = threading.Event()
    torn = []

    def watch():
        while not stop.is_set():
            if len(rows(catalog, root)) % 5:
                torn.append(1)

    reader = threading.Thread(target=watch)
    reader.start()
    for i in range(20):
        add(catalog, root, *(b"%d-%d.jpg" % (i, j) for j in range(5)), first_inode=i * 5 + 1)
    stop.set()
    reader.join()
    assert not torn
    assert len(rows(catalog, root)) == 100


def test_what_was_committed_is_there_after_reopening(catalog, root, tmp_path):
    add(catalog, root, b"a.jpg")
    instance, clock = catalog.embeddings.instance(), catalog.embeddings.clock()
    catalog.close()
    again = Catalog(str(tmp_path / "state"))
    assert (again.embeddings.instance(), again.embeddings.clock()) == (instance, clock)
    assert len(rows(again, root)) == 1
    again.close()


def test_when_it_was_made_is_known_after_reopening(catalog, tmp_path):
    made_at_s = catalog.made_at_s()
    assert 0 <= time.time() - made_at_s < 3600
    catalog.close()
    with closing(Catalog(str(tmp_path / "state"))) as again:
        assert again.made_at_s() == made_at_s


def test_a_newer_catalog_is_refused(catalog, tmp_path):
    catalog.close()
    path = tmp_path / "state" / "catalog.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO migrations VALUES ('9999-future', 0)")
    with pytest.raises(CatalogError, match="newer imgvecd"):
        Catalog(str(tmp_path / "state"))


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path):
    (tmp_path / "catalog.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(CatalogError, match=r"catalog\.sqlite"):
        Catalog(str(tmp_path))


def test_files_of_an_absent_mount_are_offline(catalog, root):
    paths = (b"card/a.jpg", b"card/s/b.jpg", b"card0/c.jpg", b"d.jpg")
    add(catalog, root, *paths)
    read_all(catalog)
    mount = MountRow(root.id, b"card", 7, (1 << 64) - 2, "f00", 5, "nothing is mounted there")
    catalog.files.put_mount(mount)
    assert catalog.files.mounts(root.id) == [mount]

    def offline():
        files = (file for image in catalog.images.page(0, 10) for file in image.files)
        return {file.path for file in files if file.offline}

    assert offline() == {"/photos/card/a.jpg", "/photos/card/s/b.jpg"}
    online = catalog.searching.matching(Filters(online=True))
    assert len(online) == 2
    todo = catalog.work.contents_to_encode(MODEL.fingerprint, 10, set())
    assert {file.relative for _, file in todo} == {b"card0/c.jpg", b"d.jpg"}
    add(catalog, root, b"card/e.jpg", b"f.jpg", first_inode=20)
    assert [file.name for file in catalog.work.pending_files(10)] == [b"f.jpg"]
    catalog.files.put_mount(replace(mount, offline_since_ns=None, offline_reason=None))
    assert offline() == set()
    catalog.files.drop_mount(root.id, b"card")
    assert catalog.files.mounts(root.id) == []
    catalog.files.put_mount(mount)
    catalog.files.set_roots([])
    while catalog.files.remove_dropped(1):
        pass
    assert catalog.files.mounts(root.id) == []


def test_a_dropped_root_goes_a_few_files_at_a_time(catalog, root):
    add(catalog, root, b"a.jpg", b"b.jpg", b"c.jpg")
    read_all(catalog, lambda file: file.name.ljust(32))
    add(catalog, root, b"d.jpg", first_inode=7)
    catalog.files.set_roots([])
    assert catalog.work.pending_files(10) == []  # nothing of it is read any more
    left = []
    while catalog.files.remove_dropped(2):
        left.append(len(list(catalog.files.iter_files(root.id, b"", recursive=True))))
    assert left == [2, 0, 0]
    assert not catalog.files.remove_dropped(2)
    assert catalog.embeddings.live_count("m1") == 0


def test_a_dropped_root_that_comes_back_keeps_what_is_left_of_it(catalog, root):
    add(catalog, root, b"a.jpg", b"b.jpg", b"c.jpg")
    catalog.files.update_root(replace(root, device=1, inode=2))
    catalog.files.set_roots([])
    catalog.files.remove_dropped(2)
    catalog.files.update_root(replace(root, device=1, inode=2))  # by who does not know it yet
    (again,) = catalog.files.set_roots([b"/photos"])
    assert again.online
    assert again.inode is None  # whatever folder is there now is it
    assert len(list(catalog.files.iter_files(again.id, b"", recursive=True))) == 1
    assert not catalog.files.remove_dropped(2)


def test_reading_an_older_catalog_says_who_brings_it_up_to_date(tmp_path):
    Catalog(str(tmp_path)).close()
    database = sqlite3.connect(tmp_path / "catalog.sqlite")
    database.execute("DELETE FROM migrations WHERE name = (SELECT max(name) FROM migrations)")
    database.commit()
    database.close()
    with pytest.raises(CatalogError, match=r"older imgvecd.*imgvecd serve"):
        Catalog(str(tmp_path), read_only=True)


@pytest.mark.parametrize("damaged", [b"", b"half", bytes(2 * DIM), b"\xff" * 2 * DIM])
@pytest.mark.parametrize("read", ["stream", "changes", "by id", "pixels"])
def test_a_damaged_embedding_is_never_handed_out(catalog, root, damaged, read):
    add(catalog, root, b"a.jpg", b"b.jpg")
    read_all(catalog)
    files = catalog.work.contents_to_encode(MODEL.fingerprint, 10, set())
    first, second = sorted(content_id for content_id, _ in files)
    catalog.work.commit_embeddings(
        MODEL.fingerprint,
        [(first, INFO), (second, INFO)],
        vectors_of([first, second]),
        [],
        {first: b"1" * 16, second: b"2" * 16},
    )
    with sqlite3.connect(catalog.path) as connection:
        connection.execute("UPDATE embeddings SET vector = ? WHERE key & 255 = ?", (damaged, first))
    told = []
    catalog.call_when_damaged(lambda: told.append(True))
    match read:
        case "stream":
            _, batches = catalog.embeddings.stream_embeddings(MODEL.fingerprint, 10)
            assert [batch.added.tolist() for batch in batches] == [[second]]
        case "changes":
            _, changes = catalog.embeddings.embedding_changes(MODEL.fingerprint, 0, 10)
            assert changes.added.tolist() == [second]
        case "by id":
            assert set(catalog.embeddings.embeddings(MODEL.fingerprint, [first, second])) == {
                second
            }
        case "pixels":
            digests = [b"1" * 16, b"2" * 16]
            found = catalog.work.vectors_of_pixels(MODEL.fingerprint, digests)
            assert set(found) == {b"2" * 16}
            return
    assert told
    assert encode_all(catalog) == [first]
    assert set(catalog.embeddings.embeddings(MODEL.fingerprint, [first, second])) == {first, second}


def test_embeddings_of_an_older_catalog_are_read_beside_newer_ones(catalog, root):
    add(catalog, root, b"a.jpg", b"b.jpg")
    read_all(catalog)
    ids = sorted(encode_all(catalog))
    vectors = vectors_of(ids)
    with sqlite3.connect(catalog.path) as connection:
        half = vectors[0].astype(np.float16).tobytes()
        connection.execute("UPDATE embeddings SET vector = ? WHERE key & 255 = ?", (half, ids[0]))
    found = catalog.embeddings.embeddings(MODEL.fingerprint, ids)
    np.testing.assert_allclose([found[i] for i in ids], vectors, atol=1e-3)
    _, held = index_of(catalog)
    np.testing.assert_allclose([held[i] for i in ids], vectors, atol=1e-3)
    assert catalog.examine() is None
    assert catalog.row_repair.findings() == []
    assert not catalog.work.contents_to_encode(MODEL.fingerprint, 10, set())


def test_a_reader_leaves_a_damaged_embedding_to_whoever_writes(catalog, root):
    add(catalog, root, b"a.jpg", b"b.jpg")
    read_all(catalog)
    first, second = sorted(encode_all(catalog))
    with sqlite3.connect(catalog.path) as connection:
        connection.execute("UPDATE embeddings SET vector = x'00' WHERE key & 255 = ?", (first,))
    reader = Catalog(str(catalog.path.removesuffix("/catalog.sqlite")), read_only=True)
    assert set(reader.embeddings.embeddings(MODEL.fingerprint, [first, second])) == {second}
    reader.close()
    assert not catalog.work.contents_to_encode(MODEL.fingerprint, 10, set())


@pytest.mark.parametrize("few", [1, 8192])
def test_a_sample_is_the_same_whatever_the_order_in_which_images_came(tmp_path, monkeypatch, few):
    monkeypatch.setattr(search_store, "_FEW", few)
    names = [b"/photos/%d.jpg" % i for i in range(40)]
    samples = []
    for order in (names, names[::-1]):
        catalog = Catalog(str(tmp_path / str(len(samples))))
        catalog.models.activate([MODEL])
        (root,) = catalog.files.set_roots([b"/photos"])
        add(catalog, root, *order)
        read_all(catalog, lambda file: hashlib.sha256(file.name).digest())
        encode_all(catalog)
        ids = catalog.searching.sample_ids(MODEL.fingerprint, 10)
        images = catalog.images.images(ids)
        samples.append([images[content_id].files[0].path for content_id in ids])
        assert sorted(catalog.searching.sample_ids(MODEL.fingerprint, 100)) == list(range(1, 41))
        catalog.close()
    assert samples[0] == samples[1]
    assert len(set(samples[0])) == 10


def test_what_is_read_in_one_moment_is_not_remembered_for_later_ones(catalog, root):
    store = catalog.searching
    with store.one_moment():
        assert not len(store.named("sooner", 10))
        committing = threading.Thread(
            target=lambda: (add(catalog, root, b"later.jpg"), read_all(catalog))
        )
        committing.start()
        committing.join()
        assert not len(store.named("later", 10))
        assert not catalog.images.page(0, 10)
    (found,) = store.named("later", 10)
    assert [image.id for image in catalog.images.page(0, 10)] == [found]
