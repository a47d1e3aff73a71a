"""Texts to token ids: CLIP's byte-pair encoding, with the very ids that open_clip gives."""

from __future__ import annotations

import functools
import html
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import regex

from imgvecd.types import Int64Array

_START, _END = "<start_of_text>", "<end_of_text>"
_WORDS = regex.compile(
    rf"{_START}|{_END}|'s|'t|'re|'ve|'m|'ll|'d|[\p{{L}}]+|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]+",
    regex.IGNORECASE,
)
_WORD_END = "</w>"
_REMEMBERED_WORDS = 4096


class Tokens:
    """Turns texts into ids. Thread-safety: one thread at a time.

    Args:
        merges: pairs of symbols, a blank between them, one a line; the first are joined first.
        length: of the model's context; longer texts are cut.
    """

    def __init__(self, merges: str, length: int) -> None:
        pairs = merges.split("\n")
        symbols = list(_printable_bytes().values())
        symbols += [symbol + _WORD_END for symbol in symbols]
        symbols += merges.replace(" ", "").split("\n")
        symbols += [_START, _END]
        self._length = length
        self._ids = dict(zip(symbols, range(len(symbols)), strict=True))
        self._ranks = dict(zip(pairs, range(len(pairs)), strict=True))
        self._ids_of = functools.lru_cache(_REMEMBERED_WORDS)(self._joined)

    def __call__(self, texts: Sequence[str]) -> Int64Array:
        """Return ids, shape (len(texts), longest text), with zeros behind the shorter ones."""
        rows = [self._row(text) for text in texts]
        ids = np.zeros((len(rows), max(map(len, rows), default=0)), np.int64)
        for row, filled in zip(ids, rows, strict=True):
            row[: len(filled)] = filled
        return ids

    def _row(self, text: str) -> list[int]:
        row = [self._ids[_START]]
        for ids in map(self._ids_of, _words(text)):
            row += ids
            if len(row) >= self._length:
                break
        return [*row[: self._length - 1], self._ids[_END]]

    def _joined(self, word: str) -> tuple[int, ...]:
        """Return the ids of a word: its bytes, joined pair by pair."""
        if word in {_START, _END}:
            return (self._ids[word],)
        letters = [_printable_bytes()[byte] for byte in word.encode()]
        parts = [*letters[:-1], letters[-1] + _WORD_END]
        while len(parts) > 1:
            ranks = [self._ranks.get(f"{a} {b}") for a, b in itertools.pairwise(parts)]
            best = min((rank for rank in ranks if rank is not None), default=None)
            if best is None:
                break
            joined, i = [], 0
            while i < len(parts):
                step = 2 if i < len(ranks) and ranks[i] == best else 1
                joined.append("".join(parts[i : i + step]))
                i += step
            parts = joined
        return tuple(self._ids[part] for part in parts)


def _words(text: str) -> Iterator[str]:
    cleaned = html.unescape(html.unescape(_fixed(text)))
    for found in _WORDS.finditer(" ".join(cleaned.split()).lower()):
        yield found[0]


def _fixed(text: str) -> str:
    """Return a text with what went wrong with its characters undone."""
    if text.isascii() and text.isprintable() and "&" not in text:
        return text  # nothing can have
    import ftfy  # noqa: PLC0415  # takes as long as encoding a text, which most can do without

    return ftfy.fix_text(text)


@functools.cache
def _printable_bytes() -> dict[int, str]:
    """Return a character for every byte: its own where that can be seen, else one above 255."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    seen += range(ord("®"), ord("ÿ") + 1)
    others = [byte for byte in range(256) if byte not in seen]
    return {byte: chr(byte) for byte in seen} | {b: chr(256 + i) for i, b in enumerate(others)}
