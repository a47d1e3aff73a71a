"""How facts about images are written, whichever format they come from."""

from __future__ import annotations

from imgvecd.types import Fact, Facts

_LONGEST = 2000  # characters of a text, and how many keywords: a description, not a book
_LONGEST_WORD = 200  # characters of a keyword
_LARGEST = 2**53  # beyond it readers of JSON disagree about numbers; nothing measured is near it
_PERCENT_OF_STARS = ((1, 1), (13, 2), (38, 3), (63, 4), (88, 5))  # as Windows rounds them


def said(facts: Facts) -> Facts:
    """Return the facts that say something, as 0 and False do, each within bounds."""
    bounded = {name: _bounded(value) for name, value in facts.items()}
    return {name: value for name, value in bounded.items() if value or value in (0, False)}


def camera(make: str, model: str) -> str:
    """Return maker and model, once: many models begin with the maker's name."""
    maker = make.partition(" ")[0]
    return model if model.lower().startswith(maker.lower()) else f"{make} {model}".strip()


def stars(percent: float) -> int:
    """Return the stars that a rating in percent, as Windows writes it, stands for."""
    return max((count for least, count in _PERCENT_OF_STARS if percent >= least), default=0)


def parts(path: str, separator: str) -> list[str]:
    """Return the keywords along the path of a nested one."""
    return [part.strip() for part in path.split(separator) if part.strip()]


def _bounded(value: Fact) -> Fact:
    """Return it cut to size: what files say may be of any length, and a number of any."""
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, list):
        return [word[:_LONGEST_WORD] for word in value[:_LONGEST]]
    if isinstance(value, int | float) and not -_LARGEST <= value <= _LARGEST:
        return None
    return value
