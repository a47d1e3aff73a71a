"""What argparse reads flags with: the API's own types, so that a complaint names the flag."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import msgspec


def fitting(kind: Any) -> Callable[[str], Any]:  # noqa: ANN401  # any annotation
    """Return what makes a text a value of the annotated type, within its bounds."""

    def convert(text: str) -> Any:  # noqa: ANN401  # as above
        try:
            return msgspec.convert(text, kind, strict=False)
        except msgspec.ValidationError as error:
            expected = str(error).partition(", got")[0].replace("`", "").lower()
            raise argparse.ArgumentTypeError(f"{expected}, not {text!r}") from None

    return convert
