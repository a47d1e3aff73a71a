"""What was asked of the catalog and what it said, told again while nothing changes in it."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q", bound=Hashable)
A = TypeVar("A")


class Remembered(Generic[Q, A]):
    """Answers to questions of one kind. Thread-safe.

    Each look into the catalog lets go of the interpreter, which other threads may then keep for a
    while: what is remembered costs no look.

    Args:
        state: returns what the answers depend on; equal while they are.
        most: answers that are kept; those that nobody asked for the longest go first.
        is_small: whether an answer may be kept.
    """

    def __init__(
        self, state: Callable[[], Hashable], most: int, is_small: Callable[[A], bool]
    ) -> None:
        self._state_now = state
        self._most = most
        self._is_small = is_small
        self._lock = threading.Lock()
        self._state: Hashable = None
        self._kept: collections.OrderedDict[Q, A] = collections.OrderedDict()

    def answers(
        self, questions: Sequence[Q], ask: Callable[[Sequence[Q]], Mapping[Q, A]]
    ) -> dict[Q, A]:
        """Return the answers to questions, all of one moment, asking for those not remembered.

        Args:
            ask: returns answers; what it leaves out has none, and is asked for again.
        """
        state = self._state_now()
        with self._lock:
            if state != self._state:
                self._kept.clear()
                self._state = state
            found = {each: self._kept[each] for each in questions if each in self._kept}
            for each in found:
                self._kept.move_to_end(each)
        missing = [each for each in questions if each not in found]
        if not missing:
            return found
        new = ask(missing)
        if found and self._state_now() != state:  # what was remembered is of another moment
            return dict(ask(questions))
        with self._lock:
            if state == self._state:
                self._kept |= {each: new[each] for each in new if self._is_small(new[each])}
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return {**found, **new}

    def answer(self, question: Q, ask: Callable[[], A]) -> A:
        """Return the answer to one question."""
        return self.answers([question], lambda _: {question: ask()})[question]
