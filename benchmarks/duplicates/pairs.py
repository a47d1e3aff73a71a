"""Duplicates: recall of copies and edits called the same picture, pair by pair, in bulk.

    python -m benchmarks.duplicates.pairs [--photos DIR …] [--count 210] [--copies-of 70] [--tuning]

Makes each photo an original (JPEG at 85 to 95), edits it in 51 ways, each saved as JPEG at 75 to
95 or PNG, and copies every third in 38, and asks what `imgvecd` asks: is it a candidate by its
look, and what does comparing the two say? Then pages: invoices, chats, cards, charts and the like
that differ in a word, each against the others, and each against copies of itself. Nothing is
indexed, so that thousands of pairs take minutes.

A third of the photos, told by their names, is set apart for the figures; with `--tuning` the others
are taken, which limits may be chosen by. An edit that changes next to nothing counts as none
(`variants.changes`); how many these are is printed.
"""

import argparse
import collections
import contextlib
import hashlib
import io
import itertools
import json
import random
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from benchmarks import history
from benchmarks.duplicates.pages import FAMILIES, page
from benchmarks.duplicates.variants import COPIES, EDITS, changes, saved
from imgvecd.adapters import pillow
from imgvecd.core.duplicates import comparing, pairing, perceptual_hash
from imgvecd.core.duplicates.compared_images import Subject

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
MOST_PIXELS = 100_000_000
SURE = ("same_pixels", "reencoded", "transformed")
PAGE_COPIES = ("JPEG at 50", "JPEG at 80", "PNG", "WebP at 80", "half", "two thirds, bilinear")


class Picture:
    """A file's bytes, as the finder sees them."""

    count = itertools.count(1)

    def __init__(self, data):
        self.examined = pillow.examine(io.BytesIO(data), MOST_PIXELS)
        _, pixels = pillow.decode(io.BytesIO(data), perceptual_hash.SPEC, MOST_PIXELS)
        info = self.examined.info
        self.subject = Subject(
            next(self.count), data[:8], len(data), info.width, info.height, None, 1,
            perceptual_hash.of_pixels(pixels), info.format == "raw",
        )  # fmt: skip
        self.signature = perceptual_hash.signatures(
            perceptual_hash.greys([self.subject.perceptual_hash])
        )[0]

    def kind_to(self, other):
        """Return what the finder would call the two; None if nothing."""
        if float(self.signature @ other.signature) < pairing.NEAR_SIGNATURE:
            return None
        pair = pairing.alike_pair(self.subject, other.subject)
        if pair is None:
            return None
        verdict = comparing.compare(self.examined, other.examined, pair.turn)
        return pairing.by_detail(pair, verdict)


def is_set_apart(path):
    """Return whether a photo is one that no limit may be chosen by."""
    return hashlib.blake2b(path.name.encode()).digest()[0] % 3 == 0


def originals(folders, count, *, tuning=False):
    """Yield (name, original as a file's bytes, its pixels, chance)."""
    files = [
        sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES and is_set_apart(path) != tuning
        )
        for folder in folders
    ]
    for place, several in enumerate(files):
        random.Random(place).shuffle(several)
    mixed = [path for row in itertools.zip_longest(*files) for path in row if path is not None]
    for number, path in enumerate(mixed[:count]):
        chance = random.Random(number)
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        image.thumbnail((1280, 1280))
        data = saved(image, quality=chance.randint(85, 95))
        yield path.name, data, Image.open(io.BytesIO(data)).convert("RGB"), chance


def measure(options):
    tally, told = collections.defaultdict(collections.Counter), []
    started, nothing = time.process_time(), collections.Counter()
    with contextlib.suppress(KeyboardInterrupt):  # then what was measured is reported
        measure_photos(options, tally, told, nothing)
    for family in FAMILIES:
        measure_pages(family, options.pages, tally, told)
    print(f"{sum(nothing.values()):,} edits changed next to nothing: {dict(nothing)}")
    report(tally, told, time.process_time() - started, options)


def measure_photos(options, tally, told, nothing):
    photos = enumerate(originals(options.photos, options.count, tuning=options.tuning))
    for number, (name, data, image, chance) in itertools.islice(photos, options.skip, None):
        original = Picture(data)
        measure_edits(original, image, name, chance, tally, told, nothing)
        if number % max(1, options.count // max(options.copies_of, 1)) == 0:
            measure_copies(original, image, name, chance, tally, told)
        if options.verbose:
            edits = sum(sum(each.values()) for key, each in tally.items() if key[0] == "edit")
            print(number, name, edits, flush=True)


def measure_edits(original, image, name, chance, tally, told, nothing):
    for edit, make in EDITS.items():
        edited = make(image, chance)
        if not changes(image, edited):
            nothing[edit] += 1
            continue
        quality = chance.choice((75, 85, 92, 95, None))
        file = saved(edited, quality=quality) if quality else saved(edited, "PNG")
        kind = original.kind_to(Picture(file))
        tally["edit", edit][kind] += 1
        if kind in SURE:
            told.append(f"{edit} of {name} (saved at {quality or 'PNG'}): {kind}")


def measure_copies(original, image, name, chance, tally, told):
    for copy, (_, make) in COPIES.items():
        if copy == "down and up":  # a blur as far as anybody can tell: an edit, not a copy
            continue
        kind = original.kind_to(Picture(make(image, chance)))
        tally["copy", copy][kind] += 1
        if kind not in SURE:
            told.append(f"{copy} of {name}: {kind}")


def measure_pages(family, count, tally, told):
    chance = random.Random(family)
    images = [page(family, number) for number in range(count)]
    pictures = [Picture(saved(image, "PNG")) for image in images]
    for one, other in itertools.combinations(pictures, 2):
        kind = one.kind_to(other)
        tally["page", family][kind] += 1
        if kind in SURE:
            told.append(f"two of {family}: {kind}")
    for copy in PAGE_COPIES if count else ():
        kind = pictures[0].kind_to(Picture(COPIES[copy][1](images[0], chance)))
        tally["copy of a page", copy][kind] += 1
        if kind not in SURE:
            told.append(f"{copy} of {family}: {kind}")


def report(tally, told, seconds, options):
    figures = {}
    for what, wanted in (
        ("copy", True),
        ("copy of a page", True),
        ("edit", False),
        ("page", False),
    ):
        rows = {name: each for (sort, name), each in tally.items() if sort == what}
        same = {name: sum(each[kind] for kind in SURE) for name, each in rows.items()}
        pairs = sum(sum(each.values()) for each in rows.values())
        print(f"{what}: {sum(same.values()):,} of {pairs:,} pairs are called the same picture")
        for name, each in rows.items():
            right = same[name] == sum(each.values()) if wanted else same[name] == 0
            if options.verbose or not right:
                print(f"  {name:<24} {same[name]:>4} of {sum(each.values())}")
        figures |= {f"{what}, pairs": pairs, f"{what}, called the same": sum(same.values())}
    for line in told:
        print(f"  {line}")
    figures |= {"processor seconds": round(seconds), "wrong": len(told)}
    print(json.dumps(figures))
    history.record("duplicates_pairs", figures)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    folders = [SHARED / "library", SHARED / "captioned"]
    parser.add_argument("--photos", type=Path, nargs="*", default=folders)
    parser.add_argument("--tuning", action="store_true", help="the photos that are not set apart")
    parser.add_argument("--count", type=int, default=210)
    parser.add_argument("--skip", type=int, default=0, help="that many of the photos")
    parser.add_argument("--copies-of", type=int, default=70, help="photos that are copied, too")
    parser.add_argument("--pages", type=int, default=8, help="of each family")
    parser.add_argument("--verbose", action="store_true")
    np.seterr(all="ignore")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
