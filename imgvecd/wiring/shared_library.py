"""A library and its shared engine, looked at beside the daemon: for `imgvecd shared`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from imgvecd.catalog import Catalog
from imgvecd.config.schema import Config
from imgvecd.core.sharing.reconciliation import differences
from imgvecd.core.sharing.source_identity import SourceIdentity
from imgvecd.core.sharing.vector_engine import FACTS, Recall, SourceState, VectorEngine
from imgvecd.errors import ConfigError, EngineError, NotFoundError
from imgvecd.types import ModelInfo
from imgvecd.wiring.sharing import make_engine, questions


@dataclass(frozen=True, slots=True)
class FeedCheck:
    """What comparing a feed has found.

    Attributes:
        feed: what it is of, for a person.
        missing: images that the engine lacks, or has of other bytes.
        unwanted: images that it has, and this library has not any more.
    """

    feed: str
    images: int
    missing: int
    unwanted: int


@contextlib.contextmanager
def opened_engine(config: Config) -> Iterator[VectorEngine]:
    """Yield the engine of a configuration.

    Raises:
        ConfigError: there is none in it.
    """
    if not config.shared.url:
        raise ConfigError("nothing is shared: set shared.url (docs/past-one-machine.md)")
    engine = make_engine(config.shared)
    try:
        yield engine
    finally:
        engine.close()


class SharedLibrary:
    """The library of a configuration, read only, beside an engine; the caller closes it.

    Raises:
        NotFoundError: it has never published.
        CatalogError: the catalog cannot be read.
    """

    def __init__(self, config: Config, engine: VectorEngine) -> None:
        state = config.state_path()
        self._engine = engine
        self._uuid = SourceIdentity(state).known_uuid()
        if self._uuid is None:
            raise _unpublished()
        self._catalog = Catalog(state, read_only=True)

    def own(self, sources: list[SourceState]) -> SourceState:
        """Return which source this library is.

        Raises:
            NotFoundError: it has never published.
        """
        for source in sources:
            if source.uuid == self._uuid:
                return source
        raise _unpublished()

    def model(self) -> ModelInfo:
        """Return the model that answers queries.

        Raises:
            NotFoundError: none does yet.
        """
        model = self._catalog.models.serving()
        if model is None:
            raise NotFoundError("no model answers queries yet: run `imgvecd serve`")
        return model

    def checks(self, number: int) -> list[FeedCheck]:
        """Compare what the engine has with the catalog, image by image."""
        feeds, model, found = self._catalog.shared_feeds, self.model(), []
        for feed, name in ((FACTS, FACTS), (model.fingerprint, f"vectors of {model.name}")):
            here = feeds.keys(feed)
            unwanted, missing = differences(here, self._engine.keys(number, feed))
            found.append(FeedCheck(name, len(here[0]), len(missing), len(unwanted)))
        return found

    def recall(self) -> Recall:
        """Measure how much of what an exact search finds is found."""
        model = self.model()
        return self._engine.measure(model.fingerprint, questions(self._catalog, model))

    def close(self) -> None:
        """Close the catalog."""
        self._catalog.close()


def _unpublished() -> NotFoundError:
    return NotFoundError("this library has never published: run `imgvecd serve`")


def source_named(sources: list[SourceState], text: str) -> SourceState:
    """Return the source that a name, a number or a UUID means.

    Raises:
        NotFoundError: none.
        EngineError: several have the name.
    """
    found = [s for s in sources if text in {s.name, str(s.number), s.uuid}]
    if not found:
        known = ", ".join(f"{source.number} {source.name}" for source in sources)
        raise NotFoundError(f"there is no source {text!r}; there are: {known or 'none'}")
    if len(found) > 1:
        numbers = ", ".join(str(source.number) for source in found)
        raise EngineError(f"{text!r} means several sources: give a number ({numbers})")
    return found[0]
