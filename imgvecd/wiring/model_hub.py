"""Whether a model can be fetched at all, found out in a second, before torch is loaded."""

from __future__ import annotations

import glob
import os
import socket
import threading
import urllib.parse
import urllib.request
from functools import partial
from typing import Literal

from huggingface_hub import constants as hub

from imgvecd.config.schema import Config
from imgvecd.core.library.model_choice import (
    AUTO_DOWNLOAD_MB,
    EMBEDDED,
    ModelChoice,
    not_at_hand,
)
from imgvecd.core.library.target_model import DownloadTerms

_ENOUGH_S = 0.8


def require_fetchable(choice: ModelChoice) -> None:
    """Return unless the model surely is neither on this machine nor to be fetched.

    Raises:
        ModelError: nothing is in the hub's cache, and the hub refuses or cannot be reached.
    """
    if not maybe_kept(choice) and _surely_unreachable():
        raise not_at_hand(choice, hub.ENDPOINT)


def download_terms(choice: ModelChoice, config: Config) -> DownloadTerms:
    """Return whether the next model may be fetched.

    Naming a model is agreeing to its download; `auto` names none.
    """
    consents: dict[str, Literal["given", "asked", "refused"]] = {
        "ask": "asked" if config.model == "auto" else "given",
        "allow": "given",
        "never": "refused",
    }
    return DownloadTerms(
        consents[config.model_download],
        AUTO_DOWNLOAD_MB,
        maybe_kept=partial(maybe_kept, choice),
        reach=partial(require_fetchable, choice),
    )


def maybe_kept(choice: ModelChoice) -> bool:
    """Return whether a model may be on this machine: which file it is, only open_clip can say."""
    own = choice.name == EMBEDDED or choice.checkpoint_path or choice.name.startswith("local-dir:")
    return bool(own) or _something_is_kept()


def _something_is_kept() -> bool:
    """Return whether any model was ever fetched."""
    kept = (os.path.join(hub.HF_HUB_CACHE, "models--*"), os.path.expanduser("~/.cache/clip/*"))
    return any(glob.glob(pattern) for pattern in kept)


def _surely_unreachable() -> bool:
    if hub.HF_HUB_OFFLINE:
        return True
    address = urllib.parse.urlsplit(hub.ENDPOINT)
    if address.scheme in urllib.request.getproxies():
        return False  # whether the proxy gets there, only a request can tell
    failures: list[OSError] = []

    def connect() -> None:
        port = address.port or (443 if address.scheme == "https" else 80)
        try:
            socket.create_connection((address.hostname or "", port), _ENOUGH_S).close()
        except TimeoutError:
            pass  # slow is not away
        except OSError as error:
            failures.append(error)

    asking = threading.Thread(target=connect, daemon=True)  # a resolver may take long
    asking.start()
    asking.join(_ENOUGH_S)
    return bool(failures)
