"""Globs of paths: one meaning in filters and excludes, matched in time linear in the path.

`*` and `?` stay within a folder, `**` does not, `**/` is any folders or none; `[a-z]` is one of
some characters, `[!a-z]` one of all others but the slash. Every other character means itself.
Names count as composed Unicode (NFC), however the disk has them.

A regular expression would backtrack, for hours with `*a*a*a*b` and a long name. This is a finite
automaton instead, whose states are the positions in the pattern that a path may have reached, as
the bits of a number; states and steps that were met are kept, up to a bound.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from imgvecd.spelling import composed

LONGEST = 4096
"""Characters of a glob: a path cannot be longer on Linux."""

_MOST_STEPS = 20_000  # kept, of a hundred bytes each


class Glob:
    """A compiled pattern of whole paths. Thread-safe.

    Raises:
        ValueError: it is too long, or a range in it runs backwards; says which.
    """

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise ValueError(f"a glob has at most {LONGEST:,} characters, not {len(text):,}")
        self._advance: dict[str, int] = {}  # by character: positions that it moves on from
        self._ones = 0  # positions that any character but a slash moves on from
        self._classes: list[tuple[int, Callable[[str], bool]]] = []
        self._stars = 0  # positions of `*`: stay where they are, but at a slash
        self._globstars = 0  # positions of `**`: stay at any character
        self._skips = 0  # positions before a `**/`, which may be passed over
        self._until = 0  # positions within a `**/`: stay, and move on at a slash
        position = 0
        for kind, what in _tokens(composed(text)):
            position = self._add(position, kind, what)
        self._end = 1 << position
        self._states: dict[int, _State] = {}
        self._steps = 0
        self.start = self._state(self._closed(1))

    def matches(self, path: bytes) -> bool:
        """Return whether the glob means this path."""
        return self.after(self.start, path).accepts

    def after(self, state: _State, part: bytes) -> _State:
        """Return the state after a further part of a path, which begins or ends at a slash."""
        text = os.fsdecode(part)
        for character in composed(text):
            state = state[character]
            if not state.reached:
                break
        return state

    def _add(self, position: int, kind: str, what: str) -> int:
        """Add a token at a position; return the next one."""
        bit = 1 << position
        if kind == "**/":
            self._skips |= bit
            self._until |= bit << 1
            return position + 2
        if kind == "**":
            self._globstars |= bit
        elif kind == "*":
            self._stars |= bit
        elif kind == "?":
            self._ones |= bit
        elif kind == "[":
            self._classes.append((bit, _class(what)))
        else:
            self._advance[what] = self._advance.get(what, 0) | bit
        return position + 1

    def _closed(self, reached: int) -> int:
        """Add the positions that are reached without a further character."""
        while True:
            stars = reached & (self._stars | self._globstars)
            skips = reached & self._skips
            more = reached | stars << 1 | skips << 1 | skips << 2
            if more == reached:
                return reached
            reached = more

    def step(self, reached: int, character: str) -> _State:
        """Return the state that a character leads to."""
        advance = self._advance.get(character, 0)
        stay = self._globstars | self._until
        if character == "/":
            advance |= self._until
        else:
            stay |= self._stars
            advance |= self._ones
            advance |= sum(bit for bit, has in self._classes if reached & bit and has(character))
        return self._state(self._closed((reached & advance) << 1 | reached & stay))

    def _state(self, reached: int) -> _State:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            for state in list(self._states.values()):
                state.clear()
            self._states = {}
            self._steps = 1
        return self._states.setdefault(reached, _State(self, reached, reached & self._end != 0))


class _State(dict[str, "_State"]):
    """The positions that a path may have reached so far, and where each character leads.

    Attributes:
        reached: nothing can match any more if it is 0.
        accepts: what was read so far is a path that the glob means.
    """

    __slots__ = ("_glob", "accepts", "reached")

    def __init__(self, glob: Glob, reached: int, accepts: bool) -> None:
        super().__init__()
        self._glob = glob
        self.reached = reached
        self.accepts = accepts

    def __missing__(self, character: str) -> _State:
        state = self[character] = self._glob.step(self.reached, character)
        return state


def of_path(glob: str) -> Glob:
    """Return the glob of absolute paths; without a slash it means names.

    Raises:
        ValueError: it cannot be one.
    """
    return Glob(glob if "/" in glob else f"**/{glob}")


class EntryGlob:
    """A glob of entries below a folder, by their paths relative to it. Thread-safe.

    Without a slash it means entries of that name at any depth; with one at its end folders only.

    Raises:
        ValueError: it cannot be one.
    """

    def __init__(self, glob: str) -> None:
        self._folders_only = glob.endswith("/")
        text = glob.rstrip("/")
        self._by_name = "/" not in text
        self._glob = Glob(text.lstrip("/"))
        self._last = b"", self._glob.start

    def matches(self, directory: bytes, name: bytes, *, folder: bool) -> bool:
        """Return whether the glob means this entry; `FOLDER/**` means the folder as well."""
        if self._folders_only and not folder:
            return False
        glob = self._glob
        state = glob.after(glob.start if self._by_name else self._in(directory), name)
        inside = folder and not self._by_name and not self._folders_only
        return state.accepts or (inside and glob.after(state, b"/").accepts)

    def _in(self, directory: bytes) -> _State:
        """Return the state after a folder's path; entries mostly come folder by folder."""
        last, state = self._last
        if last != directory:
            state = self._glob.after(self._glob.start, directory and directory + b"/")
            self._last = directory, state
        return state


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, what it stands for); runs of stars that say the same become one."""
    before = ""
    while text:
        kind, length = _first(text)
        what, text = text[:length], text[length:]
        absorbed = before == "**" and kind in {"*", "**", "**/"}
        if not absorbed and not (before == kind and kind in {"*", "**/"}):
            yield kind, what
            before = kind


def _first(text: str) -> tuple[str, int]:
    """Return (kind of the first token, its length)."""
    for kind in ("**/", "**", "*", "?"):
        if text.startswith(kind):
            return kind, len(kind)
    if text.startswith("["):
        closing = text.find("]", 3 if text[1:2] in {"!", "^"} else 2)
        if closing > 0:
            return "[", closing + 1
    return "", 1


def _class(text: str) -> Callable[[str], bool]:
    """Return what tells whether a character is in a class such as `[a-z]`."""
    negated = text[1] in "!^"
    inner = text[2 if negated else 1 : -1]
    ones: set[str] = set()
    ranges: list[tuple[str, str]] = []
    while inner:
        low, dash, high = inner[:1], inner[1:2], inner[2:3]
        if dash == "-" and high:
            if low > high:
                raise ValueError(f"{text} in a glob: the range {inner[:3]} runs backwards")
            ranges.append((low, high))
            inner = inner[3:]
        else:
            ones.add(low)
            inner = inner[1:]

    def has(character: str) -> bool:
        found = character in ones or any(low <= character <= high for low, high in ranges)
        return found != negated

    return has
