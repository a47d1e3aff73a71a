"""Which runtime encodes a model's images on this machine, as it was found out there."""

from __future__ import annotations

import glob
import os
import platform
import sys
from typing import Literal

import msgspec

from imgvecd.config.schema import EncodeConfig
from imgvecd.core.files.durable import DurableFile, make_folder, read_whole
from imgvecd.json_bounds import UNDECODABLE

RUNTIME_FILE = "runtime.json"
# Drivers' device files: a graphics card that came or went is looked for without importing torch.
_CARDS = ("/dev/nvidia[0-9]*", "/dev/kfd")
_LIBRARIES = ("openvino", "torch")


class RuntimeChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen, and why.

    Attributes:
        runtime: that encodes images from now on.
        note: for a person: why, with what was measured.
        circumstances: in which that was found out; in others it is to be found out anew.
        compared: with torch on photos; a tower that is built from the checkpoint is used before.
    """

    runtime: Literal["torch", "openvino"]
    note: str
    circumstances: str
    compared: bool = False


def circumstances(config: EncodeConfig) -> str:
    """Return what a choice depends on: settings, processor, graphics cards, libraries."""
    versions = [f"{name} {_version(name)}" for name in _LIBRARIES]
    parts = [config.runtime, config.device, config.precision, _processor(), *versions, *_cards()]
    return ", ".join(parts)


def runs_on_processor(config: EncodeConfig) -> bool:
    """Return whether models surely run on the processor; only torch knows all other devices."""
    if config.precision == "int8":
        return True
    if config.device == "auto":
        return not _cards() and sys.platform != "darwin"
    return config.device == "cpu"


def read_choice(directory: str, config: EncodeConfig) -> RuntimeChoice | None:
    """Return what was chosen in the same circumstances, with the tower in `directory`."""
    try:
        data = read_whole(os.path.join(directory, RUNTIME_FILE))
        choice = msgspec.json.decode(data, type=RuntimeChoice)
    except (OSError, *UNDECODABLE):
        return None
    return choice if choice.circumstances == circumstances(config) else None


def write_choice(directory: str, choice: RuntimeChoice) -> None:
    """Keep a choice.

    Raises:
        OSError: it cannot be written.
    """
    make_folder(os.path.dirname(directory))
    make_folder(directory)
    with DurableFile(os.path.join(directory, RUNTIME_FILE), parsed=True) as file:
        file.write(msgspec.json.encode(choice))


def computes_bf16() -> bool:
    """Return whether the processor is faster in bf16 than in fp32.

    With AVX-512 alone AMD's is twice as fast, and Intel's slower: its bf16 is that of AMX, which
    virtual machines may lack (docs/performance.md).
    """
    flags = _cpuinfo()
    return "amx_bf16" in flags or ("avx512_bf16" in flags and "AuthenticAMD" in flags)


def computes_vnni() -> bool:
    """Return whether the processor sums products of 8 bits in 32."""
    return any(flag in _cpuinfo() for flag in ("avx512_vnni", "avx_vnni", "asimddp"))


def computes_avx2_at_best() -> bool:
    """Return whether the processor has AVX2, and no AVX-512."""
    flags = _cpuinfo()
    return "avx2" in flags and "avx512" not in flags


def _cards() -> list[str]:
    return sorted(path for pattern in _CARDS for path in glob.glob(pattern))


def _processor() -> str:
    lines = _cpuinfo().splitlines()
    name = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    return f"{platform.machine()} {name}{' bf16' if computes_bf16() else ''}"


def _cpuinfo() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _version(name: str) -> str:
    import importlib.metadata  # noqa: PLC0415  # each worker would pay for it

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
