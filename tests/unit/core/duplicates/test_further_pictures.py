"""Files that hold more than the picture that is shown: animations, pages, a second view."""

import io
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image, ImageOps

from imgvecd.adapters import pillow
from imgvecd.core.duplicates import comparing

PHOTO = Path(__file__).parents[3] / "data" / "photos" / "cat.jpg"


@pytest.fixture(scope="module")
def frames():
    photo = Image.open(PHOTO).convert("RGB").resize((240, 180))
    return [photo.rotate(10 * number) for number in range(6)]


def examined(frames, form, **how):
    data, frames = io.BytesIO(), [frame.copy() for frame in frames]  # saving leaves traces
    if form == "HEIF":
        images = pillow_heif.HeifFile()
        for frame in frames:
            images.add_from_pillow(frame)
        images.save(data, **how)
    else:
        several = {"save_all": True, "append_images": frames[1:]} if frames[1:] else {}
        frames[0].save(data, form, **several, **how)
    return pillow.examine(io.BytesIO(data.getvalue()), 100_000_000)


KINDS = [
    ("GIF", {"duration": 100}),
    ("WEBP", {"duration": 100, "lossless": True}),
    ("WEBP", {"duration": 100, "quality": 60}),
    ("PNG", {"duration": 100}),
    ("AVIF", {"duration": 100, "speed": 9}),
    ("TIFF", {}),
    ("HEIF", {"quality": 70}),
]
NAMES = [f"{form} {' '.join(map(str, how))}" for form, how in KINDS]


@pytest.mark.parametrize(("form", "how"), KINDS, ids=NAMES)
def test_what_shows_the_same_and_goes_on_otherwise_is_another_one(frames, form, how):
    one = examined(frames, form, **how)
    shown = frames[3] if form not in {"TIFF", "HEIF"} else frames[0]
    other = examined([*frames[:4], ImageOps.invert(frames[4]), frames[5]], form, **how)
    assert comparing.compare(one, other, 0) == "edited"
    assert comparing.compare(one, examined([shown], "PNG"), 0) == "edited"
    assert comparing.compare(examined(frames[:1], form), one, 0) in {"edited", "other"}


def test_pages_that_differ_by_a_little_are_told_if_nothing_was_lost(frames):
    page = frames[1].copy()
    page.putpixel((5, 5), (255, 0, 0))
    one, other = (examined([frames[0], each], "TIFF") for each in (frames[1], page))
    assert comparing.compare(one, other, 0) == "edited"
    assert comparing.compare(one, examined(frames[:2], "TIFF"), 0) == "same_pixels"


def test_an_animation_saved_anew_is_the_same(frames):
    lossless = examined(frames, "WEBP", lossless=True, duration=100)
    assert comparing.compare(lossless, examined(frames, "PNG", duration=50), 0) == "same_pixels"
    for quality in (50, 80):
        again = examined(frames, "WEBP", quality=quality, duration=100)
        assert comparing.compare(lossless, again, 0) == "same"
    small = [frame.resize((160, 120)) for frame in frames]
    assert comparing.compare(lossless, examined(small, "WEBP", quality=90), 0) == "same"


def test_what_is_behind_a_jpeg_may_be_missing_but_not_be_another_one(frames):
    stereo = examined(frames[:2], "MPO")
    assert comparing.compare(stereo, examined(frames[:1], "JPEG"), 0) == "same_pixels"
    assert comparing.compare(stereo, examined([frames[0], frames[4]], "MPO"), 0) == "edited"
