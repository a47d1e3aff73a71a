"""Which of two files was made from the other, where their sizes and tables alone do not tell."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter
from PIL.ExifTags import Base

from benchmarks.duplicates.variants import again, saved
from imgvecd import api
from imgvecd.adapters import pillow
from imgvecd.core.duplicates.copies import Copy
from imgvecd.core.duplicates.keeper import Chooser, ChosenFolders

PHOTOS = Path(__file__).parents[3] / "data" / "photos"


def scaled(image, factor, how=Image.Resampling.BICUBIC):
    return image.resize([round(side * factor) for side in image.size], how)


def opened(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


def kept(**files):
    """Return the name of the file that is kept; those named later are newer."""
    return ordered(**files)[0][0]


def ordered(*, aged=True, **files):
    """Return [(name of a file, what speaks for or against it)], the one to keep first."""
    request = api.DuplicatesRequest()
    copies = []
    for number, (name, data) in enumerate(files.items()):
        examined = pillow.examine(io.BytesIO(data), 10**7)
        info = examined.info
        date = f"20{number if aged else 0:02}"
        file = api.ImageFile(path=f"/{name}", size_bytes=len(data), modified_at=date)
        image = api.Image(
            id=number, hash=f"{number:064x}", files=(file,), format=info.format,
            width=info.width, height=info.height, metadata=info.metadata,
        )  # fmt: skip
        copies.append(Copy(image, file, examined.facts))
    chooser = Chooser(copies, request, ChosenFolders(request))
    return [(copy.file.path[1:], chooser.why(copy)) for copy in chooser.ordered()]


@pytest.fixture(scope="module", params=["astronaut", "coffee", "rocket"])
def picture(request):
    photo = Image.open(PHOTOS / f"{request.param}.jpg").convert("RGB")
    return scaled(photo, 0.9)  # so that nothing is left of how it was saved


@pytest.mark.parametrize("quality", [90, 95])
@pytest.mark.parametrize("factor", [1.4, 1.5, 3])
def test_what_was_enlarged_gives_way(picture, quality, factor):
    original = saved(picture, quality=88)
    larger = saved(scaled(picture, factor), quality=quality)
    assert kept(larger=larger, original=original) == "original"
    assert kept(smaller=saved(scaled(picture, 1 / factor), quality=95), original=original) == (
        "original"
    )


@pytest.mark.parametrize("how", [("PNG", {}), ("JPEG", {"quality": 95}), ("JPEG", {"quality": 85})])
@pytest.mark.parametrize("times", [2, 4])
def test_what_has_every_pixel_several_times_gives_way(picture, times, how):
    original = saved(picture, quality=88)
    form, options = how
    larger = scaled(opened(original), times, Image.Resampling.NEAREST)
    assert kept(larger=saved(larger, form, **options), original=original) == "original"


def test_an_even_picture_has_no_pixel_several_times():
    plain = np.full((400, 400), 200, np.uint8)
    plain[::16, ::16] = 190
    facts = pillow.examine(io.BytesIO(saved(Image.fromarray(plain), "PNG")), 10**7).facts
    assert not {0.5, 0.25} & set(facts.repeats)


@pytest.mark.parametrize("quality", [85, 90, 95])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_saving_again_at_100_makes_it_no_better(picture, quality, subsampling):
    original = saved(picture, quality=quality)
    copy = saved(opened(original), quality=100, subsampling=subsampling)
    assert kept(copy=copy, original=original) == "original"


@pytest.mark.parametrize("quality", [80, 90, 95])
def test_what_was_first_saved_at_100_is_kept(picture, quality):
    original = saved(picture, quality=100)
    copy = saved(opened(original), quality=quality)
    assert kept(copy=copy, original=original) == "original"


@pytest.mark.parametrize("how", [("JPEG", {"quality": 92}), ("PNG", {}), ("WEBP", {"quality": 80})])
@pytest.mark.parametrize("percent", [80, 250])
def test_what_was_made_twice_as_large_and_sharpened_gives_way(picture, percent, how):
    original = saved(picture, quality=88)
    form, options = how
    sharp = ImageFilter.UnsharpMask(1.5, percent, 0)
    for kernel in (Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BILINEAR):
        larger = scaled(opened(original), 2, kernel).filter(sharp)
        assert kept(larger=saved(larger, form, **options), original=original) == "original"


@pytest.mark.parametrize("quality", [80, 92])
@pytest.mark.parametrize(
    "soften",
    [
        ImageFilter.GaussianBlur(1.5),
        ImageFilter.BoxBlur(1),
        ImageFilter.MedianFilter(5),
        ImageFilter.Kernel((5, 5), np.eye(5).ravel()),  # moved
    ],
    ids=["lens", "sensor", "denoised", "moved"],
)
def test_a_soft_original_is_not_taken_for_enlarged(picture, soften, quality):
    pixels = np.asarray(picture.filter(soften), np.float32)
    noisy = pixels + np.random.default_rng(3).normal(0, 2, pixels.shape)
    shot = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    shot = shot.filter(ImageFilter.UnsharpMask(1.5, 100, 0))
    original = saved(shot, quality=quality)
    assert not pillow.examine(io.BytesIO(original), 10**7).facts.repeats
    for kernel in (Image.Resampling.LANCZOS, Image.Resampling.BOX):
        half = saved(scaled(opened(original), 0.5, kernel), quality=95)
        assert kept(half=half, original=original) == "original"


def test_the_enlarged_copy_of_an_enlarged_copy_is_no_better(picture):
    files = {
        f"times {factor}": saved(scaled(picture, factor), quality=95) for factor in (3, 2.25, 1.5)
    }
    assert kept(**files, original=saved(picture, quality=86)) == "original"


@pytest.mark.parametrize("how", [("WEBP", {"quality": 75}), ("AVIF", {"quality": 60, "speed": 8})])
@pytest.mark.parametrize("quality", [86, 90, 94])
def test_a_way_by_another_codec_shows(picture, how, quality):
    original = saved(picture, quality=quality)
    form, options = how
    copy = saved(again(Image.open(io.BytesIO(original)), form, **options), quality=92)
    assert kept(copy=copy, original=original) == "original"


@pytest.mark.parametrize(("first", "then"), [(86, 90), (88, 90), (92, 90), (94, 90)])
def test_of_neighbouring_qualities_the_one_that_explains_the_other_was_first(picture, first, then):
    original = saved(picture, quality=first)
    copy = saved(Image.open(io.BytesIO(original)), quality=then)
    assert kept(copy=copy, original=original) == "original"


@pytest.mark.parametrize("period", [3, 4])
def test_a_pattern_is_not_taken_for_enlarging(period):
    down, across = 2 * np.pi * np.mgrid[:300, :300] / period
    waves = 128 + 60 * np.sin(down) + 60 * np.sin(across)
    noisy = waves + np.random.default_rng(1).normal(0, 12, waves.shape)
    pattern = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).convert("RGB")
    half = saved(scaled(pattern, 0.5), quality=95)
    assert kept(half=half, whole=saved(pattern, quality=90)) == "whole"


@pytest.mark.parametrize(
    ("form", "how"),
    [("AVIF", {"quality": 90, "speed": 8}), ("JPEG2000", {"quality_layers": [4]})],
)
def test_what_another_codec_made_of_a_photo_that_was_saved_twice_gives_way(picture, form, how):
    original = saved(again(picture, quality=65), quality=92)
    assert kept(copy=saved(opened(original), form, **how), original=original) == "original"
    better = saved(picture, form, **how)
    assert kept(copy=original, better=better) == "better"


@pytest.mark.parametrize("factor", [1.5, 1.6])
def test_what_was_enlarged_from_something_smaller_than_any_copy_gives_way(picture, factor):
    original = saved(picture, quality=88)
    shot = scaled(scaled(opened(original), 0.72), factor)
    assert kept(shot=saved(shot, quality=95), original=original) == "original"
    assert kept(shot=saved(shot, "PNG"), original=original) == "original"


def test_a_photo_that_remembers_poor_steps_is_not_beaten_by_a_copy_in_these(picture):
    """What the camera said is missing in the copy: the steps are of what both were made from."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "Maker T1"
    exif.get_ifd(0x8769)[0x829D] = 2.8
    original = saved(again(picture, quality=80), quality=95, exif=exif)
    copy = saved(opened(original), quality=80)
    assert kept(copy=copy, original=original) == "original"


@pytest.mark.parametrize(
    ("form", "how"),
    [("WEBP", {"quality": 75}), ("AVIF", {"quality": 60, "speed": 8}), ("HEIF", {"quality": 60})],
)
def test_a_photo_that_was_saved_twice_is_not_beaten_by_what_came_by_another_codec(
    picture, form, how
):
    original = saved(again(picture, quality=80), quality=93)
    copy = saved(opened(saved(opened(original), form, **how)), quality=92)
    assert kept(copy=copy, original=original) == "original"
    poor = saved(again(picture, quality=20), quality=95)
    assert kept(poor=poor, original=original) == "original"


def test_more_bits_of_a_jpegs_pixels_make_it_no_better(picture):
    original = saved(picture.convert("L"), quality=92)
    levels = np.asarray(Image.open(io.BytesIO(original)))
    assert kept(deep=deep(levels * np.uint16(257)), original=original) == "original"
    plain = saved(Image.fromarray(levels), "PNG")
    finer = levels * np.uint16(256) + np.uint16(77)  # of what the other was made from
    assert kept(plain=plain, finer=deep(finer)) == "finer"


def deep(levels):
    return saved(Image.fromarray(levels.astype(np.uint16)), "PNG")


def test_of_the_same_pixels_those_with_somebodys_words_are_kept(picture):
    named = Image.Exif()
    named[Base.XPTitle] = "Grandma's birthday".encode("utf-16-le")
    original = saved(picture, quality=88)
    assert kept(plain=original, named=saved(opened(original), "PNG", exif=named)) == "named"
    worse = saved(picture, quality=60, exif=named)
    assert kept(worse=worse, plain=original) == "plain"


def test_what_the_camera_says_is_lost_in_copies_and_never_gained(picture):
    said = Image.Exif()
    said[Base.Make], said[Base.Model] = "Maker", "Maker T1"
    enlarged = scaled(picture, 1.25)  # has the rhythm of what was enlarged
    original = saved(enlarged, quality=94, exif=said)
    chat = saved(scaled(opened(original), 0.8), quality=75)
    assert kept(chat=chat, original=original) == "original"
    # but from a copy that says the same it may have been made
    first = saved(picture, quality=92, exif=said)
    assert kept(chat=chat, enlarged=original, first=first) == "first"


def test_quality_is_told_of_what_lost_some(picture):
    original = saved(picture, quality=92)
    told = dict(ordered(original=original, png=saved(opened(original), "PNG")))
    size = f"{picture.width} × {picture.height}"
    assert told["png"] == f"{size}, lossless, no camera metadata"
    assert told["original"] == f"{size}, quality 92, no camera metadata"
    coarse = saved(opened(saved(picture, quality=30)), "PNG")
    assert "lossless, quality about" in ordered(coarse=coarse)[0][1]


def test_it_is_told_what_shows_that_a_copy_is_one(picture):
    original = saved(picture, quality=88)
    by_webp = saved(again(opened(original), "WEBP", quality=75), quality=92)
    told = dict(ordered(copy=by_webp, original=original))
    assert "fine detail and colours weaker than in another copy" in told["copy"]
    assert "weaker" not in told["original"]
    told = dict(ordered(copy=saved(opened(original), quality=94), original=original))
    assert "made from another copy" in told["copy"]
    assert "made from" not in told["original"]


def test_of_files_as_old_as_each_other_the_one_with_the_plain_name_is_kept(picture):
    names = ("a/cat (1).jpg", "a/cat.jpg", "b/cat copy.jpg", "b/cat.jpg", "0/cat-2.jpg")
    data = saved(picture, quality=88)
    assert ordered(aged=False, **dict.fromkeys(names, data))[0][0] == "a/cat.jpg"
    assert ordered(**dict.fromkeys(names, data))[0][0] == names[0]  # the oldest


@pytest.mark.parametrize("quality", [30, 50])
def test_harsh_pictures_remember_how_they_were_saved(picture, quality):
    harsh = ImageEnhance.Color(ImageEnhance.Contrast(picture).enhance(1.2)).enhance(1.2)
    coarse = opened(saved(harsh, quality=quality))
    for data in (saved(coarse, "PNG"), saved(coarse, quality=95)):
        facts = pillow.examine(io.BytesIO(data), 10**7).facts
        assert facts.remembered == pytest.approx(quality, abs=5)
    original = saved(harsh, quality=90)
    assert pillow.examine(io.BytesIO(original), 10**7).facts.remembered == 100
    assert kept(copy=saved(coarse, quality=95), original=original) == "original"
