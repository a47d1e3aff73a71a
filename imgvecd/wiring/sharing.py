"""A shared engine from the configuration, and what publishes to it and searches it."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from imgvecd.api import SharedStatus
from imgvecd.catalog import Catalog
from imgvecd.config.schema import SharedConfig
from imgvecd.core.search.relevance import REFERENCE_TEXTS
from imgvecd.core.sharing.everywhere import Everywhere
from imgvecd.core.sharing.known_vectors import KnownVectors
from imgvecd.core.sharing.publisher import Publisher
from imgvecd.core.sharing.refused_sources import RefusedSources
from imgvecd.core.sharing.source_identity import SourceIdentity, default_name
from imgvecd.core.sharing.vector_engine import VectorEngine
from imgvecd.errors import ConfigError
from imgvecd.types import Float32Array, ModelInfo

_ENGINES = {  # module, class, extra with what they need
    "postgres": ("imgvecd.adapters.postgres.engine", "PostgresEngine", "shared"),
    "milvus": ("imgvecd.adapters.milvus.engine", "MilvusEngine", "milvus"),
}


@dataclass(frozen=True, slots=True)
class Sharing:
    """What a library shares, and finds elsewhere.

    Attributes:
        known: where vectors are taken from; None to encode everything here.
    """

    engine: VectorEngine
    publisher: Publisher
    everywhere: Everywhere
    known: KnownVectors | None

    def status(self) -> SharedStatus:
        """Return what clients are told; blocks."""
        return SharedStatus(
            source=self.everywhere.source,
            engine=self.engine.name,
            waiting=self.publisher.waiting(),
            vectors_taken=self.known.taken if self.known is not None else 0,
            sources_refused=self.known.refused if self.known is not None else (),
            error=self.publisher.error,
        )

    def trouble(self) -> str | None:
        """Return why publishing or taking does not go on, and what waits; None if all is well."""
        if self.publisher.trouble is None and self.known is not None and self.known.refused:
            return refusal(self.known.refused)
        return self.publisher.trouble


def make_engine(config: SharedConfig) -> VectorEngine:
    """Return the engine, not connected yet.

    Raises:
        ConfigError: the extra that it needs is not installed, or the URL makes no sense.
    """
    module, name, extra = _ENGINES[config.engine]
    try:
        adapter = importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"shared.engine: {config.engine} needs more packages: `pip install 'imgvecd[{extra}]'`"
            f" ({error})."
        ) from error
    engine: VectorEngine = getattr(adapter, name)(config.url, config.password_file)
    return engine


def make_sharing(
    config: SharedConfig,
    state_dir: str,
    catalog: Catalog,
    model: Callable[[], ModelInfo | None],
) -> Sharing | None:
    """Return what shares the library in `state_dir`; None if nothing is to be shared.

    Args:
        model: returns the one that answers queries; None while none does.

    Raises:
        ConfigError: as for `make_engine`.
        CatalogError: the catalog cannot be written.
    """
    if not config.url:
        catalog.shared_feeds.stop_tracking()
        return None
    engine = make_engine(config)
    source = config.name or default_name()
    publisher = Publisher(
        engine,
        catalog.shared_feeds,
        SourceIdentity(state_dir),
        source,
        config.publish,
        model,
        lambda used: questions(catalog, used),
    )
    catalog.call_when_written(publisher.wake)
    everywhere = Everywhere(
        engine,
        catalog.shared_feeds,
        lambda: publisher.number,
        source,
        by_default=config.answer == "shared",
    )
    refusals = RefusedSources(state_dir)
    known = KnownVectors(catalog.work, engine, refusals) if config.share_vectors else None
    return Sharing(engine, publisher, everywhere, known)


def refusal(sources: Sequence[str]) -> str:
    """Return what to say of sources that nothing is taken from, by their UUIDs."""
    uuids = ", ".join(sources)
    return (
        f"no vectors are taken from source {uuids} of the shared engine: some are not what the"
        " model gives (`imgvecd shared status` says whose they are, and `imgvecd shared believe"
        f" {sources[0]}` has them compared again)"
    )


@contextlib.contextmanager
def publishing(sharing: Sharing | None) -> Iterator[None]:
    """Publish for the length of the block."""
    if sharing is None:
        yield
        return
    sharing.publisher.start()
    try:
        yield
    finally:
        sharing.publisher.stop()


def questions(catalog: Catalog, model: ModelInfo) -> Float32Array:
    """Return the vectors of texts that the recall is measured with, as far as they are known."""
    known = catalog.searching.texts(model.fingerprint, REFERENCE_TEXTS)
    rows = list(known.values())
    return np.stack(rows) if rows else np.empty((0, model.dim), np.float32)
