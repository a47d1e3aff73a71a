"""How much of the text in photographed pages, receipts and signs is read, and what a photo costs.

    python -m benchmarks.text_in_pictures [--count N] [--photos FOLDER] [--most N]

Texts are drawn in the fonts that the machine has, laid on a background, seen in perspective, made
unsharp and noisy, and saved as JPEG. Photos, mostly without text, tell the cost of those.
"""

from __future__ import annotations

import argparse
import glob
import io
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks import history
from imgvecd.adapters import pillow
from imgvecd.adapters.rapid_ocr import LONGEST, Recogniser
from imgvecd.core.search.words import tokens

_FONTS = (
    "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf",
    "LiberationSans-Regular.ttf", "LiberationSerif-Regular.ttf", "LiberationSansNarrow-Bold.ttf",
)  # fmt: skip
_WORDS = """
    receipt invoice passport total amount bakery market street museum harbour station menu coffee
    breakfast thank you visit again table number cash change ticket platform departure library
    hospital pharmacy entrance closed open monday sunday garden river bridge castle hotel room
    Müller Straße Größe Café Crème jamón niño garçon Öffnungszeiten Bäckerei Apotheke Ausgang
    boulangerie fromage mairie château rue avenue plaza calle iglesia mercado farmacia salida
""".split()  # noqa: SIM905
_CARD = (1000, 1300)


@dataclass(frozen=True)
class Sample:
    """A picture, and the words in it."""

    kind: str
    jpeg: bytes
    words: list[str]


def samples(count: int, seed: int = 16) -> Iterator[Sample]:
    """Yield receipts, signs, pages and cards, in turn."""
    rng = random.Random(seed)
    for number in range(count):
        kind = ("receipt", "sign", "page", "card")[number % 4]
        yield photographed(kind, *_drawn(kind, rng), rng)


def _font(rng: random.Random, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(rng.choice(_FONTS), size)


def _drawn(kind: str, rng: random.Random) -> tuple[Image.Image, list[str]]:
    size = {"receipt": (600, 1100), "sign": (1000, 420), "page": _CARD, "card": (860, 540)}[kind]
    paper, ink = (245, 243, 238), (30, 30, 34)
    if kind == "sign":
        paper, ink = rng.choice([((20, 60, 140), (250, 250, 250)), ((250, 210, 40), (20, 20, 20))])
    sheet = Image.new("RGB", size, paper)
    draw = ImageDraw.Draw(sheet)
    height = {"receipt": 34, "sign": 110, "page": 30, "card": 40}[kind]
    font, words, top = _font(rng, height), [], 30
    while top < size[1] - 2 * height:
        line: list[str] = []
        while True:
            word = (
                rng.choice(_WORDS) if rng.random() > 0.15 else f"{rng.randrange(1, 9999) / 100:.2f}"
            )
            if font.getlength(" ".join([*line, word])) > size[0] - 60:
                break
            line.append(word)
            if kind == "receipt" and len(line) == 3:
                break
        text = " ".join(line).upper() if kind == "sign" else " ".join(line)
        draw.text((30, top), text, ink, font)
        words += line
        top += int(height * 1.6)
    return sheet, words


def photographed(kind: str, sheet: Image.Image, words: list[str], rng: random.Random) -> Sample:
    """Return a sheet as a phone would have taken it: aslant, unsharp, noisy, as a JPEG."""
    width, height = 4032 // 2, 3024 // 2
    share = rng.uniform(0.45, 0.85)
    scale = share * min(width / sheet.width, height / sheet.height)
    w, h = sheet.width * scale, sheet.height * scale
    left, top = (width - w) / 2, (height - h) / 2

    def moved(x: float, y: float) -> tuple[float, float]:
        return x + rng.uniform(-0.07, 0.07) * w, y + rng.uniform(-0.07, 0.07) * h

    corners = [
        moved(left, top),
        moved(left + w, top),
        moved(left + w, top + h),
        moved(left, top + h),
    ]
    plain = [(0, 0), (sheet.width, 0), (sheet.width, sheet.height), (0, sheet.height)]
    turned = sheet.convert("RGBA").transform(
        (width, height), Image.Transform.PERSPECTIVE, _perspective(corners, plain),
        Image.Resampling.BICUBIC,
    )  # fmt: skip
    random_rows = np.random.default_rng(rng.randrange(1 << 30))
    rough = random_rows.uniform(60, 190, (12, 16, 3)).astype(np.uint8)
    picture = Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)
    picture.paste(turned.convert("RGB"), (0, 0), turned.getchannel("A"))
    picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.6)))
    light = np.linspace(rng.uniform(0.6, 1), rng.uniform(0.6, 1), width)[None, :, None]
    noisy = np.asarray(picture) * light + random_rows.normal(
        0, rng.uniform(2, 9), (height, width, 3)
    )
    data = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(
        data, "JPEG", quality=rng.randrange(55, 92)
    )
    return Sample(kind, data.getvalue(), words)


def _perspective(
    seen: Sequence[tuple[float, float]], plain: Sequence[tuple[float, float]]
) -> list[float]:
    rows, values = [], []
    for (x, y), (u, v) in zip(seen, plain, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.linalg.solve(np.array(rows), np.array(values)).tolist()


def pixels_of(file: io.BufferedIOBase) -> np.ndarray:
    """Return what the recogniser is given of a file."""
    width, height, data = pillow.pixels(file, LONGEST, 300_000_000)
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--photos", default="imgvecd/data/demo")
    parser.add_argument("--most", type=int, default=200, help="photos that are looked at")
    parser.add_argument("--verbose", action="store_true", help="tell what is read in photos")
    options = parser.parse_args()
    pillow.preload()
    recogniser = Recogniser(1)
    right: dict[str, list[int]] = {}
    spent: dict[str, list[float]] = {}
    for sample in samples(options.count):
        picture = pixels_of(io.BytesIO(sample.jpeg))
        began = time.process_time()
        read = set(tokens(" ".join(recogniser.read(picture))))
        spent.setdefault(sample.kind, []).append(time.process_time() - began)
        wanted = [token for word in sample.words for token in tokens(word)]
        right.setdefault(sample.kind, []).extend(token in read for token in wanted)
    figures: dict[str, float] = {}
    for kind, hits in right.items():
        ms = 1000 * np.mean(spent[kind])
        print(f"{kind:8} {len(hits):5} words, read {np.mean(hits):6.1%}, {ms:.0f} ms a picture")
        figures |= {f"{kind}, read": float(np.mean(hits)), f"{kind}, ms": float(ms)}
    print(f"{'all':8} read {np.mean([hit for hits in right.values() for hit in hits]):.1%}")
    decoding, reading, with_text = [], [], 0
    photos = sorted(glob.glob(os.path.join(options.photos, "**", "*.jp*g"), recursive=True))
    for path in photos[:: -(-len(photos) // options.most)]:
        began = time.process_time()
        with open(path, "rb") as file:
            picture = pixels_of(file)
        decoding.append(time.process_time() - began)
        began = time.process_time()
        lines = recogniser.read(picture)
        reading.append(time.process_time() - began)
        with_text += bool(lines)
        if options.verbose and lines:
            print(os.path.basename(path), lines)
    quick = sorted(reading)
    print(
        f"{len(reading)} photos: decoding {1000 * np.mean(decoding):.0f} ms, reading median"
        f" {1000 * quick[len(quick) // 2]:.0f}, mean {1000 * np.mean(reading):.0f} ms;"
        f" {with_text} with text"
    )
    figures["photos, reading, mean ms"] = float(1000 * np.mean(reading))
    history.record("text_in_pictures", figures)


if __name__ == "__main__":
    main()
