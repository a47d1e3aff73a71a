"""What a `with` statement closes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class ContextManaged(ABC):
    """A context manager that gives itself, and is closed at the end."""

    @abstractmethod
    def close(self) -> None:
        """Release what is held; harmless when repeated."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
