"""Arguments under the names that they had in the first edition of the library: still taken."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def also_called(**former: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Have a function take arguments by further names: `also_called(output_file="path")`.

    Raises:
        TypeError: (when called) an argument is given under two names.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            for old in former.keys() & kwargs.keys():
                if former[old] in kwargs:
                    name = function.__name__
                    raise TypeError(f"{name}() got both {former[old]!r} and {old!r}: give one")
                kwargs[former[old]] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
