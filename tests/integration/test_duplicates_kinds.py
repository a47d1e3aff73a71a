"""What is the same picture and what only looks like it, and which copy is the best."""

import datetime
import io
import os
import random
from pathlib import Path

import pytest
from kept_state import keep_state
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps
from raw_files import dng

from imgvecd import VectorDatabase

pytestmark = pytest.mark.long

PHOTOS = Path(__file__).parents[1] / "data" / "photos"
SURE = ["same_bytes", "same_pixels", "reencoded"]
# all pairs are compared: another photo takes as much again
PHOTO_BY_DAY = ["astronaut", pytest.param("coffee", marks=pytest.mark.nightly)]


def photo(name):
    return Image.open(PHOTOS / f"{name}.jpg").convert("RGB")


def exif(second=0, subsecond=None, orientation=None):
    found = Image.Exif()
    found[0x010F], found[0x0110] = "Maker", "Maker T1"
    if orientation:
        found[0x0112] = orientation
    fields = found.get_ifd(0x8769)
    fields[0x9003] = f"2024:05:01 12:00:{second:02}"
    if subsecond:
        fields[0x9291] = subsecond
    return found


@pytest.fixture
def groups(tmp_path):
    """Return the groups of a folder as ({names}, kind), for each choice of kinds."""

    def groups(folder, *choices):
        with VectorDatabase("imgvecd-mini", db_path=keep_state(tmp_path / "db")) as database:
            database.add_images_batch(sorted(each for each in folder.rglob("*.*")))
            return [
                [
                    ({Path(file["image_path"]).name for file in group}, group[-1]["kind"])
                    for group in database.find_duplicates(kinds=kinds)
                ]
                for kinds in choices
            ]

    return groups


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def watermarked(image):
    layer = Image.new("RGBA", image.size)
    place = (image.width * 2 // 3, image.height - 30)
    ImageDraw.Draw(layer).text(place, "© me", (255, 255, 255, 140), ImageFont.load_default(20))
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def captioned(image):
    image = image.copy()
    ImageDraw.Draw(image).text((20, 10), "monday again", "white", ImageFont.load_default(24))
    return image


EDITS = {
    "grey": lambda image: ImageOps.grayscale(image).convert("RGB"),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.08),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.15),
    "colour": lambda image: ImageEnhance.Color(image).enhance(1.4),
    "warmer": lambda image: Image.merge(
        "RGB",
        [
            band.point(lambda v, k=k: v * k)
            for band, k in zip(image.split(), (1.06, 1, 0.94), strict=True)
        ],
    ),
    "sepia": lambda image: ImageOps.colorize(ImageOps.grayscale(image), "#201008", "#fff0c8"),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "sharper": lambda image: image.filter(ImageFilter.UnsharpMask(2, 150, 0)),
    "watermark": watermarked,
    "caption": captioned,
    "mirrored": ImageOps.mirror,
    "cropped": lambda image: image.crop(
        (image.width // 10, image.height // 10, image.width * 9 // 10, image.height * 9 // 10)
    ),
    "posterised": lambda image: ImageOps.posterize(image, 4),
}


@pytest.mark.parametrize("name", PHOTO_BY_DAY)
def test_no_edit_is_the_same_picture(groups, folder, name):
    image = photo(name)
    image.save(folder / f"{name}.jpg", quality=92)
    for edit, make in EDITS.items():
        make(image).save(folder / f"{name}-{edit}.jpg", quality=88)
    sure, edited = groups(folder, SURE, ["edited"])
    assert sure == []
    assert len({name for names, _ in edited for name in names}) > 0.65 * len(EDITS)


@pytest.mark.parametrize("name", PHOTO_BY_DAY)
def test_saved_anew_it_is_the_same_picture(groups, folder, name):
    image = photo(name)
    image.save(folder / f"{name}.jpg", quality=92)
    for quality in (20, 35, 50, 75):
        image.save(folder / f"{name}-{quality}.jpg", quality=quality)
    image.save(folder / f"{name}.webp", quality=75)
    image.save(folder / f"{name}.avif", quality=60)
    half = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    half.save(folder / f"{name}-half.jpg", quality=80)
    large = image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC)
    large.save(folder / f"{name}-large.jpg", quality=60)
    (found,) = groups(folder, SURE)
    assert [(len(names), kind) for names, kind in found] == [(9, "reencoded")]


def page(lines, size=(620, 877)):
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((60, 60 + 30 * number), line, "black", ImageFont.load_default(18))
    return image


def test_pages_that_differ_in_a_number_are_no_duplicates(groups, folder):
    chance = random.Random(3)
    items = [f"{chance.randint(1, 9)} pieces of something" for _ in range(20)]
    for number in range(3):
        total = f"total {chance.randint(100, 999)}.00"
        invoice = page([f"Invoice {2024100 + number}", *items, total])
        invoice.save(folder / f"{number}.png")
        invoice.save(folder / f"{number}.jpg", quality=80)
    sure, edited = groups(folder, SURE, ["edited", "transformed"])
    assert all(len({Path(name).stem for name in names}) == 1 for names, _ in sure)
    assert edited == []


def test_charts_and_recoloured_drawings_are_no_duplicates(groups, folder):
    for number in range(4):
        chance = random.Random(number)
        chart = Image.new("RGB", (600, 400), "white")
        draw = ImageDraw.Draw(chart)
        for bar in range(8):
            draw.rectangle((40 + 65 * bar, 150 + chance.randint(0, 25), 80 + 65 * bar, 380), "navy")
        chart.save(folder / f"chart{number}.png")
        drawing = Image.new("RGB", (450, 300), "white")
        ImageDraw.Draw(drawing).ellipse(
            (60, 30, 390, 270), ("red", "blue", "green", "gold")[number]
        )
        drawing.save(folder / f"drawing{number}.png")
        Image.new("RGB", (300, 200), (200 + number,) * 3).save(folder / f"plain{number}.png")
    assert groups(folder, SURE) == [[]]


def test_frames_of_one_second_are_a_burst(groups, folder):
    image = photo("coffee")
    for number, subsecond in enumerate(("11", "34", "58")):
        frame = image.copy()
        frame.paste(image.crop((0, 0, 60, 60)), (100 + 40 * number, 120))
        frame.save(folder / f"IMG_{number}.jpg", quality=92, exif=exif(0, subsecond))
    sure, every = groups(folder, SURE, [])
    assert sure == []
    assert every == [({"IMG_0.jpg", "IMG_1.jpg", "IMG_2.jpg"}, "burst")]


def test_a_negative_is_no_duplicate_of_its_print(groups, folder):
    pytest.importorskip("rawpy")
    for name, raw, print_ in (
        ("coffee", "originals/DSC9.DNG", "album/DSC9.jpg"),
        ("astronaut", "PXL_1.RAW-02.ORIGINAL.dng", "PXL_1.RAW-01.COVER.jpg"),
        ("motorcycle", "IMG_3.DNG", "img_3.jpg"),
        ("cat", "RAW/DSC1.DNG", "DSC1.JPG"),
        ("rocket", "_DSC0042.dng", "2024/Holiday in Rome 17.jpg"),
    ):
        image = photo(name).resize((600, 400))
        preview = io.BytesIO()
        image.save(preview, "JPEG", quality=90)
        for path in (raw, print_):
            (folder / path).parent.mkdir(exist_ok=True)
        (folder / raw).write_bytes(dng(image, (preview.getvalue(), image.size)))
        (folder / print_).write_bytes(preview.getvalue())
    (found,) = groups(folder, [])
    assert [names for names, kind in found if kind != "burst"] == []
    negatives = {name for names, _ in found for name in names if name.lower().endswith("dng")}
    prints = {name for names, _ in found for name in names} - negatives
    assert all(names <= negatives or names <= prints for names, _ in found)


COPIES = {
    "q20.jpg": (lambda image: image, {"quality": 20}),
    "q50.jpg": (lambda image: image, {"quality": 50}),
    "q75.jpg": (lambda image: image, {"quality": 75}),
    "twice.jpg": (lambda image: again(image, 20), {"quality": 95}),
    "lossless.png": (lambda image: again(image, 30), {}),
    "half.jpg": (lambda image: scaled(image, 0.5), {"quality": 95}),
    "double.jpg": (lambda image: scaled(image, 2), {"quality": 60}),
    "larger.jpg": (lambda image: scaled(image, 1.5), {"quality": 95}),
    "copy.webp": (lambda image: image, {"quality": 90}),
    "copy.avif": (lambda image: image, {"quality": 80}),
    "screen.png": (lambda image: scaled(image, 0.7), {}),
    "chat.jpg": (lambda image: scaled(image, 0.8), {"quality": 70}),
}


def again(image, quality):
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data)


def scaled(image, factor):
    size = round(image.width * factor), round(image.height * factor)
    return image.resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("name", "tag", "chosen"),
    [
        ("coffee", (0x0112, 1), list(COPIES)[::2]),
        ("cat", None, list(COPIES)[1::2]),
        pytest.param("astronaut", (0x0131, "a program"), list(COPIES), marks=pytest.mark.nightly),
    ],
)
def test_the_original_is_kept(folder, tmp_path, name, tag, chosen):
    """Whatever else speaks for the copies: an orientation, a field of metadata, an older date."""
    original = folder / f"{name}.jpg"
    photo(name).save(original, quality=92)
    image = Image.open(original).convert("RGB")
    for ending in chosen:
        make, how = COPIES[ending]
        extra = Image.Exif()
        if tag:
            extra[tag[0]] = tag[1]
        copy = folder / f"{name}-{ending}"
        make(image).save(copy, **how, exif=extra)
        old = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC).timestamp()
        os.utime(copy, (old, old))
    with VectorDatabase("imgvecd-mini", db_path=keep_state(tmp_path / "db")) as database:
        database.add_images_batch(sorted(folder.iterdir()))
        found = database.duplicates(kinds=["reencoded", "same_pixels"]).groups
    kept = [(Path(group.files[0].path).name, len(group.files)) for group in found]
    assert kept == [(f"{name}.jpg", len(chosen) + 1)]
    assert {file.kind for group in found for file in group.files[1:]} <= {
        "reencoded", "same_pixels"
    }  # fmt: skip
    assert all("quality" in group.files[0].why for group in found)
