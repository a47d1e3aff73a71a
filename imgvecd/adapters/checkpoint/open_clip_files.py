"""What open_clip brings beside its classes, without importing those: torch takes seconds."""

from __future__ import annotations

import gzip
import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

from imgvecd.errors import NotBuiltError

_PACKAGE = "open_clip"
_VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"
_PIXELS = ("mean", "std", "interpolation", "resize_mode")
_MERGES = 49152 - 256 - 2  # as many as open_clip takes, of more in the file


def checkpoints_module() -> ModuleType:
    """Return open_clip's module of checkpoints, with `get_pretrained_cfg` and default colours.

    Raises:
        NotBuiltError: it is not there, or is not as it was.
    """
    if _PACKAGE in sys.modules:
        return importlib.import_module(f"{_PACKAGE}.pretrained")
    package = ModuleType(_PACKAGE)
    package.__path__ = [_folder()]
    sys.modules[_PACKAGE] = package
    had_torch = "torch" in sys.modules
    if not had_torch:
        sys.modules["torch"] = None  # type: ignore[assignment]  # so Python marks what cannot be imported
    try:
        return importlib.import_module(f"{_PACKAGE}.pretrained")
    except ImportError as error:
        raise NotBuiltError(f"open_clip's table of checkpoints cannot be read: {error}") from error
    finally:
        if not had_torch:
            del sys.modules["torch"]
        for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
            del sys.modules[name]


def published_pixels(model: str, tables: ModuleType) -> dict[str, Any]:
    """Return what all published checkpoints of an architecture want of their pixels; else nothing.

    A file of weights does not say it.

    Args:
        tables: as `checkpoints_module` returns them.
    """
    published = [
        {key: wanted[key] for key in _PIXELS if key in wanted}
        for tag in tables.list_pretrained_tags_by_model(model)
        if (wanted := tables.get_pretrained_cfg(model, tag))
    ]
    agree = published and all(wanted == published[0] for wanted in published)
    return published[0] if agree else {}


def config_path(model: str) -> str:
    """Return the path of the configuration of a model that open_clip knows."""
    return os.path.join(_folder(), "model_configs", f"{model.replace('/', '-')}.json")


def read_merges() -> str:
    """Return the byte-pair encoding: two symbols a line, a blank between them, first ones first.

    Raises:
        NotBuiltError: it is not there.
    """
    try:
        with gzip.open(os.path.join(_folder(), _VOCABULARY), "rt", encoding="utf-8") as file:
            lines = file.read().split("\n")
    except (OSError, EOFError) as error:
        raise NotBuiltError(f"open_clip's vocabulary cannot be read: {error}") from error
    return "\n".join(lines[1 : 1 + _MERGES])


def _folder() -> str:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise NotBuiltError("open_clip is not installed")
    return found.submodule_search_locations[0]
