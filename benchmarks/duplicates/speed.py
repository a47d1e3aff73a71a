"""Duplicates: precision and recall by kind on generated variants, and how long 100,000 images take.

    python -m benchmarks.duplicates.speed quality --photos DIR [--count 100] [--model imgvecd-mini]
    python -m benchmarks.duplicates.speed speed [--count 100000] [--dim 512]

`quality` makes eight variants of each photo and asks which pairs are reported. It does the same
with imagededup's hashes at their default thresholds, if imagededup is installed. `speed` fills a
catalog with stored embeddings and looks, 2 % of them planted duplicates, and times one search.
"""

import argparse
import asyncio
import collections
import itertools
import json
import os
import random
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from benchmarks import history
from imgvecd import VectorDatabase, api
from imgvecd.adapters.faiss_segments import FaissSegments
from imgvecd.catalog import Catalog
from imgvecd.config.schema import IndexConfig
from imgvecd.core.duplicates import comparing, perceptual_hash
from imgvecd.core.duplicates.finder import DuplicateFinder
from imgvecd.core.duplicates.pair_file import PairFile
from imgvecd.core.index import LibraryIndex
from imgvecd.errors import UnreadableImageError
from imgvecd.types import FileChanges, FoundFile, ImageInfo, ModelInfo, PreprocessSpec, Stamp

try:
    from imagededup import methods as imagededup_methods
except ImportError:
    imagededup_methods = None

LIBRARY = Path(__file__).resolve().parents[3] / "shared" / "data" / "library"
NEW = 100  # files that come after the first search
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("quality")
    command.add_argument("--photos", type=Path, default=LIBRARY)
    command.add_argument("--count", type=int, default=100)
    command.add_argument("--model", default="imgvecd-mini")
    command.add_argument("--pretrained", default="")
    command.set_defaults(run=quality)
    command = commands.add_parser("speed")
    command.add_argument("--count", type=int, default=100_000)
    command.add_argument("--dim", type=int, default=512)
    command.set_defaults(run=speed)
    options = parser.parse_args()
    options.run(options)


def make_variants(photos, folder):
    """Write each photo and its variants; return {path: (number of the photo, kind)}."""
    chance = random.Random(1)
    made = {}

    def crop(image, share):
        width, height = (round(side * share) for side in image.size)
        left = chance.randint(0, image.width - width)
        top = chance.randint(0, image.height - height)
        return image.crop((left, top, left + width, top + height))

    def moment(second):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 {number // 60:02}:{number % 60:02}:{second:02}"
        return exif

    for number, photo in enumerate(photos):
        image = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
        start = folder / f"{number:04}-original.jpg"
        image.save(start, quality=92, exif=moment(0))
        image = Image.open(start).convert("RGB")
        half = image.resize((image.width // 2, image.height // 2))
        shift = image.transform(
            image.size,
            Image.Transform.AFFINE,
            (1, 0.02, 6, -0.02, 1.01, 4),
            Image.Resampling.BICUBIC,
        )
        variants = (
            ("same_pixels", "lossless.png", image, {}),
            ("reencoded", "q60.jpg", image, {"quality": 60}),
            ("reencoded", "half.webp", half, {"quality": 80}),
            (
                "transformed",
                "turned.jpg",
                image.transpose(Image.Transpose.ROTATE_90),
                {"quality": 85},
            ),
            ("edited", "mirrored.jpg", ImageOps.mirror(image), {"quality": 85}),
            ("cropped", "crop80.jpg", crop(image, 0.8), {"quality": 90}),
            ("cropped", "crop60.jpg", crop(image, 0.6), {"quality": 90}),
            (
                "burst",
                "next.jpg",
                ImageEnhance.Brightness(shift).enhance(1.05),
                {"quality": 92, "exif": moment(2)},
            ),
        )
        made[start] = (number, "original")
        copy = folder / f"{number:04}-copy.jpg"
        shutil.copy(start, copy)
        made[copy] = (number, "same_bytes")
        for kind, name, variant, how in variants:
            path = folder / f"{number:04}-{name}"
            variant.save(path, **how)
            made[path] = (number, kind)
    return made


def quality(options):
    photos = sorted(path for path in options.photos.rglob("*") if path.suffix.lower() in SUFFIXES)
    photos = photos[:: max(1, len(photos) // options.count)][: options.count]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "photos"
        folder.mkdir()
        made = make_variants(photos, folder)
        print(f"{len(photos)} photos, {len(made)} files")
        with VectorDatabase(
            options.model, options.pretrained, db_path=Path(scratch) / "db"
        ) as database:
            database.add_images_batch(list(made))
            started = time.perf_counter()
            groups = database.find_duplicates()
            first = time.perf_counter() - started
            started = time.perf_counter()
            database.find_duplicates()
            again = time.perf_counter() - started
        print(f"first search {first:.1f} s (looks at every picture), next {again:.1f} s")
        judge("imgvecd", made, pairs_of(groups))
        for name, pairs in imagededup(folder):
            judge(name, made, pairs)


def pairs_of(groups):
    """Return {pair of paths: kind} of all pairs in a group."""
    pairs = {}
    for group in groups:
        for one, other in itertools.combinations(group, 2):
            pair = frozenset((Path(one["image_path"]), Path(other["image_path"])))
            kind = other["kind"] if one["id"] == group[0]["id"] else group[-1]["kind"]
            pairs.setdefault(pair, kind)
    return pairs


def imagededup(folder):
    """Yield (name, {pair: kind}) of imagededup's hashes, where it is installed."""
    if imagededup_methods is None:
        print("imagededup is not installed")
        return
    for name in ("PHash", "DHash", "WHash", "AHash"):
        method = getattr(imagededup_methods, name)
        found = method(verbose=False).find_duplicates(image_dir=str(folder))
        pairs = {
            frozenset((folder / one, folder / other)): "duplicate"
            for one, others in found.items()
            for other in others
        }
        yield f"imagededup {name}", pairs


def judge(name, made, pairs):
    """Print recall of each kind of variant, precision of each kind told, and of all pairs."""
    originals = {number: path for path, (number, kind) in made.items() if kind == "original"}
    found, total, right = collections.Counter(), collections.Counter(), collections.Counter()
    for path, (number, kind) in made.items():
        if kind != "original":
            total[kind] += 1
            told = pairs.get(frozenset((path, originals[number])))
            found[kind] += told is not None
            right[kind] += told == ("edited" if kind == "cropped" else kind)
    wrong = [pair for pair in pairs if len({made[path][0] for path in pair}) > 1]
    sure = [pair for pair in wrong if pairs[pair] not in ("similar", "burst")]
    print(f"{name}:")
    for kind, count in total.items():
        recall, named = found[kind] / count, right[kind] / count
        print(f"  {kind:<12} recall {recall:6.1%}  named right {named:6.1%}")
    told, mistaken = collections.Counter(pairs.values()), collections.Counter()
    mistaken.update(pairs[pair] for pair in wrong)
    for kind, count in told.items():
        print(f"  told {kind:<12} {count:>6} pairs, precision {1 - mistaken[kind] / count:6.1%}")
    share = 1 - len(wrong) / max(1, len(pairs))
    certain = [pair for pair in pairs if pairs[pair] not in ("similar", "burst")]
    certainty = 1 - len(sure) / max(1, len(certain))
    print(
        f"  precision {share:.2%} of {len(pairs)} pairs; without burst and similar {certainty:.2%}"
    )


def speed(options):
    generator = np.random.default_rng(0)
    count, planted = options.count, options.count // 50
    vectors = clustered(generator, count, options.dim)
    vectors[-planted:] = vectors[:planted]
    pictures = looks_like_photos(generator, count)
    pictures[-planted:] = pictures[:planted]
    spec = PreprocessSpec(224, (0, 0, 0), (1, 1, 1))
    model = ModelInfo("speed", "speed", "", options.dim, spec)
    with tempfile.TemporaryDirectory() as scratch:
        catalog = Catalog(scratch)
        catalog.models.activate([model])
        (root,) = catalog.files.set_roots([b"/photos"])
        contents = [
            (
                number.to_bytes(32, "big"),
                1000 + number,
                ImageInfo("jpeg", 4000 >> small, 3000 >> small),
            )
            for number in range(count)
            for small in [number >= count - planted]
        ]
        ids = catalog.collection.add_contents(model.fingerprint, contents, vectors)
        stamp = Stamp(1, 1, 1, 1)
        linked = (
            (root.id, b"%d" % (number // 1000), FoundFile(b"%d.jpg" % number, stamp), content_id)
            for number, content_id in enumerate(ids)
        )
        catalog.files.apply(FileChanges(linked=tuple(linked)))
        catalog.duplicates.store_hashes(
            perceptual_hash.VERSION,
            {content_id: pictures[row].tobytes() for row, content_id in enumerate(ids)},
        )
        catalog.duplicates.store_comparisons(
            comparing.VERSION,
            {},
            {(ids[row], ids[count - planted + row]): "same" for row in range(planted)},
        )
        before_mb = peak_mb()
        finder, index = opened(catalog, scratch, model)
        found, first = timed(finder, model, index)
        _, again = timed(finder, model, index)
        index.close()
        catalog.close()
        catalog = Catalog(scratch)
        finder, index = opened(catalog, scratch, model)
        _, restarted = timed(finder, model, index)
        add_new(catalog, root.id, model, vectors[:NEW], pictures[:NEW], ids[:NEW])
        index.catch_up()
        more, after_new = timed(finder, model, index)
        _, last = timed(finder, model, index)
        index.close()
        catalog.close()
    groups = {frozenset(file.id for file in group.files) for group in found.groups}
    expected = {frozenset((ids[row], ids[count - planted + row])) for row in range(planted)}
    result = {
        "images": count,
        "dim": options.dim,
        "cores": len(os.sched_getaffinity(0)),
        "first": first,
        "again": again,
        "after_a_restart": restarted,
        f"after_{NEW}_new": after_new,
        "again_after_that": last,
        "groups_with_new": sum(len(group.files) > 2 for group in more.groups),
        "peak_mb": peak_mb(),
        "peak_mb_before": before_mb,
        "planted": planted,
        "found": len(expected & groups),
        "groups": len(groups),
    }
    print(json.dumps(result))
    history.record("duplicates_speed", result)


def opened(catalog, folder, model):
    """Return (finder, index), as a daemon that has just started has them."""
    finder = DuplicateFinder(
        store=catalog.duplicates,
        image_store=catalog.images,
        embeddings=catalog.embeddings,
        decoder=NoPictures(),
        pairs=PairFile(f"{folder}/duplicates/pairs"),
    )
    index = LibraryIndex.open(
        f"{folder}/index", model.fingerprint, model.dim, catalog.embeddings, IndexConfig(),
        FaissSegments(),
    )  # fmt: skip
    if index.needs_rebuild:
        index.rebuild()
        index.checkpoint()
    return finder, index


def timed(finder, model, index):
    """Return (what a search finds, the seconds and processor seconds that it took)."""
    started, used = time.perf_counter(), time.process_time()

    async def search():
        await finder.prepare()
        return await finder.find(api.DuplicatesRequest(), model, index)

    found = asyncio.run(search())
    seconds, used = time.perf_counter() - started, time.process_time() - used
    return found, [round(seconds, 2), round(used, 2)]


def add_new(catalog, root_id, model, vectors, pictures, like):
    """Add copies of images that are there, resized and saved anew."""
    contents = [
        (bytes([255, *number.to_bytes(31, "big")]), 500, ImageInfo("jpeg", 1000, 750))
        for number in range(len(vectors))
    ]
    ids = catalog.collection.add_contents(model.fingerprint, contents, vectors)
    stamp = Stamp(2, 2, 2, 2)
    linked = tuple(
        (root_id, b"new", FoundFile(b"%d.jpg" % number, stamp), content_id)
        for number, content_id in enumerate(ids)
    )
    catalog.files.apply(FileChanges(linked=linked))
    looks = {content_id: pictures[row].tobytes() for row, content_id in enumerate(ids)}
    catalog.duplicates.store_hashes(perceptual_hash.VERSION, looks)
    catalog.duplicates.store_comparisons(
        comparing.VERSION, {}, dict.fromkeys(zip(like, ids, strict=True), "same")
    )


class NoPictures:
    """There are embeddings and looks only."""

    async def examine(self, *_):
        raise UnreadableImageError("unsupported", "there is no picture")


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


def clustered(generator, count, dim):
    """Return unit vectors in 2,000 clusters, as photos of the same kind of scene lie."""
    centres = generator.standard_normal((2000, dim), np.float32)
    vectors = centres[generator.integers(0, 2000, count)]
    vectors *= 1.5  # cosine 0.69 within a cluster, so that every image has near ones to compare
    vectors += generator.standard_normal((count, dim), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def looks_like_photos(generator, count):
    """Return 32 × 32 grey pictures whose spectrum falls off as that of photos."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(32), np.fft.rfftfreq(32), indexing="ij"))
    falloff = 1 / np.maximum(frequency, 1 / 32) ** 1.2
    pictures = np.empty((count, 32, 32), np.uint8)
    for start in range(0, count, 10_000):
        noise = generator.standard_normal((min(10_000, count - start), 32, 32), np.float32)
        shaped = np.fft.irfft2(np.fft.rfft2(noise) * falloff, (32, 32))
        shaped -= shaped.mean(axis=(1, 2), keepdims=True)
        shaped /= shaped.std(axis=(1, 2), keepdims=True)
        pictures[start : start + 10_000] = np.clip(128 + 50 * shaped, 0, 255)
    return pictures


if __name__ == "__main__":
    main()
