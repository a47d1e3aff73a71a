"""What is known of pairs: brought up to date it is what a search anew finds, and it is kept."""

import random

import numpy as np
import pytest
from PIL import Image

from imgvecd import api
from imgvecd.adapters.faiss_segments import FaissSegments
from imgvecd.catalog import Catalog
from imgvecd.config.schema import IndexConfig
from imgvecd.core.duplicates import comparing, perceptual_hash
from imgvecd.core.duplicates.finder import DuplicateFinder
from imgvecd.core.duplicates.pair_file import PairFile
from imgvecd.core.index import LibraryIndex
from imgvecd.errors import UnreadableImageError
from imgvecd.types import FileChanges, FoundFile, ImageInfo, ModelInfo, PreprocessSpec, Stamp

DIM = 24
MODEL = ModelInfo("model", "model", "", DIM, PreprocessSpec(224, (0, 0, 0), (1, 1, 1)))
DAY = "2021-03-04T05:06:"


class NoPictures:
    """Nothing can be decoded: what comparing told is in the catalog."""

    async def examine(self, *_):
        raise UnreadableImageError("unsupported", "there is no picture")

    async def decode(self, *_):
        raise UnreadableImageError("unsupported", "there is no picture")


class Library:
    """A catalog of images that are nowhere, and what looks for duplicates in it."""

    def __init__(self, folder, pairs="pairs"):
        self.folder = folder
        self.catalog = Catalog(str(folder / "state"))
        self.catalog.models.activate([MODEL])
        (self.root,) = self.catalog.files.set_roots([b"/photos"])
        self.index = LibraryIndex.open(
            str(folder / "index"), MODEL.fingerprint, DIM, self.catalog.embeddings, IndexConfig(),
            FaissSegments(),
        )  # fmt: skip
        self.pairs = pairs
        self.finder = self.new_finder(pairs)

    def new_finder(self, pairs):
        return DuplicateFinder(
            store=self.catalog.duplicates,
            image_store=self.catalog.images,
            embeddings=self.catalog.embeddings,
            decoder=NoPictures(),
            pairs=PairFile(pairs and str(self.folder / pairs)),
        )

    def restarted(self):
        self.close()
        return Library(self.folder, self.pairs)

    def close(self):
        self.index.close()
        self.catalog.close()

    def add(self, scene, chance, copy_of=None, moment=None):
        """Add an image of a scene, at random or a smaller copy of another one; return its id."""
        number = chance.getrandbits(60)
        side = 400 if copy_of is None else 200
        info = ImageInfo("jpeg", side * 2, side, moment, {"taken_at_source": "exif"})
        direction = np.random.default_rng(scene).standard_normal(DIM)
        vector = direction + 0.12 * np.random.default_rng(number).standard_normal(DIM)
        vector = (vector / np.linalg.norm(vector)).astype(np.float32)
        (content_id,) = self.catalog.collection.add_contents(
            MODEL.fingerprint, [(number.to_bytes(32, "big"), 1000, info)], vector[None]
        )
        found = FoundFile(b"%d.jpg" % number, Stamp(1, 1, number, 1))
        linked = (self.root.id, b"", found, content_id)
        self.catalog.files.apply(FileChanges(linked=(linked,)))
        seed = number if copy_of is None else copy_of[1]
        self.catalog.duplicates.store_hashes(perceptual_hash.VERSION, {content_id: look(seed)})
        if copy_of is not None:
            pair = tuple(sorted((content_id, copy_of[0])))
            self.catalog.duplicates.store_comparisons(comparing.VERSION, {}, {pair: "same"})
        return content_id, seed

    def remove(self, content_id):
        with self.catalog._database.read() as connection:
            (file,) = connection.execute(
                "SELECT id FROM files WHERE content_id = ?", (content_id,)
            ).fetchone()
        self.catalog.files.apply(FileChanges(removed=(file,)))

    async def groups(self, finder=None, **request):
        finder = finder or self.finder
        self.index.catch_up()
        await finder.prepare()
        found = await finder.find(api.DuplicatesRequest(**request), MODEL, self.index)
        return [
            (group.kind, {file.id: file.similarity for file in group.files})
            for group in found.groups
        ]


def look(seed):
    grey = np.random.default_rng(seed).integers(0, 256, (6, 6), np.uint8)
    return Image.fromarray(grey).resize((32, 32), Image.Resampling.BICUBIC).tobytes()


@pytest.fixture
def library(tmp_path):
    library = Library(tmp_path)
    yield library
    library.close()


@pytest.mark.parametrize(
    # in the last one, pictures meet by way of a third
    "seed",
    [0, 1, 9, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in (*range(2, 9), 10, 11))],
)
async def test_brought_up_to_date_it_is_what_a_search_anew_finds(library, seed):
    chance, alive = random.Random(seed), []
    for _ in range(40):
        alive.append(library.add(chance.randrange(8), chance, moment=f"{DAY}{len(alive) % 60:02}"))
    for step in range(6):
        for _ in range(chance.randrange(6)):
            copied = chance.choice(alive) if chance.random() < 0.5 else None
            alive.append(library.add(chance.randrange(8), chance, copied))
        for _ in range(chance.randrange(12)):  # many of one scene go, so that others come nearer
            content_id, _ = alive.pop(chance.randrange(len(alive)))
            library.remove(content_id)
        if step == 3:
            library = library.restarted()
        request = {"min_similarity": chance.choice((0.9, 0.95)), "burst_s": chance.choice((3, 10))}
        anew = await library.groups(library.new_finder(None), **request)
        near = [(kind, pytest.approx(files, abs=1e-3)) for kind, files in anew]
        assert await library.groups(**request) == near


async def test_another_date_makes_another_pair(library):
    chance = random.Random(1)
    one = library.add(1, chance, moment=DAY + "01")
    other = library.add(1, chance, one)
    assert [kind for kind, _ in await library.groups()] == ["reencoded"]
    with library.catalog._database.write() as (connection, _):
        connection.execute("UPDATE contents SET taken_at = ? WHERE id = ?", (DAY + "03", other[0]))
    assert [kind for kind, _ in await library.groups()] == ["burst"]


class Counting:
    """Counts what is asked of a store."""

    def __init__(self, store):
        self.store, self.asked = store, 0

    def __getattr__(self, name):
        def call(*values, **named):
            found = getattr(self.store, name)(*values, **named)
            if name in ("subjects", "subjects_of", "stream_embeddings", "facts", "verdicts"):
                self.asked += len(found)
            return found

        return call


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("new", [0, 1, 3])
async def test_later_searches_look_at_what_is_new_only(library, new, restart):
    chance = random.Random(2)
    for _ in range(150):
        library.add(chance.randrange(50), chance)
    before = await library.groups()
    for _ in range(new):
        library.add(chance.randrange(50), chance)
    if restart:
        library = library.restarted()
    store, embeddings = Counting(library.catalog.duplicates), Counting(library.catalog.embeddings)
    finder = library.new_finder("pairs")
    for part in (finder, finder._hasher, finder._comparer, finder._search, finder._settler):
        part._store = store
    finder._search._embeddings = embeddings
    after = await library.groups(finder)
    # itself twice, and its neighbours, once by meaning and once for each way to be alike
    assert store.asked + embeddings.asked <= 40 * new
    assert (after == before) or new


async def test_a_damaged_file_is_thrown_away(library):
    chance = random.Random(3)
    first = library.add(1, chance)
    library.add(1, chance, first)
    expected = await library.groups()
    path = library.folder / "pairs"
    whole = path.read_bytes()
    for damaged in (b"", b"x", whole[:-1], whole[:40], whole[:60] + b"!" + whole[61:], whole * 2):
        path.write_bytes(damaged)
        assert await library.groups(library.new_finder("pairs")) == expected
        assert path.read_bytes() == whole


async def test_pairs_of_another_catalog_are_not_believed(library, tmp_path):
    chance = random.Random(4)
    first = library.add(1, chance)
    library.add(1, chance, first)
    assert await library.groups()
    (tmp_path / "other").mkdir()
    other = Library(tmp_path / "other")
    (tmp_path / "other" / "pairs").write_bytes((tmp_path / "pairs").read_bytes())
    assert await other.groups() == []
    other.close()


async def test_where_nothing_can_be_written_pairs_last_as_long_as_the_finder(library, caplog):
    chance = random.Random(5)
    first = library.add(1, chance)
    library.add(1, chance, first)
    (library.folder / "file").write_bytes(b"")
    finder = library.new_finder("file/pairs")
    assert await library.groups(finder) == await library.groups(finder) != []
    assert "not kept" in caplog.text
