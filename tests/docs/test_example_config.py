"""The example in `config/` is the one that the code writes."""

from __future__ import annotations

import pathlib

from imgvecd.config.example import render

ROOT = pathlib.Path(__file__).parents[2]


def test_the_example_is_up_to_date():
    written = (ROOT / "config" / "imgvecd.yaml").read_text()
    assert written == render(["~/Pictures"]), (
        "python -m imgvecd.config.example > config/imgvecd.yaml"
    )
