"""Copies and edits of a photo, as files: what people, programs and messengers make of it.

A copy is (suffix, function of the original's pixels and of chance that returns the file's bytes);
an edit the same without the suffix, as pixels, since what it was saved as is chosen apart.
"""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

try:
    import pillow_heif
except ImportError:  # a platform without it
    pillow_heif = None
else:
    pillow_heif.register_heif_opener()

LANCZOS, BICUBIC = Image.Resampling.LANCZOS, Image.Resampling.BICUBIC


def saved(image, form="JPEG", **how):
    data = io.BytesIO()
    image.save(data, form, **how)
    return data.getvalue()


def again(image, form="JPEG", **how):
    return Image.open(io.BytesIO(saved(image, form, **how))).convert("RGB")


def scaled(image, factor, how=LANCZOS):
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return image.resize(size, how)


def _jpeg(quality, **how):
    return ".jpg", lambda image, _: saved(image, quality=quality, **how)


def _scaled(factor, quality, how=LANCZOS):
    return ".jpg", lambda image, _: saved(scaled(image, factor, how), quality=quality)


def _screenshot(image, _):
    return saved(scaled(image, 0.72), "PNG")


def _messenger(image, _):
    return saved(scaled(image, 0.8), quality=70, progressive=True)


def _messenger_twice(image, _):
    return saved(again(scaled(image, 0.8), quality=70), quality=65)


COPIES = {
    **{f"JPEG at {quality}": _jpeg(quality) for quality in (10, 20, 30, 40, 50, 60, 70, 80, 90)},
    "JPEG at 75, 4:4:4": _jpeg(75, subsampling=0),
    "JPEG at 20, then 95": (".jpg", lambda i, _: saved(again(i, quality=20), quality=95)),
    "JPEG at 50, then 90": (".jpg", lambda i, _: saved(again(i, quality=50), quality=90)),
    "JPEG at 85, 70, 60": (
        ".jpg",
        lambda i, _: saved(again(again(i, quality=85), quality=70), quality=60),
    ),
    "PNG": (".png", lambda image, _: saved(image, "PNG")),
    "PNG of JPEG at 30": (".png", lambda image, _: saved(again(image, quality=30), "PNG")),
    "TIFF": (".tif", lambda image, _: saved(image, "TIFF", compression="tiff_lzw")),
    "WebP at 20": (".webp", lambda image, _: saved(image, "WEBP", quality=20)),
    "WebP at 50": (".webp", lambda image, _: saved(image, "WEBP", quality=50)),
    "WebP at 80": (".webp", lambda image, _: saved(image, "WEBP", quality=80)),
    "WebP, lossless": (".webp", lambda image, _: saved(image, "WEBP", lossless=True)),
    "JPEG of WebP": (".jpg", lambda i, _: saved(again(i, "WEBP", quality=75), quality=92)),
    "AVIF at 50": (".avif", lambda image, _: saved(image, "AVIF", quality=50, speed=8)),
    "AVIF at 75": (".avif", lambda image, _: saved(image, "AVIF", quality=75, speed=8)),
    "JPEG of AVIF": (".jpg", lambda i, _: saved(again(i, "AVIF", quality=60), quality=92)),
    "half": _scaled(0.5, 85),
    "half, bicubic, 95": _scaled(0.5, 95, BICUBIC),
    "two thirds, bilinear": _scaled(0.667, 85, Image.Resampling.BILINEAR),
    "a third": _scaled(0.334, 85),
    "half at 40": _scaled(0.5, 40),
    "1.5 times": _scaled(1.5, 90, BICUBIC),
    "twice": _scaled(2, 60),
    "three times": _scaled(3, 75, Image.Resampling.BILINEAR),
    "down and up": (
        ".jpg",
        lambda i, _: saved(scaled(i, 0.6).resize(i.size, BICUBIC), quality=85),
    ),
    "screenshot": (".png", _screenshot),
    "messenger": (".jpg", _messenger),
    "messenger, twice": (".jpg", _messenger_twice),
    "turned by tag": (".jpg", lambda image, _: _by_tag(image)),
}
if pillow_heif is not None:
    COPIES["HEIC at 50"] = ".heic", lambda image, _: saved(image, "HEIF", quality=50)
    COPIES["JPEG of HEIC"] = (
        ".jpg",
        lambda image, _: saved(again(image, "HEIF", quality=60), quality=92),
    )


def _by_tag(image):
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(image.transpose(Image.Transpose.ROTATE_90), quality=88, exif=exif)


def _channels(image, *factors):
    bands = [
        band.point(lambda value, factor=factor: value * factor)
        for band, factor in zip(image.split(), factors, strict=True)
    ]
    return Image.merge("RGB", bands)


def _text(image, words, size, fill, place):
    layer = Image.new("RGBA", image.size)
    font = ImageFont.load_default(max(10, round(image.height * size)))
    spot = image.width * place[0], image.height * place[1]
    ImageDraw.Draw(layer).text(spot, words, fill, font)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def _watermark(image, chance):
    place = chance.choice(((0.7, 0.92), (0.03, 0.03), (0.4, 0.45)))
    return _text(image, "© photo", 0.05, (255, 255, 255, 110), place)


def _caption(image, _):
    return _text(image, "monday again", 0.08, (255, 255, 255, 255), (0.1, 0.04))


def _date_stamp(image, chance):
    words = f"{chance.randint(1, 28):02}.{chance.randint(1, 12):02}.2019"
    return _text(image, words, 0.045, (255, 150, 40, 255), (0.72, 0.92))


def _crop(image, chance, share):
    """Cut `share` of each side away, unevenly, as by hand."""
    width, height = image.size
    left, top = (round(side * share * chance.random()) for side in image.size)
    return image.crop(
        (left, top, left + round(width * (1 - share)), top + round(height * (1 - share)))
    )


def _one_side(image, _):
    return image.crop((0, 0, image.width, round(image.height * 0.94)))


def _vignette(image, _):
    down, across = (np.linspace(-1, 1, side) for side in (image.height, image.width))
    far = np.hypot(down[:, None], across[None, :])
    return Image.fromarray(
        (np.asarray(image) * (1 - 0.22 * far[..., None] ** 2)).clip(0, 255).astype(np.uint8)
    )


def _box(image, chance, share):
    width, height = (round(side * share) for side in image.size)
    left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
    return left, top, left + width, top + height


def _cloned(image, chance):
    image, box = image.copy(), _box(image, chance, 0.14)
    image.paste(image.crop(_box(image, chance, 0.14)), box[:2])
    return image


def _pixelated(image, chance):
    image, box = image.copy(), _box(image, chance, 0.2)
    part = image.crop(box)
    small = part.resize((6, 6), Image.Resampling.BOX)
    image.paste(small.resize(part.size, Image.Resampling.NEAREST), box)
    return image


def _mosaic(image, chance):
    """Make a part of any size coarse, in cells of any size, each of its mean or of one pixel."""
    image, box = image.copy(), _box(image, chance, chance.choice((0.12, 0.2, 0.3)))
    part, cell = image.crop(box), chance.choice((4, 6, 8, 11, 16))
    how = chance.choice((Image.Resampling.BOX, Image.Resampling.NEAREST))
    small = part.resize((max(1, part.width // cell), max(1, part.height // cell)), how)
    image.paste(small.resize(part.size, Image.Resampling.NEAREST), box)
    return image


def _only_in(image, other, box, feather, shape):
    """Return the picture with the other one in a box or in the ellipse that it holds."""
    mask = Image.new("L", image.size)
    getattr(ImageDraw.Draw(mask), shape)(box, 255)
    return Image.composite(other, image, mask.filter(ImageFilter.GaussianBlur(feather)))


def _blurred_part(image, chance):
    box = _box(image, chance, chance.choice((0.12, 0.2, 0.3)))
    radius = chance.choice((1.5, 3, 6)) * max(1, image.width / 300)
    other = image.filter(ImageFilter.GaussianBlur(radius))
    feather, shape = chance.choice((0, 2)), chance.choice(("rectangle", "ellipse"))
    return _only_in(image, other, box, feather, shape)


def _smoothed_part(image, chance):
    """Smooth skin, as beauty filters do."""
    other = image.filter(ImageFilter.MedianFilter(5))
    return _only_in(image, other, _box(image, chance, 0.25), image.width / 60, "ellipse")


def _dodged(image, chance):
    other = ImageEnhance.Brightness(image).enhance(chance.choice((0.85, 1.2)))
    return _only_in(image, other, _box(image, chance, 0.2), image.width / 40, "ellipse")


def _tinted_part(image, chance):
    other = _hue(image, chance.choice((40, 120, 200)))
    return _only_in(image, other, _box(image, chance, 0.15), image.width / 100, "ellipse")


def _filled(image, chance):
    image, box = image.copy(), _box(image, chance, chance.choice((0.06, 0.12)))
    ImageDraw.Draw(image).rectangle(box, chance.choice(("black", "white", "grey")))
    return image


def _filled_with_mean(image, chance):
    image, box = image.copy(), _box(image, chance, chance.choice((0.08, 0.15)))
    mean = np.asarray(image.crop(box)).mean(axis=(0, 1))
    image.paste(tuple(round(float(level)) for level in mean), box)
    return image


def _healed(image, chance):
    """Cover a spot by what lies beside it, in the tones of the spot."""
    size = max(10, round(min(image.size) * chance.choice((0.06, 0.1))))
    left, top = chance.randint(0, image.width - size), chance.randint(0, image.height - size)
    beside = left + chance.choice((-1, 1)) * round(1.3 * size)
    beside = min(max(0, beside), image.width - size)
    pixels = np.asarray(image, np.float32)
    source, spot = (pixels[top : top + size, at : at + size] for at in (beside, left))
    healed = source - source.mean(axis=(0, 1)) + spot.mean(axis=(0, 1))
    other = image.copy()
    other.paste(Image.fromarray(healed.clip(0, 255).astype(np.uint8)), (left, top))
    rim = size // 8
    box = left + rim, top + rim, left + size - rim, top + size - rim
    return _only_in(image, other, box, size / 10, "ellipse")


def _removed(image, chance):
    """Take away what stands in a box: it is filled from its rim, with grain or without."""
    left, top, right, bottom = _box(image, chance, chance.choice((0.08, 0.14)))
    pixels = np.asarray(image, np.float32).copy()
    rims = (
        pixels[top:bottom, max(left - 1, 0)][:, None],
        pixels[top:bottom, min(right, image.width - 1)][:, None],
        pixels[max(top - 1, 0), left:right][None],
        pixels[min(bottom, image.height - 1), left:right][None],
    )
    across = np.linspace(0, 1, right - left)[None, :, None]
    down = np.linspace(0, 1, bottom - top)[:, None, None]
    sideways, upright = (1 / np.minimum(each + 0.02, 1.02 - each) for each in (across, down))
    filled = (rims[0] * (1 - across) + rims[1] * across) * sideways
    filled += (rims[2] * (1 - down) + rims[3] * down) * upright
    grain = np.random.default_rng(chance.randint(0, 10**6))
    filled = filled / (sideways + upright) + grain.normal(
        0, chance.choice((0, 2)), (bottom - top, right - left, 1)
    )
    pixels[top:bottom, left:right] = filled
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


def _logo(image, chance):
    size = round(min(image.size) * chance.choice((0.05, 0.08)))
    left, top = (chance.choice((3, side - size - 4)) for side in image.size)
    layer = Image.new("RGBA", image.size)
    draw, opacity = ImageDraw.Draw(layer), chance.choice((90, 255))
    draw.ellipse((left, top, left + size, top + size), (200, 30, 40, opacity))
    inner = left + size // 3, top + size // 3, left + 2 * size // 3, top + 2 * size // 3
    draw.rectangle(inner, (255, 255, 255, opacity))
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def _digit(image, chance):
    size, ink = chance.choice((0.06, 0.09)), chance.choice(("white", "#141414"))
    place = chance.uniform(0.05, 0.9), chance.uniform(0.05, 0.9)
    return _text(image, str(chance.randint(0, 9)), size, ink, place)


def _sticker(image, chance):
    image = image.copy()
    ImageDraw.Draw(image).ellipse(_box(image, chance, 0.09), (250, 210, 40))
    return image


def _framed(image, _):
    return ImageOps.expand(image, max(4, image.width // 40), "white")


def _straightened(image, _):
    return image.rotate(1.2, BICUBIC).crop(
        (image.width // 30, image.height // 30, image.width * 29 // 30, image.height * 29 // 30)
    )


def _curve(image, _):
    return image.point([round(v + 12 * np.sin(2 * np.pi * v / 255)) for v in range(256)] * 3)


def _hue(image, degrees):
    hue, *others = image.convert("HSV").split()
    turned = hue.point(lambda value: (value + degrees * 256 // 360) % 256)
    return Image.merge("HSV", (turned, *others)).convert("RGB")


def _gamma(image, gamma):
    return image.point([round(255 * (v / 255) ** gamma) for v in range(256)] * 3)


EDITS = {
    "black and white": lambda image, _: ImageOps.grayscale(image).convert("RGB"),
    "sepia": lambda i, _: ImageOps.colorize(ImageOps.grayscale(i), "#201008", "#fff0c8"),
    **{
        f"brightness {(factor - 1) * 100:+.0f} %": (
            lambda image, _, factor=factor: ImageEnhance.Brightness(image).enhance(factor)
        )
        for factor in (0.8, 0.95, 1.05, 1.1, 1.2)
    },
    "contrast -10 %": lambda image, _: ImageEnhance.Contrast(image).enhance(0.9),
    "contrast +10 %": lambda image, _: ImageEnhance.Contrast(image).enhance(1.1),
    "saturation -30 %": lambda image, _: ImageEnhance.Color(image).enhance(0.7),
    "saturation +30 %": lambda image, _: ImageEnhance.Color(image).enhance(1.3),
    "gamma": lambda image, _: _gamma(image, 0.9),
    "curve": _curve,
    "hue by 10 degrees": lambda image, _: _hue(image, 10),
    "warmer by 4 %": lambda image, _: _channels(image, 1.04, 1, 0.96),
    "warmer by 10 %": lambda image, _: _channels(image, 1.1, 1, 0.9),
    "cooler by 6 %": lambda image, _: _channels(image, 0.94, 1, 1.06),
    "levels stretched": lambda image, _: ImageOps.autocontrast(image, cutoff=2),
    "equalised": lambda image, _: ImageOps.equalize(image),
    "posterised": lambda image, _: ImageOps.posterize(image, 4),
    "solarised": lambda image, _: ImageOps.solarize(image, 200),
    "blurred by 1": lambda image, _: image.filter(ImageFilter.GaussianBlur(1)),
    "blurred by 2": lambda image, _: image.filter(ImageFilter.GaussianBlur(2)),
    "smoothed": lambda image, _: image.filter(ImageFilter.MedianFilter(3)),
    "sharpened": lambda image, _: image.filter(ImageFilter.UnsharpMask(2, 120, 2)),
    "watermark": _watermark,
    "caption": _caption,
    "date stamp": _date_stamp,
    "sticker": _sticker,
    "a part cloned": _cloned,
    "a part pixelated": _pixelated,
    "a part as a mosaic": _mosaic,
    "a part blurred": _blurred_part,
    "a part smoothed": _smoothed_part,
    "a part dodged or burned": _dodged,
    "a part in other colours": _tinted_part,
    "a part filled": _filled,
    "a part filled with its mean": _filled_with_mean,
    "a spot healed": _healed,
    "something removed": _removed,
    "a small logo": _logo,
    "a digit": _digit,
    "vignette": _vignette,
    "framed": _framed,
    "cropped by 2 %": lambda image, chance: _crop(image, chance, 0.02),
    "cropped by 5 %": lambda image, chance: _crop(image, chance, 0.05),
    "cropped by 15 %": lambda image, chance: _crop(image, chance, 0.15),
    "one side cut": _one_side,
    "straightened": _straightened,
    "mirrored": lambda image, _: ImageOps.mirror(image),
    "upside down, mirrored": lambda image, _: ImageOps.flip(image),
}


LEAST_LEVELS, LEAST_PIXELS = 8, 64
"""What a change of a part has to be, to be one: so many levels of 255 in so many pixels.

The just noticeable difference is 3 levels on middle grey, 6 on white and 9 on a background of 50,
more among structure (Chou and Li 1995, A perceptually tuned subband image coder); 64 pixels are one
block of JPEG.
"""


def changes(image, edited):
    """Return whether an edit did something: a grey photo has no colour to take away."""
    if image.size != edited.size:
        return True
    difference = np.abs(np.asarray(image, np.int16) - np.asarray(edited, np.int16))
    part = (difference.max(axis=-1) >= LEAST_LEVELS).sum() >= LEAST_PIXELS
    return bool(part) or float(difference.mean()) > 0.3
