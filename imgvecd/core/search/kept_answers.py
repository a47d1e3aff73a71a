"""Answers that are given again: to the same request, while all that they depend on is the same."""

from __future__ import annotations

import collections
import threading
from collections.abc import Hashable

import msgspec

from imgvecd.api import SearchRequest, SearchResponse

# The queries of a few people and what they come back to: 20 hits take some 20 kB.
_MOST = 128
_MOST_FILES = 200  # named in one answer; of larger ones each would be a megabyte
_LONGEST = 4000  # bytes of a request


class KeptAnswers:
    """Remembers answers. Thread-safe.

    What an answer depends on is the caller's to say, as a `state`: what is kept under another one
    is never found again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: collections.OrderedDict[bytes, tuple[Hashable, SearchResponse]] = (
            collections.OrderedDict()
        )

    def find(self, request: SearchRequest, state: Hashable) -> SearchResponse | None:
        """Return the answer to a request in this state; None if it is not kept."""
        key = key_of_request(request)
        with self._lock:
            kept = None if key is None else self._answers.get(key)
            if kept is None or key is None or kept[0] != state:
                return None
            self._answers.move_to_end(key)
            return kept[1]

    def keep(self, request: SearchRequest, state: Hashable, answer: SearchResponse) -> None:
        """Keep an answer.

        Args:
            state: as it was before the answer was begun.
        """
        key = key_of_request(request)
        hits = (*answer.hits, *answer.nearest_hits)
        files = sum(1 + len(hit.other_paths) + len(hit.companions) for hit in hits)
        if key is None or files > _MOST_FILES:
            return
        with self._lock:
            self._answers[key] = state, answer
            self._answers.move_to_end(key)
            while len(self._answers) > _MOST:
                self._answers.popitem(last=False)


def key_of_request(request: SearchRequest) -> bytes | None:
    """Return what names a request; None for one with an image from outside, or a long one."""
    if any(term.text is None and term.id is None for term in request.all_terms()):
        return None
    key = msgspec.json.encode(request)
    return key if len(key) <= _LONGEST else None
