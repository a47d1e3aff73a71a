"""imgvecd: a personal photo library, searchable by meaning, on your own machine.

Importing this package is cheap: the classes are loaded on first use (PEP 562), so that the query
tool never pays for Faiss or numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgvecd.client.async_client import AsyncClient
    from imgvecd.client.sdk import Client
    from imgvecd.database import VectorDatabase
    from imgvecd.errors import ImgvecdError
    from imgvecd.manager import VectorDBManager

__version__ = "0.2.0"
__all__ = [
    "AsyncClient",
    "Client",
    "ImgvecdError",
    "VectorDBManager",
    "VectorDatabase",
    "__version__",
]

_LAZY = {
    "AsyncClient": "imgvecd.client.async_client",
    "Client": "imgvecd.client.sdk",
    "ImgvecdError": "imgvecd.errors",
    "VectorDBManager": "imgvecd.manager",
    "VectorDatabase": "imgvecd.database",
}


if not TYPE_CHECKING:  # a checker that sees it takes any name for one of the package's

    def __getattr__(name: str) -> Any:  # noqa: ANN401  # module attributes have no common type
        module = _LAZY.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib  # noqa: PLC0415  # only when a class is asked for

        return getattr(importlib.import_module(module), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})  # a notebook completes what has not been loaded yet
