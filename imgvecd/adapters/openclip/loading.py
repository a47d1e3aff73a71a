"""Finding, fetching and reading a checkpoint; explaining why that did not work."""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import logging
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import open_clip
from huggingface_hub import constants as hub

from imgvecd.adapters.checkpoint import published_pixels
from imgvecd.core.library.model_choice import EMBEDDED, FETCHING, ModelChoice, not_at_hand
from imgvecd.errors import ModelError, NotFetchedError
from imgvecd.types import PreprocessSpec

logger = logging.getLogger(__name__)

Model: TypeAlias = Any  # one of open_clip's classes, which have no types
Tokenizer: TypeAlias = Any  # the same

_REACH_S = 5.0  # a hub that takes longer to say anything is as good as none


def load(choice: ModelChoice, *, may_fetch: bool = True) -> Model:
    """Return the model in fp32 on the CPU, ready for inference; fetch it if it is not here.

    What is in the hub's cache is used without asking the network.

    Raises:
        NotFetchedError: it is not here, and may not be fetched.
        ModelError: it cannot be loaded; the message names the ways out.
    """
    if choice.config_path:
        open_clip.add_model_config(choice.config_path)
    _check_names(choice)
    _check_packages(choice)
    return _kept_or_fetched(
        lambda: _create(choice),
        lambda error: _unloadable(choice, error),
        f"{choice.name}, {choice.pretrained}",
        local=bool(choice.checkpoint_path),
        may_fetch=may_fetch,
    )


def load_tokenizer(choice: ModelChoice, *, may_fetch: bool = True) -> Tokenizer:
    """Return what makes token ids of texts; those of many languages are fetched like models.

    Raises:
        NotFetchedError: it is not here, and may not be fetched.
        ModelError: it cannot be had; the message names the ways out.
    """
    return _kept_or_fetched(
        lambda: open_clip.get_tokenizer(choice.name),
        lambda error: _without_tokenizer(choice, error),
        f"the tokenizer of {choice.name}",
        may_fetch=may_fetch,
    )


def _kept_or_fetched(
    get: Callable[[], Any],
    explained: Callable[[Exception], ModelError],
    what: str,
    *,
    local: bool = False,
    may_fetch: bool,
) -> Any:  # noqa: ANN401  # what open_clip makes has no types
    """Return what `get` makes of the hub's cache alone, else of what the hub sends.

    Args:
        what: is fetched, for a person.
        local: it is a file, which nobody sends.
        may_fetch: whether the hub may be asked.
    """
    try:
        with _offline():
            return get()
    except Exception as error:  # whatever open_clip, torch and the hub raise
        if local:
            raise explained(error) from error
        if not may_fetch:
            raise NotFetchedError(
                f"{what}: not on this machine, and `model_download` does not let it be fetched"
            ) from error
        if hub.is_offline_mode() or not _hub_answers():
            raise explained(error) from error
    logger.warning("%s%s", FETCHING, what)
    try:
        return get()
    except Exception as error:
        raise explained(error) from error


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


def _check_packages(choice: ModelChoice) -> None:
    """Raise unless what reads this model's texts is installed, which open_clip leaves to others."""
    config = open_clip.get_model_config(choice.name) or {}
    texts = config.get("text_cfg", {})
    needs_it = "hf_model_name" in texts or "hf_tokenizer_name" in texts
    if needs_it and importlib.util.find_spec("transformers") is None:
        raise ModelError(
            f"{choice.name} reads texts with the package transformers, which is not installed:"
            " `pip install 'imgvecd[multilingual]'`; or set another model"
        )


def _without_tokenizer(choice: ModelChoice, error: Exception) -> ModelError:
    logger.debug("%s: %s", choice.name, error)
    return ModelError(
        f"the tokenizer of {choice.name} cannot be fetched from {hub.ENDPOINT}. It is not on this"
        " machine: connect to the network once, after which it stays in the hub's cache; or"
        f" copy that cache (~/.cache/huggingface, HF_HOME) from another machine; or set model:"
        f" {EMBEDDED}, which needs no download"
    )


def _create(choice: ModelChoice) -> Model:
    checkpoint = choice.checkpoint_path or choice.pretrained
    model = open_clip.create_model(
        choice.name,
        checkpoint,
        require_pretrained=True,
        force_preprocess_cfg=published_pixels(choice.name, open_clip)
        if choice.checkpoint_path
        else None,
    )
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
    return not_at_hand(choice, hub.ENDPOINT)
