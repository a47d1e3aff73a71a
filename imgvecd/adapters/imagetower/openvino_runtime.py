"""OpenVINO, imported without its telemetry."""

from __future__ import annotations

import sys
from types import ModuleType

from imgvecd.errors import ModelError

_TELEMETRY = "openvino_telemetry"


def load_openvino() -> ModuleType:
    """Return the module `openvino`.

    Importing it reports to a server on the internet who uses it, through a package of its own that
    it goes without where that is missing: so it is missing here.

    Raises:
        ModelError: it is not installed, or does not run on this machine.
    """
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # so Python marks what cannot be imported
    try:
        import openvino  # noqa: PLC0415  # seconds after the process began, and only where needed
    except ImportError as error:
        raise ModelError(f"OpenVINO cannot be used here: {error}") from error
    module: ModuleType = openvino
    return module
