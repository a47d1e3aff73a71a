"""Make `imgvecd/data/emojis.txt`: what emojis are called in English.

    pip install --target /tmp/emojis --no-deps emoji
    PYTHONPATH=/tmp/emojis python -m tools.make_emojis

The names are those of Unicode's CLDR, as the package emoji (BSD) has them. Those that differ in the
tone of a skin, or in how they are drawn, have one line.
"""

from __future__ import annotations

import importlib
import pathlib

from imgvecd.core.search.emojis import FIRST, without_tone

_TARGET = pathlib.Path(__file__).parents[1] / "imgvecd/data/emojis.txt"
_FACE = " face"  # "dog face" is how a dog is drawn


def main() -> None:
    """Make the file."""
    known = importlib.import_module("emoji").EMOJI_DATA
    names: dict[str, str] = {}
    for emoji, told in known.items():
        if without_tone(emoji) >= FIRST:
            names.setdefault(without_tone(emoji), told["en"].strip(":").replace("_", " "))
    whole = set(names.values())
    for emoji, name in names.items():
        if name.endswith(_FACE) and name.removesuffix(_FACE) in whole:
            names[emoji] = name.removesuffix(_FACE)
        elif name.startswith("family "):
            names[emoji] = "family"
    lines = [f"{emoji}\t{name}\n" for emoji, name in sorted(names.items())]
    _TARGET.write_text("".join(lines), encoding="utf-8")
    print(f"{len(lines)} emojis in {_TARGET}")


if __name__ == "__main__":
    main()
