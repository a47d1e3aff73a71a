"""Keeps what is known of pairs in a file: derived, so what is wrong with it costs a search anew."""

from __future__ import annotations

import hashlib
import logging
import os
from typing import Any

import msgspec
import numpy as np

from imgvecd.core.duplicates import comparing, perceptual_hash
from imgvecd.core.duplicates.known_pairs import ALIKE, NEAR, SUBJECTS, KnownPairs
from imgvecd.core.files.durable import DurableFile, make_folder, open_at_once
from imgvecd.json_bounds import UNDECODABLE

logger = logging.getLogger(__name__)

_VERSION = (1, perceptual_hash.VERSION, comparing.VERSION)
_LENGTH_BYTES = 4
_DIGEST_BYTES = 32
_WORTH = np.dtype([("id", "<i8"), ("worth", "<f8")])


class _Header(msgspec.Struct, frozen=True, array_like=True):
    """What precedes the arrays: all but these, and how long they are."""

    version: tuple[int, int, int]
    instance: str
    fingerprint: str
    change: int
    clock: int
    crop_floor: float
    settled: bool
    subjects: int
    signature: int
    alike: int
    near: int
    worth: int


class PairFile:
    """Where pairs are kept between searches. For one thread at a time.

    Args:
        path: None where nothing can be written: then they last as long as this does.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._held: KnownPairs | None = None

    def load(self) -> KnownPairs | None:
        """Return what was stored last; None if there is nothing that can be believed."""
        if self._held is not None or self._path is None:
            return self._held
        try:
            with open(self._path, "rb", opener=open_at_once) as file:
                data = bytearray(os.fstat(file.fileno()).st_size)
                file.readinto(data)  # in place: in a large library it is a hundred megabytes
            return _unpacked(data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, *UNDECODABLE) as error:
            logger.warning("what was known of duplicates is looked for anew: %s", error)
            return None

    def store(self, known: KnownPairs) -> None:
        """Keep `known`, which is not changed any more."""
        known.changed = False
        if self._path is not None:
            try:
                make_folder(os.path.dirname(self._path))
                with DurableFile(self._path, parsed=False) as file:
                    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
                    for part in _packed(known):
                        digest.update(part)
                        file.write(part)
                    file.write(digest.digest())
            except OSError as error:  # a full disk is no reason not to answer
                logger.warning("what is known of duplicates is not kept: %s", error)
            else:
                self._held = None
                return
        self._held = known


def _packed(known: KnownPairs) -> list[bytes]:
    worth = np.array(list(known.worth.items()), _WORTH)
    header = msgspec.msgpack.encode(
        _Header(
            _VERSION, known.instance, known.fingerprint, known.change, known.clock,
            known.crop_floor, known.settled, len(known.subjects), known.signatures.shape[1],
            len(known.alike), len(known.near), len(worth),
        )
    )  # fmt: skip
    arrays = known.subjects, known.signatures, known.alike, known.near, worth
    return [len(header).to_bytes(_LENGTH_BYTES, "little"), header, *(a.tobytes() for a in arrays)]


def _unpacked(data: bytearray) -> KnownPairs | None:
    """Return the pairs in a file; None if another version wrote them.

    Raises:
        ValueError, or as msgspec: it is damaged.
    """
    view = memoryview(data)
    digest = hashlib.blake2b(view[:-_DIGEST_BYTES], digest_size=_DIGEST_BYTES).digest()
    if digest != view[-_DIGEST_BYTES:]:
        raise ValueError("the file is damaged")
    at = _LENGTH_BYTES + int.from_bytes(view[:_LENGTH_BYTES], "little")
    version, *_ = msgspec.msgpack.decode(view[_LENGTH_BYTES:at])
    if tuple(version) != _VERSION:
        return None
    header = msgspec.msgpack.decode(view[_LENGTH_BYTES:at], type=_Header)
    arrays: list[Any] = []
    for kind, count in (
        (SUBJECTS, header.subjects),
        (np.dtype("<f2"), header.subjects * header.signature),
        (ALIKE, header.alike),
        (NEAR, header.near),
        (_WORTH, header.worth),
    ):
        arrays.append(np.frombuffer(data, kind, count, at))
        at += kind.itemsize * count
    subjects, signatures, alike, near, worth = arrays
    return KnownPairs(
        header.instance,
        header.fingerprint,
        header.change,
        header.clock,
        subjects,
        signatures.reshape(header.subjects, header.signature),
        header.crop_floor,
        header.settled,
        alike,
        near,
        dict(zip(worth["id"].tolist(), worth["worth"].tolist(), strict=True)),
        changed=False,
    )
