"""Nothing of a path is left, and what is no path stays readable."""

from __future__ import annotations

import pytest

from imgvecd.core.library.anonymity import Placeholders

NAMES = Placeholders(
    {
        "/home/ada": "<home>",
        "/home/ada/Fotos of mine": "<root 1>",
        "/mnt/nas": "<root 2>",
        "/": "<never>",
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clock 12: 3 new, 0 changed", "clock 12: 3 new, 0 changed"),
        ("encoded 16 images (12.5/s)", "encoded 16 images (12.5/s)"),
        ("listening on /home/ada/run/imgvecd.sock", "listening on <home> …"),
        ("cannot open '/home/ada/Fotos of mine/my trip/x y.jpg'", "cannot open <root 1> …"),
        ("b'/mnt/nas/\\xff.heic': truncated", "<root 2> …"),
        ("12.5/s, then 2023/my trip/cat.jpg", "12.5/s, then <path> …"),
        ("/srv/other (12/s)", "<path> …"),
        ("DSC_1.JPG is damaged, party.heif as well", "<photo> is damaged, <photo> as well"),
        (
            '  File "/v/lib/python3/site-packages/imgvecd/core/library/engine.py", line 7, in stop',
            '  File "imgvecd/core/library/engine.py", line 7, in stop',
        ),
        ("one\ntwo /mnt/nas/secret\nthree", "one\ntwo <root 2> …\nthree"),
    ],
)
def test_text(text, expected):
    assert NAMES.text(text) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/ada/Fotos of mine", "<root 1>"),
        ("/home/ada/Fotos of mine/2023", "<root 1>/…"),
        ("/home/ada/Fotos of minerals", "<home>/…"),
        ("/elsewhere", "<path>"),
    ],
)
def test_path(path, expected):
    assert NAMES.path(path) == expected
