"""From the setting `model` to which model is meant and what its embeddings are filed under."""

from __future__ import annotations

import hashlib
import os
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import imgvecd
from imgvecd.config.schema import ModelConfig, expand
from imgvecd.core.library.checkpoint_digests import DIGEST_BYTES, digest_checkpoint
from imgvecd.errors import ModelError
from imgvecd.types import ModelInfo

EMBEDDED = "imgvecd-mini"
"""The model inside the package."""

_MODELS_DIR = os.path.join(os.path.dirname(imgvecd.__file__), "models")
_FAST = ModelConfig(name="ViT-B-32-256", pretrained="datacomp_s34b_b86k")
PRESETS = {
    "small": ModelConfig(name=EMBEDDED),
    "fast": _FAST,
    "best": ModelConfig(name="ViT-L-14", pretrained="datacomp_xl_s13b_b90k"),
    "multilingual": ModelConfig(name="xlm-roberta-base-ViT-B-32", pretrained="laion5b_s13b_b90k"),
}
"""What the setting may say instead of a model's name; figures are in docs/models.md."""

_AUTO = _FAST
_FORMER_AUTO = ModelConfig(name="ViT-B-32", pretrained="laion2b_s34b_b79k")
_DEFAULT_TAGS = {_FORMER_AUTO.name: _FORMER_AUTO.pretrained}
_EMBEDDED_TAG = "embedded"
_AUTO_NOTE = f"`model: auto` is on {EMBEDDED} until {_AUTO.name} knows every image"
AUTO_DOWNLOAD_MB = 600
"""What `auto` fetches, of the model that it moves to."""

FETCHING = "fetching "
"""How the line begins that an encoder prints before it fetches anything."""

_OWN_PIXELS = re.compile("CLIPA|MobileCLIP|PE-Core|SigLIP|siglip|-378")
"""Architectures whose checkpoints want other pixels than those of CLIP.

Files of them were once given CLIP's, so they have other fingerprints now, and are encoded anew."""

_Digest: TypeAlias = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model that has not been loaded yet.

    Attributes:
        name, pretrained: as open_clip calls them; `pretrained` may be a file's path.
        fingerprint: hexadecimal; of name and tag, or of name and the content of a local file, so
            that a checkpoint replaced under its old name is another model, and a copy is not.
        config_path: of a model configuration that open_clip does not know; or empty.
        checkpoint_path: of a local checkpoint; or empty.
        note: for a person, about how the choice came about; or empty.
        int8: its images are encoded in 8 bits: other vectors, so another fingerprint.
    """

    name: str
    pretrained: str
    fingerprint: str
    config_path: str = ""
    checkpoint_path: str = ""
    note: str = ""
    int8: bool = False


def choose_model(
    setting: str | ModelConfig, digest: _Digest = digest_checkpoint, precision: str = "auto"
) -> ModelChoice:
    """Return what the setting means, without importing or loading any model.

    Args:
        digest: of a checkpoint; see `CheckpointDigests.of`, which does not read what it knows.
        precision: as `encode.precision` has it; all but "int8" give the same vectors.

    Raises:
        ModelError: a local checkpoint cannot be read, or none is named.
    """
    choice = _choose(setting, digest)
    return _in_int8(choice) if precision == "int8" else choice


def _choose(setting: str | ModelConfig, digest: _Digest) -> ModelChoice:
    if setting == "auto":
        return _embedded(_AUTO_NOTE, digest)
    if isinstance(setting, str):
        wanted = PRESETS.get(setting, ModelConfig(name=setting))
    else:
        wanted = setting
    if wanted.name == EMBEDDED:
        return _embedded("", digest)
    pretrained = wanted.pretrained or _DEFAULT_TAGS.get(wanted.name, "")
    if _is_path(pretrained):
        path = expand(pretrained)
        own_pixels = b"own pixels" if _OWN_PIXELS.search(wanted.name) else b""
        fingerprint = _fingerprint(wanted.name, digest(path) + own_pixels)
        return ModelChoice(wanted.name, path, fingerprint, checkpoint_path=path)
    if not pretrained and ":" not in wanted.name:  # "hf-hub:…" and "local-dir:…" say it all
        raise ModelError(
            f"model.pretrained is missing: {wanted.name} needs a tag or a checkpoint file"
        )
    return ModelChoice(wanted.name, pretrained, _fingerprint(wanted.name, pretrained.encode()))


def auto_name() -> str:
    """Return the name of the model that `auto` moves to."""
    return _AUTO.name


def not_at_hand(choice: ModelChoice, hub: str) -> ModelError:
    """Return the error for a model that is not here and cannot be fetched, with the ways out."""
    return ModelError(
        f"{choice.name} cannot be fetched from {urllib.parse.urlsplit(hub).netloc or hub}. It"
        f" ({choice.pretrained or 'default'}) is not on this machine: connect to the network; or"
        " set model.pretrained to a local checkpoint file; or set model:"
        f" {EMBEDDED}, which needs no download"
    )


def plan_models(
    setting: str | ModelConfig,
    last: ModelInfo | None,
    digest: _Digest = digest_checkpoint,
    precision: str = "auto",
) -> tuple[ModelChoice, ModelChoice | None]:
    """Return (the model that answers queries now, the one to move to or None).

    A model that has not answered before is built beside the one that did last, as long as that can
    still be had. `auto` is at once on the embedded model, and moves to the fast one, from there or
    from the one that it used to move to.

    Args:
        last: the model that answered queries last, if any did.
        digest, precision: see `choose_model`.

    Raises:
        ModelError: see `choose_model`.
    """
    auto = setting == "auto"
    wanted = choose_model(_AUTO if auto else setting, digest, precision)
    if last is not None and last.fingerprint == wanted.fingerprint:
        return wanted, None
    if auto and not any(_as_it_was(_choose(each, digest), last) for each in (_AUTO, _FORMER_AUTO)):
        embedded = _embedded(_AUTO_NOTE, digest)
        same = _in_int8(embedded) if precision == "int8" else embedded
        return _as_it_was(embedded, last) or same, wanted
    if last is None:
        return wanted, None
    try:
        pretrained = "" if last.pretrained == _EMBEDDED_TAG else last.pretrained
        serving = _as_it_was(
            _choose(ModelConfig(name=last.name, pretrained=pretrained), digest), last
        )
    except ModelError:  # its checkpoint is gone
        return wanted, None
    return (serving, wanted) if serving is not None else (wanted, None)


def _as_it_was(choice: ModelChoice, last: ModelInfo | None) -> ModelChoice | None:
    """Return the model in the numbers that it answered in last; None if it did not."""
    variants = (choice, _in_int8(choice))
    fingerprint = None if last is None else last.fingerprint
    return next((each for each in variants if each.fingerprint == fingerprint), None)


def _in_int8(choice: ModelChoice) -> ModelChoice:
    return replace(choice, fingerprint=_fingerprint(choice.fingerprint, b"int8"), int8=True)


def _embedded(note: str, digest: _Digest) -> ModelChoice:
    config = os.path.join(_MODELS_DIR, f"{EMBEDDED}.json")
    checkpoint = os.path.join(_MODELS_DIR, f"{EMBEDDED}.safetensors")
    fingerprint = _fingerprint(EMBEDDED, digest(config) + digest(checkpoint))
    return ModelChoice(EMBEDDED, _EMBEDDED_TAG, fingerprint, config, checkpoint, note)


def _is_path(pretrained: str) -> bool:
    """Return whether it is no tag: tags have neither slashes nor dots."""
    return os.sep in pretrained or "." in pretrained or pretrained.startswith("~")


def _fingerprint(name: str, checkpoint: bytes) -> str:
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    digest.update(name.encode() + b"\0" + checkpoint)
    return digest.hexdigest()
