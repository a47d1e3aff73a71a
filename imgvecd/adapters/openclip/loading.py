"""Finding, fetching and reading a checkpoint; explaining why that did not work."""

from __future__ import annotations

import contextlib
import difflib
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, TypeAlias

import open_clip
from huggingface_hub import constants as hub

from imgvecd.core.library.model_choice import EMBEDDED, ModelChoice
from imgvecd.errors import ModelError
from imgvecd.types import PreprocessSpec

logger = logging.getLogger(__name__)

Model: TypeAlias = Any  # one of open_clip's classes, which have no types

_REACH_S = 5.0  # a hub that takes longer to say anything is as good as none


def load(choice: ModelChoice) -> Model:
    """Return the model in fp32 on the CPU, ready for inference; fetch it if it is not here.

    What is in the hub's cache is used without asking the network.

    Raises:
        ModelError: it cannot be loaded; the message names the ways out.
    """
    if choice.config_path:
        open_clip.add_model_config(choice.config_path)
    _check_names(choice)
    user_wants_offline = hub.is_offline_mode()
    try:
        with _offline():
            return _create(choice)
    except Exception as error:  # whatever open_clip, torch and the hub raise
        if choice.checkpoint_path or user_wants_offline or not _hub_answers():
            raise _unloadable(choice, error) from error
    logger.warning("fetching %s, %s", choice.name, choice.pretrained)
    try:
        return _create(choice)
    except Exception as error:
        raise _unloadable(choice, error) from error


def preprocess_spec(model: Model) -> PreprocessSpec:
    """Return how a loaded model wants its pixels.

    Raises:
        ModelError: its input is not square.
    """
    cfg = model.visual.preprocess_cfg
    size = cfg["size"]
    width, height = (size, size) if isinstance(size, int) else size
    if width != height:
        raise ModelError(f"its input of {width} × {height} pixels is not square")
    return PreprocessSpec(
        size=width,
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
        interpolation="bilinear" if cfg["interpolation"] == "bilinear" else "bicubic",
        resize_mode=cfg["resize_mode"],
        fill=cfg["fill_color"],
    )


def _create(choice: ModelChoice) -> Model:
    checkpoint = choice.checkpoint_path or choice.pretrained
    model = open_clip.create_model(choice.name, checkpoint, require_pretrained=True)
    return model.eval().requires_grad_(requires_grad=False)


def _check_names(choice: ModelChoice) -> None:
    if ":" in choice.name:
        return
    known = open_clip.list_models()
    if choice.name not in known:
        raise ModelError(f"open_clip has no model {choice.name}{_nearest(choice.name, known)}")
    tags = open_clip.list_pretrained_tags_by_model(choice.name)
    if not choice.checkpoint_path and not open_clip.is_pretrained_cfg(
        choice.name, choice.pretrained
    ):
        raise ModelError(
            f"open_clip has no checkpoint {choice.pretrained} of {choice.name}"
            f"{_nearest(choice.pretrained, tags)}"
        )


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"; it has {', '.join(near)}" if near else ""


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Have the hub's client look into its cache only; alone it retries for most of a minute."""
    before = hub.HF_HUB_OFFLINE
    hub.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        hub.HF_HUB_OFFLINE = before


def _hub_answers() -> bool:
    request = urllib.request.Request(hub.ENDPOINT, method="HEAD")  # noqa: S310  # https, or what HF_ENDPOINT says
    try:
        with urllib.request.urlopen(request, timeout=_REACH_S):  # noqa: S310  # the same
            return True
    except urllib.error.HTTPError:
        return True  # it refuses this request, but it is there
    except (OSError, ValueError):
        return False


def _unloadable(choice: ModelChoice, error: Exception) -> ModelError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if choice.checkpoint_path:
        return ModelError(f"{choice.checkpoint_path} cannot be loaded as {choice.name}: {reason}")
    logger.debug("%s: %s", choice.name, reason)
    return ModelError(
        f"{choice.name} ({choice.pretrained or 'default'}) is not on this machine and cannot be "
        f"fetched from {hub.ENDPOINT}. Connect to the network; or set model.pretrained to a local "
        f"checkpoint file; or set model: {EMBEDDED}, which needs no download"
    )
