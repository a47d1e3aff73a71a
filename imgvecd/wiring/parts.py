"""Single parts made from the configuration: encoder, decoder, trash, what fetches and writes."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from imgvecd.adapters import mounts, parquet, rapid_ocr, web_images
from imgvecd.adapters.thumbnail_cache import ThumbnailCache
from imgvecd.adapters.trash import FreedesktopTrash
from imgvecd.config import paths
from imgvecd.config.schema import Config, EncodeConfig
from imgvecd.core.duplicates.dedup_steps import DedupSteps
from imgvecd.core.duplicates.pair_file import PairFile
from imgvecd.core.files.beneath import open_file
from imgvecd.core.library.engine import ModelSource
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.errors import ConfigError
from imgvecd.processes.decoder_pool import DecoderPool
from imgvecd.processes.encoder_process import EncoderProcess
from imgvecd.processes.split_encoder import SplitEncoder
from imgvecd.processes.text_recogniser import TextRecogniserProcess
from imgvecd.remote.elsewhere_encoder import ElsewhereEncoder
from imgvecd.remote.reference_vectors import ReferenceVectors
from imgvecd.types import Priority

if TYPE_CHECKING:
    from imgvecd.protocols import Encoder
    from imgvecd.remote.http_encoder import HttpEncoder

DECODES_PER_WORKER = 2
"""Asked for at the same time: one runs, one waits, so that none starves."""


def make_dedup(state_dir: str) -> DedupSteps:
    """Return the steps from duplicates to the trash of the user's desktop, and back."""
    return DedupSteps(os.path.join(state_dir, "dedup"), FreedesktopTrash())


def fetch_image(url: str) -> bytes:
    """Return the image at a public URL: see `adapters.web_images.fetch`."""
    return web_images.fetch(url)


def write_parquet(path: str, columns: Sequence[str], records: Iterable[dict[str, object]]) -> None:
    """Write a table to a Parquet file: see `adapters.parquet.write`."""
    parquet.write(path, columns, records)


def filesystem_type(path: str) -> str:
    """Return the type of the file system that a path lies on; empty if unknown."""
    return mounts.filesystem_type(os.fsencode(path), mounts.read_mounts())


def make_pair_file(config: Config, *, keep: bool = True) -> PairFile:
    """Return where what is known of duplicates is kept; in memory only if `keep` is False."""
    state = config.state_path()
    return PairFile(os.path.join(state, "duplicates", "pairs") if keep else None)


def make_thumbnail_cache(limit_bytes: int) -> ThumbnailCache | None:
    """Return the cache of thumbnails; None if it is to keep nothing."""
    directory = os.path.join(paths.cache_dir(), "thumbnails")
    return ThumbnailCache(directory, limit_bytes) if limit_bytes else None


def make_source(
    choice: ModelChoice, config: Config, state: str, young_until_s: float = 0.0
) -> ModelSource:
    """Return a model together with the encoder that loads it when there is work."""
    if config.encode.without_remote == "local":
        encoder = make_encoder(choice, config, state, young_until_s)
        encoder.may_fetch = config.model_download != "never"
        return ModelSource(
            choice.fingerprint, encoder, _encode_servers(choice, config, state, encoder)
        )
    servers = _encode_servers(choice, config, state, None)
    path = text_tower_path(choice, state)
    tower = EncoderProcess(
        choice,
        _encoding(choice, config),
        young_until_s=young_until_s,
        part="texts",
        text_tower=path,
    )
    elsewhere = ElsewhereEncoder(servers, tower, path)
    return ModelSource(choice.fingerprint, elsewhere, servers, encodes_here=False)


def _encode_servers(
    choice: ModelChoice, config: Config, state: str, here: Encoder | None
) -> tuple[HttpEncoder, ...]:
    """Return the servers of a model.

    Args:
        here: what encodes images on this machine; None if nothing does.
    """
    if not config.encode.remote:
        return ()
    from imgvecd.remote.http_encoder import HttpEncoder  # noqa: PLC0415  # aiohttp, which few need

    reference = ReferenceVectors(os.path.join(state, "reference-vectors.json"), here)
    return tuple(
        HttpEncoder(server, choice.fingerprint, choice.name, reference)
        for server in config.encode.remote
    )


def make_encoder(
    choice: ModelChoice, config: Config, state: str, young_until_s: float = 0.0
) -> SplitEncoder:
    """Return the encoder of a model, not started yet."""
    priority = priority_of(config)
    # it serves searches too: ahead of the decoders, behind a person's programs
    priority = replace(priority, niceness=priority.niceness // 2)
    texts = text_tower_path(choice, state)
    images = os.path.join(state, "imagetower", choice.fingerprint)
    speed = os.path.join(state, "speed", f"{choice.fingerprint}.json")
    return SplitEncoder(
        choice,
        _encoding(choice, config),
        texts,
        images,
        priority,
        young_until_s=young_until_s,
        speed_file=speed,
    )


def _encoding(choice: ModelChoice, config: Config) -> EncodeConfig:
    """Return the settings for a model: of two that a library moves between, one may be in int8."""
    settings = config.encode
    if choice.int8:
        return msgspec.structs.replace(settings, precision="int8", device="cpu", runtime="auto")
    if settings.precision == "int8":
        return msgspec.structs.replace(settings, precision="auto")
    return settings


def text_tower_path(choice: ModelChoice, state: str) -> str:
    """Return the file that the model's text tower is kept in."""
    return os.path.join(state, "texttower", f"{choice.fingerprint}.safetensors")


def drop_image_towers(state: str, choices: Iterable[ModelChoice | None]) -> None:
    """Delete those of models that are not in use, and what a killed worker left behind."""
    used = {choice.fingerprint for choice in choices if choice is not None}
    folder = os.path.join(state, "imagetower")
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name not in used:
                shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def make_decoder(config: Config, opener: Callable[[bytes], int] = open_file) -> DecoderPool:
    """Return the pool of decode workers, none of them started yet."""
    return DecoderPool(config.decode, priority_of(config), opener=opener)


def make_recogniser(config: Config) -> TextRecogniserProcess | None:
    """Return what reads the text in pictures, not started yet; None where none is to be read.

    Raises:
        ConfigError: it is to be read, and the extra is not there.
    """
    if not config.ocr.enabled:
        return None
    fingerprint = rapid_ocr.fingerprint()
    if fingerprint is None:
        raise ConfigError("`ocr.enabled` needs an extra: `pip install 'imgvecd[ocr]'`")
    return TextRecogniserProcess(
        config.ocr, priority_of(config), fingerprint=fingerprint, longest=rapid_ocr.LONGEST
    )


def priority_of(config: Config) -> Priority:
    """Return at what priority indexing works."""
    return Priority(config.indexing.niceness, config.indexing.io_priority)
