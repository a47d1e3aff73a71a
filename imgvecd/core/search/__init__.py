"""From a search request to an answer.

`query_vectors` makes vectors of what is asked, `known_texts` keeps those of texts, `relevance` says
how much a cosine means (by `two_groups`), `paging` orders, groups and cuts pages, `searcher` puts
them together. `labels` turns the question round.
"""

from imgvecd.core.search.answering import hit_of
from imgvecd.core.search.empty_searcher import EmptySearcher
from imgvecd.core.search.filter_ids import FilterIds
from imgvecd.core.search.labels import Labeller
from imgvecd.core.search.searcher import Searcher

__all__ = ["EmptySearcher", "FilterIds", "Labeller", "Searcher", "hit_of"]
