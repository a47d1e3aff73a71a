"""How facts about images are written, whichever format they come from."""

from __future__ import annotations

from imgvecd.types import Facts

_PERCENT_OF_STARS = ((1, 1), (13, 2), (38, 3), (63, 4), (88, 5))  # as Windows rounds them


def said(facts: Facts) -> Facts:
    """Return the facts less those that say nothing; 0 and False say something."""
    return {name: value for name, value in facts.items() if value or value in (0, False)}


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
