"""Searches with names, however their characters are spelled."""

import asyncio
import unicodedata
from typing import Any

import pytest

from imgvecd.api import SavedSearch, SearchRequest
from imgvecd.catalog import Catalog
from imgvecd.daemon.searching import DaemonSearching
from imgvecd.errors import NotFoundError

NAMES = [unicodedata.normalize(form, "Fête 서울") for form in ("NFC", "NFD")]
NOTHING: Any = None  # what saved searches do without


async def echo(request):
    """Return the question as its answer."""
    return request


@pytest.mark.parametrize("first", [0, 1])
def test_a_name_is_the_same_in_both_spellings(tmp_path, first):
    catalog = Catalog(str(tmp_path))
    one, other = NAMES[first], NAMES[1 - first]
    searching = DaemonSearching(
        NOTHING, echo, lambda: False, NOTHING, catalog.saved_searches, NOTHING
    )
    for name, text in ((one, "sea"), (other, "beach"), ("Other", "cat")):
        asyncio.run(searching.save(SavedSearch(name=name, search=SearchRequest(text=text))))
    kept = [saved.name for saved in catalog.saved_searches.saved()]
    assert kept == [NAMES[0], "Other"]
    for name in NAMES:
        found: Any = asyncio.run(searching.run_saved(name))
        assert found.text == "beach"
    asyncio.run(searching.forget(other))
    with pytest.raises(NotFoundError):
        asyncio.run(searching.forget(one))
    catalog.close()
