"""Drawn pictures that look alike and are not the same: one form each, with other contents."""

import math
import random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WORDS = tuple(
    "señor über garçon first second invoice total amount paid please thanks hello tomorrow yes no"  # noqa: SIM905
    " maybe coffee garden meeting street number green house river photo letter summer".split()
)


def page(family, number):
    """Return the picture of that number of a family: the form is the same, the contents are not."""
    return FAMILIES[family](random.Random(family), random.Random(f"{family} {number}"), number)


def _sheet(size=(620, 877), colour="white"):
    image = Image.new("RGB", size, colour)
    return image, ImageDraw.Draw(image)


def _font(size):
    return ImageFont.load_default(size)


def _words(chance, count):
    return " ".join(chance.choice(WORDS) for _ in range(count))


def _invoice(form, own, number):
    image, draw = _sheet()
    draw.text((60, 50), "ACME Ltd.", "navy", _font(30))
    draw.text((60, 110), f"Invoice {2024100 + number}", "black", _font(20))
    for row in range(14):
        draw.text((60, 180 + 32 * row), _words(form, 3), "black", _font(16))
        draw.text((480, 180 + 32 * row), f"{form.randint(10, 99)}.00", "black", _font(16))
    draw.text(
        (400, 680), f"Total {own.randint(100, 999)}.{own.randint(10, 99)}", "black", _font(22)
    )
    return image


def _letter(form, own, _number):
    image, draw = _sheet((700, 990))
    draw.text((70, 70), _words(form, 2), "black", _font(24))
    for row in range(28):
        chance = own if row == 11 else form
        draw.text((70, 130 + 28 * row), _words(chance, 8), (30, 30, 30), _font(15))
    return image


def _chat(_form, own, _number, dark=False):
    back, ink = ((18, 22, 28), "white") if dark else ((236, 229, 221), "black")
    image, draw = _sheet((480, 960), back)
    draw.rectangle((0, 0, 480, 70), (0, 90, 80))
    draw.text((80, 22), "Anna", "white", _font(22))
    top = 100
    for turn in range(9):
        left = 20 + 150 * (turn % 2)
        bubbles = ((0, 92, 75), (32, 44, 52)) if dark else ("#dcf8c6", "white")
        draw.rounded_rectangle((left, top, left + 300, top + 66), 14, bubbles[turn % 2])
        draw.text((left + 14, top + 10), _words(own, 4), ink, _font(17))
        draw.text((left + 14, top + 36), _words(own, 3), ink, _font(17))
        top += 90
    return image


def _card(_form, own, _number):
    image, draw = _sheet((640, 404), (205, 222, 235))
    draw.rectangle((0, 0, 640, 60), (40, 70, 130))
    draw.text((20, 14), "IDENTITY CARD", "white", _font(26))
    draw.rectangle((30, 90, 200, 320), (170, 180, 190))
    skin = own.choice(((230, 190, 160), (150, 105, 80), (200, 160, 130)))
    draw.ellipse((70, 120, 160, 240), skin)
    for row, label in enumerate(("Name", "Born", "No.", "Until")):
        draw.text((230, 95 + 55 * row), label, (60, 60, 60), _font(14))
        value = own.choice(WORDS).title() if row == 0 else f"{own.randint(10_000, 99_999)}"
        draw.text((230, 113 + 55 * row), value, "black", _font(22))
    return image


def _bars(_form, own, _number):
    image, draw = _sheet((600, 400))
    draw.line((40, 380, 580, 380), "black")
    for bar in range(9):
        draw.rectangle((45 + 60 * bar, 170 + own.randint(0, 40), 85 + 60 * bar, 380), "navy")
    return image


def _lines(form, own, _number):
    image, draw = _sheet((800, 450))
    for row in range(6):
        draw.line((50, 50 + 65 * row, 780, 50 + 65 * row), (220, 220, 220))
    for colour in ("red", "green", "blue"):
        height, points = 220.0, []
        for step in range(37):
            height = min(max(height + form.uniform(-25, 25) + own.uniform(-6, 6), 50), 375)
            points.append((50 + 20 * step, height))
        draw.line(points, colour, 2)
    return image


def _table(form, _own, number):
    image, draw = _sheet((760, 520))
    for row in range(18):
        for column in range(7):
            place = 20 + 105 * column, 10 + 28 * row
            draw.rectangle((*place, place[0] + 105, place[1] + 28), outline=(180, 180, 180))
            value = form.randint(100, 899) + (17 * number + 1 if (row, column) == (9, 4) else 0)
            draw.text((place[0] + 8, place[1] + 5), str(value), "black", _font(14))
    return image


def _music(_form, own, _number):
    image, draw = _sheet((700, 900))
    for stave in range(7):
        top = 80 + 115 * stave
        for line in range(5):
            draw.line((40, top + 10 * line, 660, top + 10 * line), "black")
        for note in range(16):
            x, y = 70 + 37 * note, top + 5 * own.randint(-1, 9)
            draw.ellipse((x, y - 4, x + 11, y + 4), "black")
            draw.line((x + 11, y, x + 11, y - 32), "black", 2)
    return image


def _qr(_form, own, _number):
    modules = np.frombuffer(own.randbytes(29 * 29), np.uint8).reshape(29, 29) < 128
    for top, left in ((0, 0), (0, 22), (22, 0)):
        modules[top : top + 7, left : left + 7] = True
        modules[top + 1 : top + 6, left + 1 : left + 6] = False
        modules[top + 2 : top + 5, left + 2 : left + 5] = True
    code = Image.fromarray(np.where(modules, 0, 255).astype(np.uint8))
    image = Image.new("RGB", (420, 420), "white")
    image.paste(code.resize((348, 348), Image.Resampling.NEAREST), (36, 36))
    return image


def _barcode(_form, own, _number):
    image, draw = _sheet((500, 260))
    left = 40
    while left < 450:
        width = own.randint(2, 7)
        draw.rectangle((left, 30, left + width, 190), "black")
        left += width + own.randint(2, 7)
    draw.text((150, 205), str(own.randint(10**11, 10**12)), "black", _font(24))
    return image


def _map(form, own, _number):
    image, draw = _sheet((640, 640), (242, 239, 233))
    for _ in range(14):
        points = [(form.randint(-50, 690), form.randint(-50, 690)) for _ in range(3)]
        draw.line(points, "white", 12)
        draw.line(points, (200, 200, 200), 1)
    for _ in range(5):
        x, y = form.randint(0, 560), form.randint(0, 560)
        draw.rectangle((x, y, x + 90, y + 70), (200, 230, 190))
    route = [(own.randint(60, 580), own.randint(60, 580)) for _ in range(5)]
    draw.line(route, (30, 110, 240), 6)
    return image


def _scan(form, own, number):
    """A slice of a head: the same shape, slightly other structures in it."""
    height, width = np.mgrid[:512, :512] / 256 - 1
    radius = np.hypot(height * 0.85, width * 1.05)
    grey = np.where(radius < 0.8, 90, 0) + np.where((radius > 0.74) & (radius < 0.8), 120, 0)
    for chance, size in [(form, 0.2)] * 5 + [(own, 0.07)] * 2:
        y, x = chance.uniform(-0.4, 0.4), chance.uniform(-0.4, 0.4)
        grey = grey + chance.uniform(-40, 60) * (np.hypot(height - y, width - x) < size)
    noise = np.random.default_rng(number).normal(0, 5, (512, 512))
    picture = Image.fromarray(np.clip(grey + noise, 0, 255).astype(np.uint8))
    return picture.filter(ImageFilter.GaussianBlur(1.2)).convert("RGB")


def _comic(form, own, _number):
    image, draw = _sheet((700, 500), "white")
    for panel in range(2):
        left = 15 + 345 * panel
        draw.rectangle((left, 15, left + 325, 485), form.choice(("#ffe9a8", "#cfe8ff")), "black", 3)
        draw.ellipse((left + 90, 260, left + 230, 400), "#f4c27a", "black", 3)
        mouth = own.randint(0, 1)
        draw.arc((left + 125, 320, left + 195, 380), 180 * mouth, 180 + 180 * mouth, "black", 3)
        draw.ellipse((left + 20, 40, left + 305, 160), "white", "black", 2)
        draw.text((left + 55, 85), _words(own, 4), "black", _font(17))
    return image


def _meme(_form, own, _number):
    scene = np.random.default_rng(5).normal(0, 1, (12, 16, 3))
    scene = Image.fromarray(np.clip(128 + 60 * scene, 0, 255).astype(np.uint8))
    image = scene.resize((640, 480), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for top in (20, 410):
        words = _words(own, 4).upper()
        draw.text((50, top), words, "white", _font(36), stroke_width=2, stroke_fill="black")
    return image


def _code(form, own, _number):
    image, draw = _sheet((900, 640), (30, 30, 30))
    for row in range(24):
        chance = own if row == 13 else form
        colour = form.choice(("#d4d4d4", "#569cd6", "#ce9178", "#6a9955"))
        place = 30 + 30 * form.randint(0, 3), 15 + 25 * row
        draw.text(place, _words(chance, form.randint(2, 6)), colour, _font(16))
    return image


def _form(form, own, _number):
    image, draw = _sheet()
    draw.text((60, 40), "Application", "black", _font(28))
    for row in range(16):
        draw.text((60, 110 + 45 * row), _words(form, 2), "black", _font(15))
        draw.rectangle((250, 105 + 45 * row, 560, 135 + 45 * row), outline="black")
        draw.text((260, 110 + 45 * row), _words(own, 2), (20, 20, 120), _font(16))
    return image


def _sudoku(form, own, _number):
    image, draw = _sheet((500, 500))
    for line in range(10):
        width = 3 if line % 3 == 0 else 1
        draw.line((25 + 50 * line, 25, 25 + 50 * line, 475), "black", width)
        draw.line((25, 25 + 50 * line, 475, 25 + 50 * line), "black", width)
    for cell in range(81):
        if form.random() < 0.4:
            place = 41 + 50 * (cell % 9), 34 + 50 * (cell // 9)
            draw.text(place, str(own.randint(1, 9)), "black", _font(28))
    return image


def _drawing(_form, own, _number):
    image, draw = _sheet((450, 300))
    colour = tuple(own.randint(0, 255) for _ in range(3))
    draw.ellipse((60, 30, 390, 270), colour, "black", 3)
    return image


def _logo(_form, _own, number):
    image, draw = _sheet((400, 400), (245, 245, 245))
    points = [
        (200 + 150 * math.cos(k * 2.5), 200 + 150 * math.sin(k * 2.5 + 0.05 * number))
        for k in range(9)
    ]
    draw.polygon(points, (180, 30, 60))
    return image


def _plain(_form, own, number):
    noise = np.random.default_rng(number).normal(0, 1.2, (300, 400, 3))
    level = np.array([180 + own.randint(-3, 3)] * 3)
    return Image.fromarray(np.clip(level + noise, 0, 255).astype(np.uint8))


def _sky(_form, own, number):
    """A clear sky: a slope of tones, another cloud in each."""
    height, width = np.mgrid[:400, :600]
    tones = np.stack([90 + height * 0.2, 140 + height * 0.15, 215 + height * 0.05], axis=-1)
    y, x = own.randint(60, 340), own.randint(80, 520)
    cloud = 55 * np.exp(-(((height - y) / 26) ** 2 + ((width - x) / 60) ** 2))
    noise = np.random.default_rng(number).normal(0, 1, (400, 600, 1))
    return Image.fromarray(np.clip(tones + cloud[..., None] + noise, 0, 255).astype(np.uint8))


def _phone(form, own, _number):
    image, draw = _sheet((450, 900), (250, 250, 250))
    draw.text((180, 8), f"{own.randint(0, 23):02}:{own.randint(0, 59):02}", "black", _font(18))
    for row in range(9):
        top = 60 + 90 * row
        draw.ellipse((20, top, 80, top + 60), tuple(form.randint(80, 220) for _ in range(3)))
        draw.text((100, top + 6), _words(form, 2), "black", _font(18))
        draw.text((100, top + 32), _words(own, 4), (110, 110, 110), _font(15))
    return image


def _calendar(_form, own, number):
    """A month of one calendar: the same grid, the days elsewhere."""
    image, draw = _sheet((700, 500))
    draw.text((30, 15), f"2024 - {number % 12 + 1:02}", "black", _font(30))
    first, days = own.randint(0, 6), own.choice((28, 30, 31))
    for cell in range(42):
        left, top = 20 + 94 * (cell % 7), 70 + 70 * (cell // 7)
        draw.rectangle((left, top, left + 94, top + 70), outline=(150, 150, 150))
        if 0 < cell - first + 1 <= days:
            colour = "red" if cell % 7 == 6 else "black"
            draw.text((left + 8, top + 6), str(cell - first + 1), colour, _font(20))
    return image


def _slide(form, own, number):
    """A slide of one deck: the same frame, other points."""
    image, draw = _sheet((800, 450), (248, 248, 252))
    draw.rectangle((0, 0, 800, 64), (25, 60, 120))
    draw.text((30, 16), _words(own, 3).title(), "white", _font(28))
    for row in range(4):
        draw.ellipse((50, 115 + 70 * row, 62, 127 + 70 * row), (25, 60, 120))
        draw.text((85, 108 + 70 * row), _words(form if row < 2 else own, 5), "black", _font(22))
    draw.text((740, 420), str(number + 1), (90, 90, 90), _font(16))
    return image


def _zoom(form, _own, number):
    """One region at several zooms."""
    wide, draw = _sheet((1000, 1000), (242, 239, 233))
    for _ in range(40):
        draw.line(
            [(form.randint(-50, 1050), form.randint(-50, 1050)) for _ in range(3)], "white", 9
        )
    for _ in range(25):
        x, y = form.randint(0, 960), form.randint(0, 960)
        draw.rectangle((x, y, x + 60, y + 45), form.choice(((200, 230, 190), (170, 205, 230))))
    rim = 30 * number
    part = wide.crop((rim, rim, 1000 - rim, 1000 - rim))
    return part.resize((560, 560), Image.Resampling.LANCZOS)


def _scene(seed, height, width):
    """Return a picture with structure of every size, as photos have it."""
    grains = np.random.default_rng(seed)
    scene = np.full((height, width, 3), 120.0)
    for size in (2, 4, 8, 16, 32, 64, 128):
        coarse = grains.normal(0, 90 / math.sqrt(size), (size, size * width // height, 3))
        coarse = 0.8 * coarse.mean(axis=2, keepdims=True) + 0.2 * coarse
        layers = [
            Image.fromarray(coarse[..., plane].astype(np.float32)).resize(
                (width, height), Image.Resampling.BICUBIC
            )
            for plane in range(3)
        ]
        scene += np.stack([np.asarray(layer) for layer in layers], axis=2)
    return scene


def _taken(scene, number, spread=2.0):
    noise = np.random.default_rng(1000 + number).normal(0, spread, scene.shape)
    return Image.fromarray(np.clip(scene + noise, 0, 255).astype(np.uint8))


def _burst(_form, own, number):
    """Frames of one burst on a tripod: only a ball moves."""
    image = _taken(_scene(7, 400, 600), number)
    left = 60 + 55 * number + own.randint(0, 10)
    ImageDraw.Draw(image).ellipse((left, 240, left + 26, 266), (225, 220, 210))
    return image


def _panorama(_form, _own, number):
    """Parts of one view that overlap, as they are taken for a panorama."""
    left = 40 * number
    return _taken(_scene(11, 400, 1200)[:, left : left + 600], number)


def _scanned(form, own, number):
    """One typed page on the scanner several times: askew, brighter, another grain."""
    page = _letter(form, form, 0).rotate(
        own.uniform(-0.6, 0.6), Image.Resampling.BICUBIC, fillcolor="white"
    )
    pixels = np.asarray(page, np.float32) * own.uniform(0.9, 1) - 12
    return _taken(pixels, number, 4.0)


def _screen(_form, own, number):
    """A photo on a phone's screen, another time of day and other buttons above it."""
    image = Image.new("RGB", (450, 800), "black")
    image.paste(_taken(_scene(13, 300, 450), 0), (0, 220))
    draw = ImageDraw.Draw(image)
    draw.text((20, 10), f"{own.randint(0, 23):02}:{own.randint(0, 59):02}", "white", _font(20))
    draw.text((150, 60), f"photo {number + 1} of 1{number}", "white", _font(20))
    draw.ellipse((200, 700 - 12 * number, 250, 750 - 12 * number), "white")
    return image


def _ticket(form, own, number):
    """Tickets of one evening: another seat and number on each."""
    image, draw = _sheet((720, 300), (222, 60, 75))
    draw.text((40, 30), "THE GREAT HALL", "white", _font(36))
    draw.text((40, 85), _words(form, 3).title(), "#ffe9a8", _font(24))
    for place, label in enumerate(("Row", "Seat", "No.")):
        value = own.randint(1, 39) if place < 2 else 48_100 + 7 * number
        draw.text((40 + 160 * place, 150), label, "white", _font(16))
        draw.text((40 + 160 * place, 175), str(value), "white", _font(34))
    draw.line((560, 0, 560, 300), "white", 2)
    draw.text((590, 130), f"{48_100 + 7 * number}", "white", _font(26))
    return image


def _night(form, own, number):
    """One sky at night, without a cloud: other stars, and the moon elsewhere."""
    image, draw = _sheet((640, 480), (4, 5, 12))
    for chance, count in ((form, 60), (own, 12)):
        for _ in range(count):
            x, y, grey = chance.randint(5, 635), chance.randint(5, 360), chance.randint(90, 255)
            draw.ellipse((x, y, x + chance.randint(0, 2), y + chance.randint(0, 2)), (grey,) * 3)
    moon = 60 + 120 * number + own.randint(0, 40)
    draw.ellipse((moon, 70, moon + 46, 116), (240, 236, 214))
    roofs = [(0, 480)] + [(x, form.randint(370, 430)) for x in range(0, 641, 40)] + [(640, 480)]
    draw.polygon(roofs, (14, 14, 18))
    return image.filter(ImageFilter.GaussianBlur(0.8))


def _xray(form, own, _number):
    """A hand's bones on black: a crack in another place."""
    image, draw = _sheet((560, 700), (3, 3, 3))
    for finger in range(5):
        x, top = 90 + 95 * finger, 90 + 30 * abs(finger - 2)
        for bone in range(3):
            y, grey = top + 130 * bone, form.randint(150, 190)
            draw.rounded_rectangle((x, y, x + 40, y + 115), 18, (grey,) * 3)
    x, y = 90 + 95 * own.randint(0, 4), 160 + 130 * own.randint(0, 2) + own.randint(0, 25)
    draw.line((x + 2, y, x + 22, y + 9, x + 38, y + 4), (70, 70, 70), 4)
    return image.filter(ImageFilter.GaussianBlur(1.5))


def _sprite(form, own, _number):
    """Figures of a game, dot by dot: a few dots have other colours."""
    colours = [tuple(form.randint(0, 255) for _ in range(3)) for _ in range(5)]
    image = Image.new("RGB", (32, 32), (92, 148, 252))
    for x, y in [(x, y) for y in range(6, 28) for x in range(8, 16)]:
        colour = form.choice(colours)
        image.putpixel((x, y), colour)
        image.putpixel((31 - x, y), colour)
    for _ in range(6):
        image.putpixel((own.randint(8, 23), own.randint(6, 27)), own.choice(colours))
    return image.resize((512, 512), Image.Resampling.NEAREST)


def _by_hand(form, own, _number):
    """A form that was filled in by hand."""
    image, draw = _sheet()
    draw.text((60, 40), "Registration", "black", _font(28))
    for row in range(9):
        draw.text((60, 120 + 80 * row), _words(form, 2), "black", _font(16))
        draw.line((220, 145 + 80 * row, 560, 145 + 80 * row), (120, 120, 120))
        x, y, line = 230.0, 135.0 + 80 * row, []
        while x < 300 + own.randint(40, 200):
            x, y = x + own.uniform(1, 9), 130 + 80 * row + own.uniform(-14, 14)
            line.append((x, y))
        draw.line(line, (30, 40, 150), 2, "curve")
    return image


def _receipt(form, own, number):
    image, draw = _sheet((330, 900), (252, 251, 248))
    draw.text((90, 30), "CORNER SHOP", (60, 60, 60), _font(22))
    for row in range(20):
        draw.text((20, 100 + 30 * row), _words(form, 2), (70, 70, 70), _font(15))
        price = f"{form.randint(0, 19)}.{form.randint(10, 99)}"
        draw.text((260, 100 + 30 * row), price, (70, 70, 70), _font(15))
    draw.text((20, 730), "TOTAL", (50, 50, 50), _font(24))
    draw.text((220, 730), f"{80 + 3 * number}.{own.randint(10, 99)}", (50, 50, 50), _font(24))
    return image


def _digit(form, _own, number):
    """One page of a book, in print as small as it gets: a single digit differs."""
    image, draw = _sheet((1240, 1754))
    for row in range(46):
        draw.text((110, 120 + 34 * row), _words(form, 12), "black", _font(21))
    draw.text((110, 1690), f"page 10{number}", "black", _font(21))
    return image


def _tinted(form, _own, number):
    """One page as several white balances show it."""
    paper = np.asarray(_letter(form, form, 0), np.float32)
    tint = np.array([1, 1 - 0.02 * number, 1 - 0.04 * number])
    return Image.fromarray((paper * tint).clip(0, 255).astype(np.uint8))


def _shaded(form, own, number):
    """A slide of one deck, on a ground that gets darker."""
    down, across = np.mgrid[:450, :800]
    tones = np.stack([30 + down / 9, 60 + across / 12, 130 + down / 6 + across / 20], axis=-1)
    image = Image.fromarray(tones.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.text((40, 30), _words(form, 3).title(), "white", _font(34))
    for row in range(4):
        draw.text((70, 130 + 70 * row), _words(own if row == 2 else form, 5), "white", _font(22))
    draw.text((740, 415), str(number + 1), (220, 220, 220), _font(16))
    return image


def _wires(form, own, _number):
    """A plan of thin lines in strong colours on black: one of them goes elsewhere."""
    image, draw = _sheet((700, 500), "black")
    for line in range(16):
        chance = own if line == 7 else form
        colour = form.choice(("red", "lime", "blue", "yellow", "magenta", "cyan"))
        x, y = 20, 25 + 29 * line
        points = [(x, y)]
        for _ in range(8):
            x += 40 + chance.randint(0, 40)
            points.append((x, y))
            y = min(max(y + chance.randint(-3, 3) * 29, 20), 480)
            points.append((x, y))
        draw.line(points, colour, 1)
    return image


FAMILIES = {
    "invoices": _invoice,
    "letters": _letter,
    "chats": _chat,
    "dark chats": lambda *of: _chat(*of, dark=True),
    "identity cards": _card,
    "bar charts": _bars,
    "line charts": _lines,
    "tables": _table,
    "sheet music": _music,
    "QR codes": _qr,
    "bar codes": _barcode,
    "maps": _map,
    "medical scans": _scan,
    "comics": _comic,
    "memes": _meme,
    "program texts, dark": _code,
    "forms": _form,
    "puzzles": _sudoku,
    "recoloured drawings": _drawing,
    "logos": _logo,
    "nearly uniform": _plain,
    "skies": _sky,
    "phone screens": _phone,
    "calendars": _calendar,
    "slides": _slide,
    "maps at several zooms": _zoom,
    "bursts": _burst,
    "panoramas": _panorama,
    "one page, scanned again": _scanned,
    "a photo on a screen": _screen,
    "tickets": _ticket,
    "nights": _night,
    "X-rays": _xray,
    "sprites": _sprite,
    "forms filled in by hand": _by_hand,
    "receipts": _receipt,
    "one digit of a page": _digit,
    "white balances": _tinted,
    "slides, shaded": _shaded,
    "wires": _wires,
}
