"""Which of two files was made from the other, told by their pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from imgvecd.adapters import pillow
from imgvecd.core.duplicates.saved_from import lies_on_steps, saved_from
from tests.unit.core.duplicates.pictures import like_a_photo


@pytest.fixture(scope="module")
def photo():
    return like_a_photo()


def saved(image, form="JPEG", **how):
    data = io.BytesIO()
    image.save(data, form, **how)
    return data.getvalue()


def facts(data):
    return pillow.examine(io.BytesIO(data), 10**8).facts


def opened(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


@pytest.mark.parametrize("quality", [20, 50, 75])
def test_a_copy_tells_what_it_was_saved_from(photo, quality):
    original = saved(photo, quality=88)
    copy = saved(opened(original), quality=quality)
    assert saved_from(facts(copy), facts(original)) > 0.9
    assert saved_from(facts(original), facts(copy)) == 0


def test_what_is_saved_from_a_lossless_picture_is_no_origin_of_it(photo):
    png, jpeg = saved(photo, "PNG"), saved(photo, quality=88)
    assert saved_from(facts(jpeg), facts(png)) > 0.9
    assert saved_from(facts(png), facts(jpeg)) == 0


def test_a_lossless_copy_of_a_jpeg_is_not_its_origin(photo):
    jpeg = saved(photo, quality=60)
    png = saved(opened(jpeg), "PNG")
    assert saved_from(facts(jpeg), facts(png)) == 0


def test_other_pictures_explain_nothing(photo):
    other = Image.fromarray(np.asarray(photo)[:, ::-1].copy())
    assert saved_from(facts(saved(photo, quality=60)), facts(saved(other, quality=90))) == 0


@pytest.mark.parametrize(
    ("form", "how"),
    [
        ("AVIF", {"quality": 90, "speed": 8}),
        ("WEBP", {"quality": 95}),
        ("JPEG2000", {"quality_mode": "rates", "quality_layers": [4]}),
    ],
)
def test_what_another_codec_made_of_a_coarse_jpeg_lies_on_its_steps(photo, form, how):
    poor = opened(saved(photo, quality=55))
    for jpeg in (saved(photo, quality=55), saved(poor, quality=92)):
        of_it = saved(opened(jpeg), form, **how)
        assert lies_on_steps(facts(of_it), facts(jpeg))
        assert not lies_on_steps(facts(saved(photo, form, **how)), facts(jpeg))


@pytest.mark.parametrize("quality", [60, 75, 90])
@pytest.mark.parametrize(
    ("form", "how"), [("AVIF", {"quality": 60, "speed": 8}), ("WEBP", {"quality": 75})]
)
def test_steps_of_another_codec_are_not_those_of_a_jpeg_that_was_saved_from_it(
    photo, form, how, quality
):
    original = saved(photo, form, **how)
    assert not lies_on_steps(facts(original), facts(saved(opened(original), quality=quality)))
