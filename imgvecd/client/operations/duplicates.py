"""Duplicates: groups, plans, what a person decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from imgvecd import api
from imgvecd.client.calls import ApiCall, post, request

_ROUTE = "/v1/duplicates"
_PATIENCE_S = 86_400.0  # as long as looking at every picture may take

Decision = Literal["not_duplicates", "keep_both", "undecided"]


def duplicates(fields: Mapping[str, Any]) -> ApiCall[api.Duplicates]:
    """Ask for groups."""
    return post(_ROUTE, request(api.DuplicatesRequest, **fields), api.Duplicates, _PATIENCE_S)


def check_duplicate(picture: api.Term) -> ApiCall[tuple[api.DuplicateFile, ...]]:
    """Ask which files are a picture."""
    found = post(f"{_ROUTE}/check", picture, api.DuplicateMatches)
    return found.then(lambda answer: answer.matches)


def plan_dedup(fields: Mapping[str, Any]) -> ApiCall[api.DedupPlan]:
    """Ask which duplicates could go."""
    return post(
        f"{_ROUTE}/plan", request(api.DuplicatesRequest, **fields), api.DedupPlan, _PATIENCE_S
    )


def apply_dedup(plan: str) -> ApiCall[api.DedupDone]:
    """Move the files of a plan."""
    wanted = request(api.DedupApplyRequest, plan=plan)
    return post(f"{_ROUTE}/apply", wanted, api.DedupDone, _PATIENCE_S)


def undo_dedup(name: str | None) -> ApiCall[api.DedupDone]:
    """Put the files of a plan back."""
    wanted = request(api.DedupUndoRequest, name=name)
    return post(f"{_ROUTE}/undo", wanted, api.DedupDone, _PATIENCE_S)


def decide_duplicates(hashes: Sequence[str], decision: Decision) -> ApiCall[api.Done]:
    """Keep a decision."""
    wanted = request(api.DuplicateDecision, hashes=tuple(hashes), decision=decision)
    return post(f"{_ROUTE}/decisions", wanted, api.Done)
