"""How much JSON is decoded at once, since the decoder holds the interpreter, and what it raises."""

from __future__ import annotations

import msgspec

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises: for other fields or broken text, bytes that are no UTF-8, deep nesting."""

MOST_VALUES = 50_000
"""A batch of 256 searches with many terms has some thousands; so many take milliseconds."""

_SEPARATORS = (b",", b"{", b"[")
_AT_ONCE = 1 << 16  # bytes


def holds_too_much(raw: bytes) -> bool:
    """Return whether it may hold more values than are decoded; looks no further than it has to."""
    count = 0
    for start in range(0, len(raw), _AT_ONCE):
        count += sum(raw.count(each, start, start + _AT_ONCE) for each in _SEPARATORS)
        if count > MOST_VALUES:
            return True
    return False
