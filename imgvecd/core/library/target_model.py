"""The model to move to: it is fetched once a person has agreed to the download, or never asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from imgvecd.core.threads import BULK
from imgvecd.core.timing.retrying import Retrying
from imgvecd.errors import ModelError, NotFetchedError, WorkerError
from imgvecd.protocols import Encoder
from imgvecd.types import ModelInfo

logger = logging.getLogger(__name__)

_FIRST_S, _LONGEST_S = 60.0, 6 * 3600.0


@dataclass(frozen=True, slots=True)
class DownloadTerms:
    """Whether a model may be fetched. By default it may, without a question.

    Attributes:
        consent: "given"; "asked" of a person, who gives it by `TargetModel.agree`; or "refused".
        size_mb: of the download.
        maybe_kept: whether the model may be on this machine; blocks for a moment.
        reach: raises ModelError where it surely can be neither had nor fetched; blocks likewise.
    """

    consent: Literal["given", "asked", "refused"] = "given"
    size_mb: int = 0
    maybe_kept: Callable[[], bool] = lambda: True
    reach: Callable[[], None] = lambda: None


class TargetModel:
    """Says what the model is, for one event loop; repeats what fails for a passing reason.

    Attributes:
        to_fetch_mb: size of a download that waits for a person's yes; 0 while none does.
    """

    def __init__(self, encoder: Encoder, terms: DownloadTerms) -> None:
        self._encoder, self._terms = encoder, terms
        self._agreed = asyncio.Event()
        self._retrying = Retrying(
            (ModelError, WorkerError), first_s=_FIRST_S, longest_s=_LONGEST_S, level=logging.INFO
        )
        self._refusal: str | None = None
        self.to_fetch_mb = 0
        encoder.may_fetch = terms.consent == "given"

    @property
    def error(self) -> str | None:
        """What keeps the model from being had; None when all is well."""
        return self._retrying.error or self._refusal

    @property
    def next_try_at(self) -> float | None:
        """When what failed is tried again, in seconds of `time.time`; None if nothing waits."""
        return self._retrying.next_try_at

    def agree(self) -> None:
        """Take a person's yes, unless the configuration says no; what failed is tried again now."""
        if self._terms.consent == "refused":
            return
        self._encoder.may_fetch = True
        self._agreed.set()
        self._retrying.try_now()

    async def agreed(self) -> None:
        """Return once the model may be had; where it surely is not here, that is asked at once."""
        if not self._encoder.may_fetch and not await BULK.run(self._terms.maybe_kept):
            await self._ask()

    async def info(self) -> ModelInfo:
        """Return what the model is, once it is here."""
        if not self._encoder.may_fetch:
            kept = await self._retrying.call(self._kept)
            if kept is not None:
                return kept
            await self._ask()
        return await self._retrying.call(self._fetched)

    async def _kept(self) -> ModelInfo | None:
        try:
            return await self._encoder.info()
        except NotFetchedError:
            return None

    async def _ask(self) -> None:
        """Return once somebody has agreed; never where the configuration refuses."""
        if self._terms.consent == "refused":
            self._refusal = "`model_download: never` keeps it from being fetched"
        else:
            await self._retrying.call(BULK.run, self._terms.reach)  # else a yes would be idle
            self.to_fetch_mb = self._terms.size_mb
            logger.info(
                "a download of %d MB waits for a yes: `imgvec move resume`", self.to_fetch_mb
            )
        try:
            await self._agreed.wait()
        finally:
            self.to_fetch_mb = 0

    async def _fetched(self) -> ModelInfo:
        await BULK.run(self._terms.reach)
        return await self._encoder.info()
