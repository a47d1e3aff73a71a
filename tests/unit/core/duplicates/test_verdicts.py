"""What one picture is to another, without files: saved anew, or changed."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from imgvecd.adapters import pillow
from imgvecd.core.duplicates import comparing, detail, resaving
from imgvecd.types import CopyFacts, ExaminedImage, ImageInfo
from tests.unit.core.duplicates.pictures import like_a_photo

SIDE = 256


@pytest.fixture(scope="module")
def photo():
    return like_a_photo(SIDE)


def examined(image, quality=100, size=(SIDE, SIDE), form="jpeg"):
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    facts = CopyFacts(pixels=image.tobytes()[:16], quality=quality, remembered=quality)
    return ExaminedImage(ImageInfo(form, *size), facts, SIDE, small.tobytes())


def saved(image, quality, form="JPEG"):
    data = io.BytesIO()
    image.save(data, form, quality=quality)
    return Image.open(data).convert("RGB")


# photos that take as long again: at night
NAMES = [
    "cat",
    "coffee",
    *(
        pytest.param(each, marks=pytest.mark.nightly)
        for each in ("astronaut", "motorcycle", "rocket")
    ),
]


@pytest.mark.parametrize("quality", [10, 20, 35, 50, 75, 95])
def test_saved_anew_it_is_the_same_at_any_quality(photo, quality):
    copy = examined(saved(photo, quality), quality)
    assert comparing.compare(examined(photo, 95), copy, 0) == "same"
    assert comparing.compare(copy, examined(photo, 95), 0) == "same"


@pytest.mark.parametrize("quality", [75, 95])
@pytest.mark.parametrize(
    "edit",
    [
        lambda image: image.point(lambda value: value * 1.04),
        lambda image: image.filter(ImageFilter.GaussianBlur(1)),
        lambda image: image.filter(ImageFilter.UnsharpMask(2, 150, 0)),
        lambda image: image.convert("L").convert("RGB"),
        lambda image: Image.merge("RGB", [*image.split()[:2], image.split()[2].point(_less)]),
    ],
)
def test_changed_it_is_an_edit_however_it_is_saved(photo, edit, quality):
    changed = examined(saved(edit(photo), quality), quality)
    assert comparing.compare(examined(photo, 95), changed, 0) == "edited"


def _less(value):
    return value * 0.95


def test_grain_that_no_saving_explains_is_an_edit(photo):
    grain = np.random.default_rng(1).normal(0, 14, (SIDE, SIDE, 1))
    grainy = np.clip(np.asarray(photo) + grain, 0, 255).astype(np.uint8)
    noisy = examined(saved(Image.fromarray(grainy), 92), 92)
    assert comparing.compare(examined(photo, 95), noisy, 0) == "edited"


@pytest.mark.parametrize("quality", [20, 50, 80])
def test_what_saving_does_is_about_what_a_jpeg_is(photo, quality):
    planes = detail.planes(photo.tobytes(), SIDE)
    real = detail.planes(saved(photo, quality).tobytes(), SIDE) - planes
    modelled = resaving.resaved(planes, photo.size, quality) - planes
    assert modelled.std(axis=(0, 1)) == pytest.approx(real.std(axis=(0, 1)), rel=0.25)


def test_a_larger_file_leaves_less_noise(photo):
    planes = detail.planes(photo.tobytes(), SIDE)
    noise = [
        (resaving.resaved(planes, (side, side), 30) - planes).std() for side in (SIDE, 640, 4000)
    ]
    assert noise == sorted(noise, reverse=True)


PHOTOS = Path(__file__).parents[3] / "data" / "photos"


def saved_photo(image, form="JPEG", **how):
    data = io.BytesIO()
    image.save(data, form, **how)
    return pillow.examine(data, 10**8)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("quality", [75, 85, 95])
def test_a_median_is_an_edit_and_saving_several_times_is_none(name, quality):
    photo = Image.open(PHOTOS / f"{name}.jpg").convert("RGB")
    original = saved_photo(photo, quality=92)
    smoothed = photo.filter(ImageFilter.MedianFilter(3))
    assert comparing.compare(original, saved_photo(smoothed, quality=quality), 0) == "edited"
    data = io.BytesIO()
    photo.save(data, "JPEG", quality=40)
    again = saved_photo(Image.open(data), quality=quality)
    assert comparing.compare(original, again, 0) == "same"


def test_strong_colours_that_leave_their_range_are_no_edit():
    random = np.random.default_rng(1)
    tone = np.kron(random.normal(0, 100, (64, 64)), np.ones((4, 4)))
    strong = np.stack([240 + tone, 10 + tone / 5, 120 - tone], axis=2)
    noise = random.normal(0, 6, strong.shape)
    photo = Image.fromarray(np.clip(strong + noise, 0, 255).astype(np.uint8))
    for quality in (90, 60, 40):
        copy = saved_photo(photo, quality=quality)
        assert comparing.compare(saved_photo(photo, quality=95), copy, 0) == "same"


def warmer(image):
    red, green, blue = image.split()
    return Image.merge(
        "RGB", (red.point(lambda v: v * 1.02), green, blue.point(lambda v: v * 0.98))
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_faint_change_of_all_colours_is_an_edit(name):
    photo = Image.open(PHOTOS / f"{name}.jpg").convert("RGB")
    pale = ImageEnhance.Color(photo).enhance(0.2)
    original = saved_photo(pale, quality=92)
    for change in (ImageEnhance.Color(pale).enhance(0.65), warmer(pale)):
        for quality in (75, 92):
            copy = saved_photo(change, quality=quality)
            assert comparing.compare(original, copy, 0) == "edited"
    for quality in (60, 75, 92):
        again = saved_photo(saved(pale, quality), quality=85)
        assert comparing.compare(original, again, 0) == "same"
    truncated = saved(pale, 80, "AVIF")
    assert comparing.compare(original, saved_photo(truncated, quality=92), 0) == "same"


def receipt(total):
    image = Image.new("RGB", (500, 700), (225, 222, 215))
    draw = ImageDraw.Draw(image)
    for number in range(16):
        line = f"article {number * 31 % 97:02}     {number % 9}.{number * 37 % 100:02}"
        draw.text((40, 50 + 36 * number), line, (60, 60, 70), ImageFont.load_default(22))
    draw.text((40, 640), f"total     {total}", (60, 60, 70), ImageFont.load_default(26))
    light = np.linspace(0.75, 1, 500)[None, :, None]
    grain = np.random.default_rng(1).normal(0, 7, (700, 500, 1))
    pixels = np.asarray(image, np.float32) * light + grain
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def test_one_digit_on_a_page_that_was_photographed_is_a_change():
    original = saved_photo(receipt("83.10"), quality=92)
    for quality in (90, 70):
        copy = saved_photo(receipt("83.10"), quality=quality)
        other = saved_photo(receipt("63.10"), quality=quality)
        assert comparing.compare(original, copy, 0) == "same"
        assert comparing.compare(original, other, 0) == "edited"


def sheet(total, dots):
    """A page of A4, so many dots an inch."""
    image = Image.new("RGB", (dots * 827 // 100, dots * 117 // 10), "white")
    draw, size = ImageDraw.Draw(image), dots / 6
    for number in range(24):
        line = f"{number * 31 % 97:02} pieces of something      {number % 9}.{number * 37 % 100:02}"
        place = 0.6 * dots, (0.8 + 0.38 * number) * dots
        draw.text(place, line, "black", ImageFont.load_default(size))
    total_at = 5 * dots, 10.2 * dots
    draw.text(total_at, f"total {total}", "black", ImageFont.load_default(1.1 * size))
    return image


@pytest.mark.parametrize(
    "dots",
    [
        75,
        pytest.param(150, marks=pytest.mark.long),
        pytest.param(300, marks=pytest.mark.nightly),
    ],
)
def test_one_digit_on_a_page_of_any_size_is_a_change(dots):
    original = saved_photo(sheet("1,284.50", dots), "PNG")
    for total in ("1,264.50", "1,284.58"):
        other = sheet(total, dots)
        for how in ({"form": "PNG"}, {"quality": 80}, {"quality": 40}):
            assert comparing.compare(original, saved_photo(other, **how), 0) in {"other", "edited"}
        if dots > 75:  # smaller, nobody can read it
            smaller = other.resize((other.width * 2 // 3, other.height * 2 // 3))
            assert comparing.compare(original, saved_photo(smaller, quality=90), 0) != "same"
    for how in ({"quality": 92}, {"quality": 80}, {"form": "WEBP", "quality": 80}):
        copy = saved_photo(sheet("1,284.50", dots), **how)
        assert comparing.compare(original, copy, 0) == "same"


def quiet_part(image, size):
    """Return the box of the part with the least structure that has some."""
    grey = np.asarray(image.convert("L"), np.float32)
    places = [
        (float(grey[top : top + size, left : left + size].std()), left, top)
        for top in range(16, image.height - size - 16, 24)
        for left in range(16, image.width - size - 16, 24)
    ]
    _, left, top = min(each for each in places if each[0] > 8)
    return left, top, left + size, top + size


def coarse(part, cell):
    size = max(1, part.width // cell), max(1, part.height // cell)
    small = part.resize(size, Image.Resampling.BOX)
    return small.resize(part.size, Image.Resampling.NEAREST)


def filled(part):
    mean = np.asarray(part).mean(axis=(0, 1)).round().astype(int)
    return Image.new("RGB", part.size, tuple(mean.tolist()))


def healed(part):
    """Return the part with its right half over the left one, in the tones of that."""
    pixels = np.asarray(part, np.float32).copy()
    half = part.width // 2
    pixels[:, :half] = pixels[:, -half:] - pixels[:, -half:].mean() + pixels[:, :half].mean()
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "change",
    [
        lambda part: coarse(part, 5),
        lambda part: coarse(part, 8),
        lambda part: coarse(part, 13),
        lambda part: part.filter(ImageFilter.GaussianBlur(3)),
        filled,
        healed,
    ],
    ids=["mosaic of 5", "mosaic of 8", "mosaic of 13", "blurred", "filled", "healed"],
)
def test_a_quiet_part_that_was_made_coarse_or_smooth_is_a_change(name, change):
    photo = Image.open(PHOTOS / f"{name}.jpg").convert("RGB")
    original = saved_photo(photo, quality=92)
    box = quiet_part(photo, 52)
    changed = photo.copy()
    changed.paste(change(photo.crop(box)), box)
    for quality in (75, 90):
        found = comparing.compare(original, saved_photo(changed, quality=quality), 0)
        assert found in {"edited", "other"}
        assert comparing.compare(original, saved_photo(photo, quality=quality), 0) == "same"


@pytest.mark.parametrize("quality", [50, 75])
def test_what_is_the_same_to_the_last_bit_leaves_no_place_for_a_change(quality):
    """It may well be less than saving would do, if it had been saved anew."""
    source = Image.open(PHOTOS / "coffee.jpg").convert("RGB")
    original = saved_photo(source, quality=quality)
    photo = saved(source, quality)
    box = quiet_part(photo, 40)
    changed = photo.copy()
    changed.paste(coarse(photo.crop(box), 3), box)
    assert comparing.compare(original, saved_photo(changed, "PNG"), 0) == "edited"
    assert comparing.compare(original, saved_photo(photo, quality=quality), 0) != "edited"


def test_tones_that_saving_cuts_off_at_black_and_white_are_no_edit():
    sharp = like_a_photo(640).crop((0, 0, 640, 480)).filter(ImageFilter.UnsharpMask(2, 200, 0))
    harsh = ImageEnhance.Contrast(sharp).enhance(1.6)
    original = saved_photo(harsh, quality=90)
    several_times = saved_photo(saved(saved(harsh, 85), 70), quality=60)
    assert comparing.compare(original, several_times, 0) == "same"
    darker = harsh.point(lambda value: value * 0.95)
    assert comparing.compare(original, saved_photo(darker, quality=90), 0) == "edited"


@pytest.mark.parametrize(("factor", "sharpened"), [(1.5, 30), (3, 60)])
def test_enlarged_it_is_softer_and_the_same(photo, factor, sharpened):
    sharp = photo.filter(ImageFilter.UnsharpMask(1, sharpened, 0))
    original = saved_photo(sharp, quality=92)
    large = sharp.resize((round(SIDE * factor),) * 2, Image.Resampling.BILINEAR)
    assert comparing.compare(original, saved_photo(large, quality=85), 0) == "same"
    small = sharp.reduce(2).filter(ImageFilter.UnsharpMask(2, 150, 0))
    assert comparing.compare(original, saved_photo(small, quality=92), 0) == "edited"


def test_a_faint_mark_on_something_bright_is_a_change(photo):
    bright = Image.eval(photo, lambda value: 205 + value // 6)
    mark = bright.copy()
    faint = Image.new("RGB", bright.size, "white")
    mask = Image.new("L", bright.size)
    ImageDraw.Draw(mask).text((90, 100), "© photo", 95, ImageFont.load_default(11))
    mark.paste(faint, mask=mask)
    original = saved_photo(bright, quality=90)
    assert comparing.compare(original, saved_photo(mark, quality=92), 0) == "edited"
    assert comparing.compare(original, saved_photo(bright, quality=92), 0) == "same"


@pytest.mark.parametrize(
    ("name", "opacity", "place", "quality"),
    [
        ("cat", 26, (0.1, 0.05), 75),
        ("coffee", 26, (0.6, 0.86), 75),
        ("cat", 18, (0.1, 0.05), 92),
        ("coffee", 18, (0.6, 0.86), 92),
    ],
)
def test_faint_letters_over_a_photo_are_a_change(name, opacity, place, quality):
    """Each pixel differs by no more than saving does beside it, but all of a line is darker."""
    photo = Image.open(PHOTOS / f"{name}.jpg").convert("RGB")
    photo.thumbnail((280, 280))
    photo = photo.crop((0, 0, photo.width // 32 * 32, photo.height // 32 * 32))
    mark = Image.new("RGBA", photo.size)
    at = photo.width * place[0], photo.height * place[1]
    ImageDraw.Draw(mark).text(at, "© photo", (0, 0, 0, opacity), ImageFont.load_default(11))
    marked = Image.alpha_composite(photo.convert("RGBA"), mark).convert("RGB")
    original = saved_photo(photo, quality=90)
    assert comparing.compare(original, saved_photo(marked, quality=quality), 0) == "edited"
    assert comparing.compare(original, saved_photo(photo, quality=quality), 0) == "same"


def test_saved_worse_each_time_it_gets_rougher_and_is_the_same():
    photo = Image.open(PHOTOS / "cat.jpg").convert("RGB")
    original, again = saved_photo(photo, quality=90), saved(photo, 90)
    for quality in (85, 70):
        again = saved(again, quality)
    assert comparing.compare(original, saved_photo(again, quality=60), 0) == "same"
    sharper = photo.filter(ImageFilter.UnsharpMask(2, 120, 2))
    assert comparing.compare(original, saved_photo(sharper, quality=75), 0) == "edited"
    smoother = saved_photo(photo.filter(ImageFilter.MedianFilter(3)), "PNG")
    assert comparing.compare(saved_photo(photo, quality=70), smoother, 0) == "edited"


def test_saved_lying_on_its_side_it_is_the_same(photo):
    original = saved_photo(photo, quality=88)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = saved(photo, 88).transpose(Image.Transpose.ROTATE_90)
    assert comparing.compare(original, saved_photo(stored, quality=88, exif=exif), 0) == "same"


def test_grain_that_saving_took_away_is_no_blur():
    random = np.random.default_rng(1)
    down, across = np.mgrid[:600, :500]
    shape = 60 + 90 * np.exp(-(((across - 250) / 170) ** 2) - ((down - 300) / 250) ** 2)
    scan = Image.fromarray((shape + random.normal(0, 4, shape.shape)).clip(0, 255).astype(np.uint8))
    original = saved_photo(scan.convert("RGB"), quality=92)
    for how in ({"quality": 30}, {"quality": 45}, {"form": "WEBP", "quality": 50}):
        assert comparing.compare(original, saved_photo(scan.convert("RGB"), **how), 0) == "same"
    spot = 16 * np.exp(-((across - 330) ** 2 + (down - 380) ** 2) / 400)
    other = Image.fromarray((np.asarray(scan) + spot).clip(0, 255).astype(np.uint8))
    for quality in (45, 90):
        copy = saved_photo(other.convert("RGB"), quality=quality)
        assert comparing.compare(original, copy, 0) == "edited"


@pytest.mark.parametrize("level", [16, 235])
def test_somebody_in_the_dark_or_in_the_snow_is_a_change(level):
    random = np.random.default_rng(1)
    hills = Image.fromarray(random.normal(0, 1, (8, 10)).astype(np.float32)).resize((800, 600))
    scene = level + 5 * np.asarray(hills)[..., None]

    def shot(somebody=0):
        pixels = scene + random.normal(0, 3, (600, 800, 3))
        pixels[340:400, 410:425] -= somebody
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))

    first = shot()
    original = saved_photo(first, quality=92)
    for size in ((800, 600), (400, 300)):
        copy = saved_photo(first.resize(size, Image.Resampling.LANCZOS), quality=88)
        assert comparing.compare(original, copy, 0) == "same"
        other = saved_photo(shot(12).resize(size, Image.Resampling.LANCZOS), quality=88)
        assert comparing.compare(original, other, 0) in {"edited", "other"}


def test_half_of_an_odd_size_is_the_same():
    photo = Image.open(PHOTOS / "rocket.jpg").convert("RGB")
    assert photo.height % 2
    half = photo.reduce(2)  # rounded up: all of it is moved by up to half a pixel
    original = saved_photo(photo, quality=95)
    assert comparing.compare(original, saved_photo(half, quality=75), 0) == "same"


def test_a_part_smoothed_under_a_clear_sky_is_a_change():
    """Most blocks of a sky show nothing, as those of a page, but in ever other tones."""
    down = np.mgrid[:224, :224][0][..., None]
    tones = down * [0.4, 0.3, 0.1] + [60, 120, 190]
    tones += np.random.default_rng(3).normal(0, 0.5, (*tones.shape[:2], 1))
    photo = Image.fromarray(tones.clip(0, 255).astype(np.uint8))
    photo.paste(Image.open(PHOTOS / "coffee.jpg").convert("RGB").resize((80, 100)), (70, 110))
    box = (90, 130, 114, 154)
    smoothed = photo.copy()
    smoothed.paste(photo.crop(box).filter(ImageFilter.MedianFilter(3)), box)
    original = saved_photo(photo, quality=92)
    copies = [saved_photo(each, quality=90) for each in (photo, smoothed)]
    verdicts = [comparing.compare(original, each, 0) for each in copies]
    assert verdicts == ["same", "edited"]
