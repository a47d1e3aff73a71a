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


def changes(image, edited):
    """Return whether an edit did something: a grey photo has no colour to take away."""
    if image.size != edited.size:
        return True
    return float(np.abs(np.asarray(image, np.int16) - np.asarray(edited, np.int16)).mean()) > 0.3
