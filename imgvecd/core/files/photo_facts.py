"""How facts about images are written, whichever format they come from."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping

from imgvecd.types import Fact, Facts

READER_VERSION = 7
"""Of what is read from files. Raised whenever they tell more, or otherwise, than before: what an
older reader has read is then read again."""

logger = logging.getLogger(__name__)

_LONGEST = 2000  # characters of a text, and how many keywords: a description, not a book
_LONGEST_WORD = 200  # characters of a keyword
_LARGEST = 2**53  # beyond it readers of JSON disagree about numbers; nothing measured is near it
_LARGEST_APEX = 30  # beyond it are no shutters and lenses, but senseless numbers
_MOST_STARS = 5
_NO_NAME = re.compile(r"[\W_]*|n/?a|none|null|unknown", re.IGNORECASE)
_PERCENT_OF_STARS = ((1, 1), (13, 2), (38, 3), (63, 4), (88, 5))  # as Windows rounds them


def said(facts: Facts) -> Facts:
    """Return the facts that say something, as 0 and False do, each within bounds."""
    bounded = {name: _bounded(value) for name, value in facts.items()}
    return {name: value for name, value in bounded.items() if value or value in (0, False)}


def each(facts: Mapping[str, Callable[[], Fact]], *more: Callable[[], Facts]) -> Facts:
    """Return what can be read, each fact by itself; damaged ones are left out.

    Args:
        facts: by name, how to read one.
        more: how to read several that make sense only together.
    """
    found: Facts = {}
    for name, read in facts.items():
        found |= tried(lambda name=name, read=read: {name: read()})  # type: ignore[misc]
    for read_some in more:
        found |= tried(read_some)
    return said(found)


def tried(read: Callable[[], Facts]) -> Facts:
    """Return what is read; damaged metadata is no reason not to show a picture."""
    try:
        return read()
    except MemoryError:
        raise
    except Exception:  # what bad bytes make readers raise is anything
        logger.debug("unreadable metadata", exc_info=True)
        return {}


def camera(make: str, model: str) -> str:
    """Return maker and model, once: many models begin with the maker's name."""
    makers = make.lower().split() or [""]
    named = model.lower()
    is_named = named.startswith(makers[0]) or named.partition(" ")[0] in makers
    return model if is_named else f"{make} {model}".strip()


def named(text: str) -> str:
    """Return a name; nothing for what stands for none ("----", "n/a")."""
    return "" if _NO_NAME.fullmatch(text) else text


def rating(value: float | None) -> float | None:
    """Return stars, 0 to 5, or -1 for "rejected"; what is beyond is in percent, or senseless."""
    if value is None or -1 <= value <= _MOST_STARS:
        return value
    return stars(value) if _MOST_STARS < value <= 100 else None  # noqa: PLR2004  # percent


def stars(percent: float) -> int:
    """Return the stars that a rating in percent, as Windows writes it, stands for."""
    return max((count for least, count in _PERCENT_OF_STARS if percent >= least), default=0)


def several(names: Iterable[str]) -> str:
    """Return some names as one text, as EXIF has them."""
    return "; ".join(dict.fromkeys(filter(None, names)))


def exposure_of(apex: float | None) -> float | None:
    """Return the seconds that a shutter's speed stands for, on the scale of APEX."""
    return None if apex is None or abs(apex) > _LARGEST_APEX else float(f"{2**-apex:.2g}")


def f_number_of(apex: float | None) -> float | None:
    """Return the f-number that an aperture stands for, on the scale of APEX."""
    return None if apex is None or not 0 <= apex <= _LARGEST_APEX else round(2 ** (apex / 2), 1)


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
