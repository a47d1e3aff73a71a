"""How often does a caption find its photo, and a class name its pictures?

    python -m benchmarks.recall [--int8]
    python -m benchmarks.recall --photos DIR --captions TABLE.tsv [--model ViT-B-32]
    python -m benchmarks.recall --classes DIR

Every caption is a query against all the photos; recall@k is the share of captions whose own photo
is among the first k. By default the photos are the dev split of the captioned data. A table has a
header line with the columns `image` (a file's name in the folder) and `caption`. With `--classes`,
each subfolder holds the pictures of the class that it is named after: each picture gets the class
whose name is nearest, and the figure is the share of right ones, averaged over the classes.

Pictures are decoded, and both sides encoded, as the product does it; with `--int8`, images as
`encode.precision: int8` has them.
"""

from __future__ import annotations

import argparse
import collections
import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import captioned, history
from benchmarks.captioned import Photo
from imgvecd.adapters.imagetower import ImageTower, building
from imgvecd.adapters.openclip import OpenClipModel
from imgvecd.adapters.pillow.decoder import decode
from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import EMBEDDED, choose_model
from imgvecd.types import Float32Array

_BATCH = 64
_KS = (1, 5, 10)
_MAX_PIXELS = 10**9


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    model = OpenClipModel(choose_model(options.model), EncodeConfig())
    if options.classes:
        by_class = classes(options.classes)
        count = sum(map(len, by_class.values()))
        print(f"{options.model}: {count} pictures of {len(by_class)} classes")
        print(f"class mean accuracy: {100 * class_mean(model, by_class):.1f} %")
        return
    if options.photos:
        photos = read_table(options.photos, options.captions or options.photos / "captions.tsv")
    else:
        photos = captioned.photos("dev")
    if not photos:
        raise SystemExit("there are no captioned photos; see --photos")
    paths = [photo.path for photo in photos]
    images = in_int8(options.model, paths) if options.int8 else encode_images(model, paths)
    texts = encode_texts(model, [text for photo in photos for text in photo.captions])
    owners = np.repeat(np.arange(len(photos)), [len(photo.captions) for photo in photos])
    ranks = ranks_of_own(images, texts, owners)
    row = [f"{100 * np.mean(ranks < k):.1f} %" for k in _KS]
    print(f"{options.model}: {len(texts)} captions, {len(photos)} photos")
    headers = ["model", *(f"recall@{k}" for k in _KS)]
    name = f"{options.model}{' in int8' if options.int8 else ''}"
    history.show_table("recall", [[name, *row]], headers, disable_numparse=True)


def read_table(folder: Path, table: Path) -> list[Photo]:
    """Return the photos of a folder that a table has captions of, in the table's order.

    Raises: SystemExit if the table lacks a column or names a picture that is not there.
    """
    found: dict[str, list[str]] = collections.defaultdict(list)
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        if not {"image", "caption"} <= set(rows.fieldnames or ()):
            raise SystemExit(f"{table} lacks a column: image and caption are needed")
        for row in rows:
            found[row["image"]].append(row["caption"])
    missing = next((name for name in found if not (folder / name).is_file()), None)
    if missing is not None:
        raise SystemExit(f"{table} names {missing}, which is not in {folder}")
    return [Photo(folder / name, tuple(captions)) for name, captions in found.items()]


def classes(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each subfolder by its name in words: `wild_cat` is "wild cat"."""
    named = {
        path.name.replace("_", " ").lower(): sorted(filter(Path.is_file, path.iterdir()))
        for path in sorted(folder.iterdir())
        if path.is_dir()
    }
    return {name: files for name, files in named.items() if files}


def class_mean(model: OpenClipModel, by_class: dict[str, list[Path]]) -> float:
    """Return the share of pictures that are nearest to their class's name, a mean over classes."""
    names = encode_texts(model, list(by_class))
    right = [
        np.mean((encode_images(model, files) @ names.T).argmax(axis=1) == own)
        for own, files in enumerate(by_class.values())
    ]
    return float(np.mean(right))


def in_int8(model: str, paths: Sequence[Path]) -> Float32Array:
    config = EncodeConfig(precision="int8")
    with tempfile.TemporaryDirectory() as folder:
        tower = building.build(choose_model(model, precision="int8"), config, f"{folder}/tower")
    return encode_images(tower, paths)


def encode_images(model: OpenClipModel | ImageTower, paths: Sequence[Path]) -> Float32Array:
    spec = model.info.preprocess
    parts = []
    for start in range(0, len(paths), _BATCH):
        pixels = []
        for path in paths[start : start + _BATCH]:
            with path.open("rb") as file:
                pixels.append(np.frombuffer(decode(file, spec, _MAX_PIXELS)[1], np.uint8))
        parts.append(model.encode_images(np.stack(pixels).reshape(-1, spec.size, spec.size, 3)))
    return np.concatenate(parts)


def encode_texts(model: OpenClipModel, texts: Sequence[str]) -> Float32Array:
    starts = range(0, len(texts), _BATCH)
    return np.concatenate([model.encode_texts(list(texts[i : i + _BATCH])) for i in starts])


def ranks_of_own(images: Float32Array, texts: Float32Array, owners: np.ndarray) -> np.ndarray:
    """Return how many photos each text likes better than its own."""
    scores = texts @ images.T
    own = np.take_along_axis(scores, owners[:, None], axis=1)
    return np.asarray((scores > own).sum(axis=1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recall", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--photos", type=Path, metavar="DIR", help="the dev split if left out")
    parser.add_argument("--captions", type=Path, metavar="TSV", help="default: DIR/captions.tsv")
    parser.add_argument("--classes", type=Path, metavar="DIR", help="a subfolder for each class")
    parser.add_argument("--int8", action="store_true", help="images in int8")
    parser.add_argument("--model", default=EMBEDDED, help=f"({EMBEDDED})")
    return parser


if __name__ == "__main__":
    main()
