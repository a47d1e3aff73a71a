"""Pictures in terminals: what is sent draws the picture, in each of the ways."""

import base64
import contextlib
import io
import os
import pty
import re
import select
import sys

import numpy as np
import pytest
from PIL import Image

from imgvecd import api
from imgvecd.client.preview import per_row, picture, side_by_side
from imgvecd.client.terminal import Size, picture_protocol

SIZE = Size(80, 24, 10, 20)
NO_PICTURES = {"TERM": "xterm", "COLORTERM": "truecolor"}


@pytest.fixture
def jpeg():
    """Four quarters of clear colours, 80 × 40 pixels."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:20, :40], pixels[:20, 40:] = (250, 0, 0), (0, 250, 0)
    pixels[20:, :40], pixels[20:, 40:] = (0, 0, 250), (250, 250, 250)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def is_the_picture(image):
    width, height = image.size
    assert width == pytest.approx(2 * height, abs=2)
    at = [(1, 1), (3, 1), (1, 3), (3, 3)]
    seen = [image.convert("RGB").getpixel((x * width // 4, y * height // 4)) for x, y in at]
    wanted = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 250)]
    assert np.abs(np.array(seen) - wanted).max() < 40


def test_kitty_gets_a_png_in_chunks(jpeg):
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    for data, check in ((jpeg, is_the_picture), (file.getvalue(), lambda i: i.size == (400, 300))):
        drawn = picture(data, "kitty", SIZE)
        messages = re.findall(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\", drawn)
        keys = dict(pair.split(b"=") for pair in messages[0][0].split(b","))
        assert (keys[b"a"], keys[b"f"], keys[b"q"]) == (b"T", b"100", b"2")
        assert int(keys[b"c"]) <= 48
        assert all(len(part) <= 4096 for _, part in messages)
        more = [re.search(rb"m=(\d)", key)[1] for key, _ in messages]
        assert more == [b"1"] * (len(messages) - 1) + [b"0"]
        check(Image.open(io.BytesIO(base64.b64decode(b"".join(p for _, p in messages)))))


def test_iterm2_gets_the_jpeg_as_it_is(jpeg):
    drawn = picture(jpeg, "iterm2", SIZE)
    found = re.fullmatch(rb"\x1b\]1337;File=([^:]*):([^\x07]*)\x07\n", drawn)
    assert b"inline=1" in found[1]
    assert base64.b64decode(found[2]) == jpeg


def from_sixels(data):
    """A decoder of what `picture` writes: colour registers, runs, bands."""
    width, height = map(int, re.search(rb'"1;1;(\d+);(\d+)', data).groups())
    image = np.zeros((height + 6, width, 3), np.uint8)
    palette, colour, x, top = {}, None, 0, 0
    body = data[data.index(b"q") + 1 : data.index(b"\x1b\\")]
    body = re.sub(rb'^"[\d;]*', b"", body)
    token = rb"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|(\$)|(-)"
    for match in re.finditer(token, body):
        define, red, green, blue, use, count, run, one, back, down = match.groups()
        if define:
            palette[int(define)] = [int(part) * 255 // 100 for part in (red, green, blue)]
        elif use:
            colour = palette[int(use)]
        elif back:
            x = 0
        elif down:
            x, top = 0, top + 6
        else:
            bits, times = (run or one)[0] - 63, int(count or 1)
            for row in range(6):
                if bits >> row & 1:
                    image[top + row, x : x + times] = colour
            x += times
    return Image.fromarray(image[:height])


def test_sixels_are_the_pixels(jpeg):
    is_the_picture(from_sixels(picture(jpeg, "sixel", SIZE)))


@pytest.mark.parametrize("colours", ["truecolor", ""])
def test_blocks_are_two_pixels_each(jpeg, colours, monkeypatch):
    monkeypatch.setenv("COLORTERM", colours)
    lines = picture(jpeg, "blocks", SIZE).decode().splitlines()
    rows = []
    for line in lines:
        assert line.endswith("\x1b[0m")
        cells = re.findall(r"\x1b\[38;([\d;]+);48;([\d;]+)m▀", line)
        rows += [[colour_of(upper) for upper, _ in cells], [colour_of(lower) for _, lower in cells]]
    is_the_picture(Image.fromarray(np.array(rows, np.uint8)))


def colour_of(text):
    kind, *parts = map(int, text.split(";"))
    if kind == 2:
        return parts
    cube = parts[0] - 16
    return [255 * step // 5 for step in (cube // 36, cube // 6 % 6, cube % 6)]


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (1, 1)])
@pytest.mark.parametrize("way", ["kitty", "iterm2", "sixel", "blocks"])
def test_any_shape_fits(shape, way):
    file = io.BytesIO()
    Image.new("L", shape).save(file, "JPEG")
    drawn = picture(file.getvalue(), way, Size(20, 10, 8, 16))
    assert drawn.endswith(b"\n")
    assert drawn.count(b"\n") <= 10


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "230801"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm2"),
    ],
)
def test_terminals_say_what_they_are(environment, way):
    assert picture_protocol(environment) == way


HIT = api.Hit(id=7, score=0.314, path="/photos/dog.jpg")


def on_terminal(environment, *arguments, answer=b""):
    """Return what `imgvec` shows on a terminal of its own that answers a question so."""
    child, terminal = pty.fork()
    if child == 0:
        command = [sys.executable, "-m", "imgvecd.client.main", *arguments]
        os.execve(sys.executable, command, environment)  # noqa: S606  # a terminal needs a fork
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while select.select([terminal], [], [], 30)[0]:
            chunk = os.read(terminal, 65536)
            if not chunk:
                break
            shown += chunk
            if b"\x1b[c" in chunk:
                os.write(terminal, answer)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, shown
    return shown.replace(b"\r\n", b"\n")


@pytest.fixture
def library(server, jpeg):
    found = api.SearchResponse(hits=(HIT,), searched=5, clock="c:x:1", took_ms=1, model="m")
    server.on("POST", "/v1/search", found)
    for size in (128, 512):
        server.on("GET", f"/v1/images/7/thumbnail?size={size}", jpeg)
    return server


def test_a_terminal_that_knows_sixels_gets_them(library, environment):
    known = {**environment, **NO_PICTURES}
    shown = on_terminal(known, "search", "x", "--preview", answer=b"\x1b[?62;4;22c")
    is_the_picture(from_sixels(shown[shown.index(b"\x1bP") :]))
    assert b"0.314  7  /photos/dog.jpg" in shown


@pytest.mark.parametrize("answer", [b"", b"\x1b[?62;22c"])
def test_any_other_terminal_gets_blocks(library, environment, answer):
    shown = on_terminal({**environment, **NO_PICTURES}, "search", "x", "--preview", answer=answer)
    assert shown.count("▀".encode()) > 100


def test_the_way_can_be_chosen(library, environment):
    shown = on_terminal({**environment, **NO_PICTURES}, "search", "x", "--preview-with", "kitty")
    assert b"\x1b_Ga=T" in shown
    assert b"\x1b[c" not in shown


def test_a_picture_that_cannot_be_had_is_said(library, environment):
    problem = api.Problem(code="offline", title="x", status=409, detail="The drive is away.")
    library.on("GET", "/v1/images/7/thumbnail?size=512", problem, status=409)
    shown = on_terminal({**environment, **NO_PICTURES}, "search", "x", "--preview-with", "iterm2")
    assert b"(no picture: The drive is away.)" in shown
    assert b"/photos/dog.jpg" in shown


@pytest.mark.parametrize("flags", [(), ("--json",), ("--csv",)])
def test_nothing_but_a_terminal_shows_pictures(library, imgvec, flags):
    done = imgvec("search", "x", "--preview", *flags)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--preview shows pictures on a terminal" in done.stderr


def test_pictures_stand_beside_each_other(jpeg):
    assert per_row(SIZE) == 3
    drawn = side_by_side([jpeg] * 3, "blocks", SIZE)
    lines = drawn.decode().splitlines()
    assert len(lines) == 10
    assert {line.count("\N{UPPER HALF BLOCK}") for line in lines} == {78}
    drawn = side_by_side([jpeg] * 2, "iterm2", SIZE)
    found = re.fullmatch(rb"\x1b\]1337;File=([^:]*):([^\x07]*)\x07\n", drawn)
    assert b"width=52;height=10" in found[1]
    sheet = Image.open(io.BytesIO(base64.b64decode(found[2])))
    is_the_picture(sheet.crop((0, 38, 250, 162)))
    is_the_picture(sheet.crop((260, 38, 510, 162)))
