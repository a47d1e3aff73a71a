"""A checkpoint that is damaged is noticed, and the index built anew."""

import os
import shutil

import msgspec
import numpy as np
import pytest
from embedding_source import MemorySource, brute_force, unit_vectors

from imgvecd.adapters.faiss_segments import FaissSegments
from imgvecd.config.schema import IndexConfig
from imgvecd.core.files.durable import DurableFile
from imgvecd.core.index import LibraryIndex, checkpoint
from imgvecd.core.index.packed_vectors import packed_type, unpacked
from imgvecd.core.index.readonly_index import ReadonlyIndex

DIM = 16


def open_index(folder, source, kind, fingerprint="model"):
    return LibraryIndex.open(
        str(folder), fingerprint, DIM, source, IndexConfig(kind=kind), FaissSegments()
    )


def stored_files(folder):
    return sorted(os.path.join(path, name) for path, _, names in os.walk(folder) for name in names)


def assert_right(index, source, atol=1e-6):
    queries = unit_vectors(np.random.default_rng(4), 4, DIM)
    scores, ids = index.search(queries, 10)
    for row, query in enumerate(queries):
        expected_scores, expected_ids = brute_force(source.vectors, query, 10)
        assert ids[row].tolist() == expected_ids.tolist()
        np.testing.assert_allclose(scores[row], expected_scores, atol=atol)


@pytest.fixture(params=["flat", "pq"])
def kind(request):
    return request.param


@pytest.fixture
def source():
    source = MemorySource(DIM)
    source.put(range(200), unit_vectors(np.random.default_rng(1), 200, DIM))
    return source


@pytest.fixture
def written(tmp_path, source, kind):
    """A folder with a base, a delta and hidden rows of both."""
    folder = tmp_path / "index"
    index = open_index(folder, source, kind)
    source.put(range(190, 230), unit_vectors(np.random.default_rng(2), 40, DIM))
    index.catch_up()
    index.checkpoint()
    source.drop([3, 225])
    index.catch_up()
    index.checkpoint()
    assert index.status().removed == 12
    index.close()
    return folder


def test_an_undamaged_checkpoint_is_loaded_not_rebuilt(written, source, kind):
    files = stored_files(written)
    index = open_index(written, source, kind)
    assert stored_files(written) == files
    assert index.verify()
    assert not index.dirty
    assert_right(index, source)


def test_every_damage_is_found_and_repaired(tmp_path, written, source, kind):
    rng = np.random.default_rng(11)
    files = [os.path.relpath(path, written) for path in stored_files(written)]
    for case in range(150):
        folder = tmp_path / f"case-{case}"
        shutil.copytree(written, folder)
        target = folder / files[case % len(files)]
        data = bytearray(target.read_bytes())
        position = int(rng.integers(len(data)))
        match int(rng.integers(3)):
            case 0:
                data[position] ^= 1 << int(rng.integers(8))
            case 1:
                del data[position:]
            case _:
                data[position : position + 64] = rng.bytes(64)
        target.write_bytes(data)
        index = open_index(folder, source, kind)
        rebuilt = not (folder / "generation-000001").exists()
        noticed_later = not index.verify()
        assert rebuilt or noticed_later, (target, position)
        if noticed_later:
            assert index.needs_rebuild
            index.rebuild()
        assert_right(index, source)
        index.close()


def written_by_an_older_program(folder):
    """Turn a checkpoint into one of the former format, with vectors in float16."""
    (manifest,) = checkpoint.manifests(str(folder.parent))
    generation = folder / f"generation-{manifest.generation:06d}"

    def older(layer):
        kept = [file for file in layer.files if not file.name.endswith(".i16")]
        path = generation / f"{layer.stem}.i16"
        halves = unpacked(np.fromfile(path, packed_type(DIM))).astype(np.float16)
        path.unlink()
        if layer.kind != "flat":
            with DurableFile(str(generation / f"{layer.stem}.f16"), parsed=False) as file:
                file.write(halves.tobytes())
            kept.append(file.stored())
        return msgspec.structs.replace(layer, files=tuple(kept))

    base, delta = older(manifest.base), tuple(map(older, manifest.delta))
    former = msgspec.structs.replace(manifest, format=1, base=base, delta=delta)
    checkpoint.write_manifest(str(folder), former)


def test_a_checkpoint_of_the_former_format_goes_on(tmp_path, kind):
    source = MemorySource(DIM)
    halves = unit_vectors(np.random.default_rng(1), 240, DIM).astype(np.float16)
    source.put(range(200), halves[:200])
    folder = tmp_path / "index"
    index = open_index(folder, source, kind)
    source.put(range(200, 240), halves[200:])
    index.catch_up()
    index.checkpoint()
    index.close()
    written_by_an_older_program(folder)
    index = open_index(folder, source, kind)
    assert index.status().generation == 1  # nothing was built anew
    assert not index.dirty
    assert_right(index, source, 5e-5)
    source.put(range(230, 260), unit_vectors(np.random.default_rng(2), 30, DIM))
    index.catch_up()
    assert_right(index, source, 5e-5)
    index.checkpoint()
    index.close()
    index = open_index(folder, source, kind)
    assert index.status().generation == 1
    assert index.verify()
    assert_right(index, source, 5e-5)
    assert ReadonlyIndex(str(folder), "model", DIM, source, FaissSegments()).differences() == 0
    index.rebuild()
    index.checkpoint()
    assert not list(folder.rglob("*.f16"))
    assert_right(index, source, 5e-5)


@pytest.mark.parametrize(
    "missing", ["manifest.json", "index.faiss", "index.i16", "delta-000001.faiss"]
)
def test_a_missing_file_is_no_obstacle(written, source, kind, missing):
    (path,) = written.rglob(missing)
    path.unlink()
    assert_right(open_index(written, source, kind), source)


@pytest.mark.parametrize("way", ["a file", "a loop"])
def test_what_lies_in_the_way_keeps_no_search_waiting(tmp_path, source, kind, way):
    folder = tmp_path / "index"
    if way == "a file":
        folder.write_text("not what you think")
    else:
        folder.symlink_to(folder.name)
    index = open_index(folder / "model", source, kind)
    assert_right(index, source)
    with pytest.raises(OSError, match=r"File exists: .*index"):
        index.checkpoint()
    index.close()


def test_another_catalogs_checkpoint_is_not_believed(written, kind):
    other = MemorySource(DIM, instance="another")
    other.put([7], unit_vectors(np.random.default_rng(3), 1, DIM))
    index = open_index(written, other, kind)
    assert len(index) == 1
    assert_right(index, other)


def test_a_catalog_that_went_back_in_time_is_believed(written, kind):
    older = MemorySource(DIM)
    older.put([7], unit_vectors(np.random.default_rng(3), 1, DIM))
    index = open_index(written, older, kind)
    assert len(index) == 1


def test_another_models_checkpoint_is_not_believed(written, source, kind):
    index = open_index(written, source, kind, fingerprint="other")
    assert index.status().generation == 2


def test_what_no_checkpoint_names_is_removed(written, source, kind):
    stray = written / "generation-000007"
    stray.mkdir()
    (stray / "index.faiss").write_bytes(b"half a rebuild")
    (written / "generation-000001" / "delta-000009.faiss.tmp").write_bytes(b"half a file")
    (written / "manifest.json.tmp").write_bytes(b"half a manifest")
    index = open_index(written, source, kind)
    assert_right(index, source)
    names = {os.path.basename(path) for path in stored_files(written)}
    assert not stray.exists()
    assert not {name for name in names if name.endswith(".tmp")}
