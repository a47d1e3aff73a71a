"""Duplicates: is the original kept? Groups with ground truth, without an index.

    python -m benchmarks.duplicates.keepers [--photos DIR …] [--count 100] [--tuning] [--verbose]

Each photo becomes an original: a JPEG at 85 to 95, a HEIC or a PNG, with or without what a camera
writes. Its copies are what `variants.COPIES` makes, and some that have everything but quality on
their side: an older date, text and software in the metadata, the camera's own metadata where the
original was stripped of it. Prints how often the original is kept among all of its copies at once,
and, of each way of copying, how often it is kept beside that copy alone.
"""

import argparse
import collections
import io
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from benchmarks import history
from benchmarks.duplicates.pairs import MOST_PIXELS, SHARED, originals
from benchmarks.duplicates.variants import COPIES, again, saved, scaled
from imgvecd import api
from imgvecd.adapters import pillow
from imgvecd.core.duplicates.copies import Copy
from imgvecd.core.duplicates.keeper import Chooser, ChosenFolders

ORIGINAL = "original"
_FORMATS = ("JPEG", "JPEG", "JPEG", "JPEG", "HEIF", "PNG")
# What has the same pixels in a file of the same kind is as good; nothing tells which came first.
_AS_GOOD = {"PNG": {"PNG", "TIFF", "WebP, lossless"}}


def camera():
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "Maker T1"
    fields = exif.get_ifd(0x8769)
    fields[0x829D], fields[0x8827], fields[0x9003] = 2.8, 200, "2019:05:01 12:00:00"
    return exif


def worded():
    exif = Image.Exif()
    exif[0x010E], exif[0x0131], exif[0x0112] = "a walk by the sea", "a program", 1
    return exif


def files_of(image, form, chance):
    """Return {what it is: bytes} of an original and its copies."""
    told = {"exif": camera()} if chance.random() < 0.5 else {}
    quality = {"JPEG": chance.randint(85, 95), "HEIF": chance.randint(60, 80), "PNG": None}[form]
    how = {"quality": quality} if quality else {}
    files = {ORIGINAL: saved(image, form, **how, **told)}
    decoded = Image.open(io.BytesIO(files[ORIGINAL]))
    pixels = ImageOps.exif_transpose(decoded).convert("RGB")
    pixels.info.clear()
    for name, (_, make) in COPIES.items():
        if name == "down and up":  # a blur as far as anybody can tell: an edit, not a copy
            continue
        files[name] = make(pixels, chance)
    if form == "JPEG":
        files["stripped"] = saved(decoded, quality="keep", exif=b"")
    for quality in (20, 50, 75):
        exif = chance.choice((camera, worded))()
        files[f"at {quality} with metadata"] = saved(pixels, quality=quality, exif=exif)
    files["20, then 95, with metadata"] = saved(
        again(pixels, quality=20), quality=95, exif=camera()
    )
    files["twice with metadata"] = saved(scaled(pixels, 2), quality=60, exif=worded())
    sharp = ImageFilter.UnsharpMask(1.5, chance.choice((80, 150, 250)), 0)
    files["twice, sharpened"] = saved(scaled(pixels, 2).filter(sharp), quality=92)
    files["twice, by EPX"] = saved(by_epx(pixels), quality=92)
    files["1.5 times, 95"] = saved(scaled(pixels, 1.5), quality=95)
    files["PNG of half"] = saved(scaled(pixels, 0.5), "PNG")
    return files


def by_epx(image):
    """Return the picture twice as large, its edges drawn sharp as games' pictures are.

    Johnston's EPX, 1992; pixels that differ by less than 16 levels count as equal.
    """
    pixels = np.asarray(image)
    framed = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    up, down = framed[:-2, 1:-1], framed[2:, 1:-1]
    left, right = framed[1:-1, :-2], framed[1:-1, 2:]

    def alike(one, other):
        return (np.abs(one.astype(np.int16) - other).max(axis=-1) < 16)[..., None]

    large = pixels.repeat(2, axis=0).repeat(2, axis=1)
    for (row, column), one, beside, other, below in (
        ((0, 0), up, right, left, down),
        ((0, 1), right, down, up, left),
        ((1, 0), left, up, down, right),
        ((1, 1), down, left, right, up),
    ):
        taken = alike(one, other) & ~alike(one, beside) & ~alike(other, below)
        large[row::2, column::2] = np.where(taken, one, pixels)
    return Image.fromarray(large)


def copy_of(number, name, data, chance):
    """Return the copy as the finder has it; its file's date says nothing."""
    examined = pillow.examine(io.BytesIO(data), MOST_PIXELS)
    info = examined.info
    moment = f"20{chance.randint(0, 23):02}-06-{chance.randint(1, 28):02}T10:00:00+00:00"
    file = api.ImageFile(path=f"/{name}", size_bytes=len(data), modified_at=moment)
    by_file = info.metadata.get("taken_at_source") == "file"
    image = api.Image(
        id=number,
        hash=f"{number:064x}",
        files=(file,),
        format=info.format,
        width=info.width,
        height=info.height,
        taken_at=None if by_file else info.taken_at,
        metadata=info.metadata,
    )
    return Copy(image, file, examined.facts)


def kept(copies):
    request = api.DuplicatesRequest()
    chooser = Chooser(copies, request, ChosenFolders(request))
    best = chooser.ordered()[0]
    return best.file.path[1:], chooser.why(best)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    folders = [SHARED / "library", SHARED / "captioned"]
    parser.add_argument("--photos", type=Path, nargs="*", default=folders)
    parser.add_argument("--tuning", action="store_true", help="the photos that are not set apart")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--skip", type=int, default=0, help="that many of the photos")
    parser.add_argument("--verbose", action="store_true")
    measure(parser.parse_args())


def measure(options):
    started = time.process_time()
    right = groups = 0
    beaten, pairs = collections.Counter(), collections.Counter()
    wrong = []
    for number, (name, _, image, chance) in enumerate(
        originals(options.photos, options.count, tuning=options.tuning)
    ):
        if number < options.skip:
            continue
        form = _FORMATS[number % len(_FORMATS)]
        files = files_of(image, form, chance)
        copies = {
            what: copy_of(place, what, data, chance)
            for place, (what, data) in enumerate(files.items())
        }
        best, why = kept(list(copies.values()))
        groups += 1
        as_good = {ORIGINAL, *_AS_GOOD.get(form, ())}
        if "camera" not in copies[ORIGINAL].image.metadata:
            as_good.add("stripped")
        right += best in as_good
        if best not in as_good:
            wrong.append(f"{name} ({form}): {best} is kept: {why}")
        for what, copy in copies.items():
            if what not in as_good:
                pairs[what] += 1
                beaten[what] += kept([copies[ORIGINAL], copy])[0] != ORIGINAL
        if options.verbose:
            print(number, name, form, best, flush=True)
    report(right, groups, beaten, pairs)
    for line in wrong:
        print(f"  {line}")
    print(f"{time.process_time() - started:.0f} s of processor time")


def report(right, groups, beaten, pairs):
    print(f"the original is kept in {right} of {groups} groups: {right / max(1, groups):.2%}")
    in_all = sum(pairs.values())
    share = 1 - sum(beaten.values()) / max(1, in_all)
    print(f"beside one copy alone: {in_all - sum(beaten.values()):,} of {in_all:,}: {share:.2%}")
    history.record("duplicates_keepers", {"groups": groups, "right": right, "in pairs": share})
    for what, count in beaten.items():
        if count:
            print(f"  {what:<28} kept instead {count} of {pairs[what]}")


if __name__ == "__main__":
    main()
