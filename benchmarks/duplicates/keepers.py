"""Duplicates: is the original kept, and is no edit taken for a copy? Variants with ground truth.

    python -m benchmarks.duplicates.keepers --photos DIR [--count 100]

Each photo becomes an original (JPEG at quality 85 to 95, with or without camera metadata) and, in
a folder of its own, 20 copies and 16 edits of it. Prints, of each way of copying, how many are in
the default plan's kinds (recall) and how often the original is kept rather than the copy; of each
edit, how many pairs are called the same picture; and how long the first and the second call take.
"""

import argparse
import collections
import io
import os
import random
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from imgvecd import VectorDatabase

SURE = ("same_bytes", "same_pixels", "reencoded")
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
LIBRARY = Path(__file__).resolve().parents[3] / "shared" / "data" / "library"


def again(image, quality):
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def scaled(image, factor):
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return image.resize(size, Image.Resampling.LANCZOS)


def from_webp(image):
    data = io.BytesIO()
    image.save(data, "WEBP", quality=75)
    return Image.open(data).convert("RGB")


def warmer(image, share):
    red, green, blue = image.split()
    return Image.merge(
        "RGB",
        (red.point(lambda v: v * (1 + share)), green, blue.point(lambda v: v * (1 - share))),
    )


def watermarked(image):
    layer = Image.new("RGBA", image.size)
    font = ImageFont.load_default(max(12, image.height // 24))
    place = (image.width * 0.7, image.height * 0.92)
    ImageDraw.Draw(layer).text(place, "© photo", (255, 255, 255, 120), font)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def captioned(image):
    image = image.copy()
    font = ImageFont.load_default(max(14, image.height // 16))
    place = (image.width // 8, image.height // 20)
    ImageDraw.Draw(image).text(place, "monday again", "white", font, stroke_width=1, stroke_fill=0)
    return image


def cut(image, share):
    width, height = image.size
    left, top = round(width * (1 - share) / 2), round(height * (1 - share) / 2)
    return image.crop((left, top, width - left, height - top))


COPIES = {
    **{
        f"JPEG at {quality}": (".jpg", lambda image: image, {"quality": quality})
        for quality in (20, 35, 50, 70, 85)
    },
    "metadata stripped": (".jpg", lambda image: image, {"quality": "keep"}),
    "20, then 95": (".jpg", lambda image: again(image, 20), {"quality": 95}),
    "50, then 90": (".jpg", lambda image: again(image, 50), {"quality": 90}),
    "PNG": (".png", lambda image: image, {}),
    "PNG of 30": (".png", lambda image: again(image, 30), {}),
    "half the size": (".jpg", lambda image: scaled(image, 0.5), {"quality": 95}),
    "a third": (".jpg", lambda image: scaled(image, 1 / 3), {"quality": 80}),
    "twice the size": (".jpg", lambda image: scaled(image, 2), {"quality": 60}),
    "1.5 times, 95": (".jpg", lambda image: scaled(image, 1.5), {"quality": 95}),
    "WebP": (".webp", lambda image: image, {"quality": 80}),
    "AVIF": (".avif", lambda image: image, {"quality": 60, "speed": 8}),
    "JPEG of WebP": (".jpg", from_webp, {"quality": 92}),
    "screenshot": (".png", lambda image: scaled(image, 0.72), {}),
    "messenger": (".jpg", lambda image: scaled(image, 0.8), {"quality": 70}),
    "messenger, twice": (".jpg", lambda image: again(scaled(image, 0.8), 70), {"quality": 65}),
}
EDITS = {
    "black and white": lambda image: ImageOps.grayscale(image).convert("RGB"),
    "sepia": lambda image: ImageOps.colorize(ImageOps.grayscale(image), "#201008", "#fff0c8"),
    "brighter by 5 %": lambda image: ImageEnhance.Brightness(image).enhance(1.05),
    "brighter by 15 %": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.1),
    "saturation": lambda image: ImageEnhance.Color(image).enhance(1.3),
    "warmer by 4 %": lambda image: warmer(image, 0.04),
    "warmer by 10 %": lambda image: warmer(image, 0.1),
    "blurred by 1": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "blurred by 2": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(2, 120, 2)),
    "watermark": watermarked,
    "caption": captioned,
    "mirrored": ImageOps.mirror,
    "cropped to 90 %": lambda image: cut(image, 0.9),
    "posterised": lambda image: ImageOps.posterize(image, 4),
}


def camera():
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "Maker T1"
    exif.get_ifd(0x8769)[0x829D] = 2.8
    return exif


def make(photo, folder, chance):
    """Write the original and its variants; return {path: what it is}."""
    folder.mkdir()
    original = folder / "original.jpg"
    told = {"exif": camera()} if chance.random() < 0.5 else {}
    image = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
    image.save(original, quality=chance.randint(85, 95), **told)
    decoded = Image.open(original)
    made = {original: "original"}
    for name, (suffix, copy, how) in COPIES.items():
        path = folder / f"copy {name}{suffix}".replace("%", "")
        extra = {}
        if suffix == ".jpg" and chance.random() < 0.5 and how.get("quality") != "keep":
            extra["exif"] = Image.Exif()
            extra["exif"][0x0131] = "a program"
        source = decoded if how.get("quality") == "keep" else decoded.convert("RGB")
        if how.get("quality") == "keep":
            extra["exif"] = b""
        copy(source).save(path, **how, **extra)
        made[path] = name
    for name, edit in EDITS.items():
        path = folder / f"edit {name}.jpg".replace("%", "")
        edit(decoded.convert("RGB")).save(path, quality=chance.choice((75, 88, 92)))
        made[path] = name
    for path in made:  # the file's date tells nothing: copies are older as often as not
        moment = chance.randint(946_684_800, 1_700_000_000)
        os.utime(path, (moment, moment))
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=Path, default=LIBRARY)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    photos = sorted(path for path in options.photos.rglob("*") if path.suffix.lower() in SUFFIXES)
    photos = photos[:: max(1, len(photos) // options.count)][: options.count]
    with tempfile.TemporaryDirectory() as scratch:
        chance = random.Random(1)
        made = {}
        for number, photo in enumerate(photos):
            made |= make(photo, Path(scratch) / f"{number:04}", chance)
        with VectorDatabase("imgvecd-mini", db_path=Path(scratch) / "db") as database:
            database.add_images_batch(list(made))
            started = time.perf_counter()
            groups = database.duplicates(kinds=SURE).groups
            first = time.perf_counter() - started
            started = time.perf_counter()
            database.duplicates(kinds=SURE)
            print(f"{len(photos)} photos, {len(made)} files: first call {first:.1f} s,", end=" ")
            print(f"second {time.perf_counter() - started:.2f} s")
    judge(made, groups, len(photos))


def judge(made, groups, photos):
    found, beaten, taken = (collections.Counter() for _ in range(3))
    right = pairs = 0
    for group in groups:
        paths = [Path(file.path) for file in group.files]
        kept = made[paths[0]]
        names = [made[path] for path in paths if path.parent == paths[0].parent]
        if "original" in names:
            right += kept == "original"
            pairs += 1
            for name in names:
                found[name] += 1
            if kept != "original":
                beaten[kept] += 1
        for name in names:
            taken[name] += name in EDITS and "original" in names
    print(f"the original is kept in {right} of {pairs} groups: {right / max(1, pairs):.2%}")
    for name in COPIES:
        print(f"  {name:<20} recall {found[name] / photos:7.2%}  kept instead {beaten[name]:>3}")
    print(f"edits called the same picture: {sum(taken.values())} of {len(EDITS) * photos}")
    for name in EDITS:
        if taken[name]:
            print(f"  {name:<20} {taken[name]}")


if __name__ == "__main__":
    main()
