"""The daemon itself: what it does, what happens in it, and having it do something."""

from __future__ import annotations

import os

from imgvecd import api
from imgvecd.client.calls import ApiCall, ApiStream, events, get, get_bytes, listing, post, request


def health() -> ApiCall[api.Health]:
    """Ask whether it works."""
    return get("/v1/health", api.Health)


def status() -> ApiCall[api.Status]:
    """Ask what it is doing."""
    return get("/v1/status", api.Status)


def stats() -> ApiCall[api.Stats]:
    """Ask what the library holds."""
    return get("/v1/stats", api.Stats)


def metrics() -> ApiCall[str]:
    """Ask for figures for monitoring."""
    return get_bytes("/v1/metrics").then(bytes.decode)


def openapi() -> ApiCall[bytes]:
    """Ask for the description of the API."""
    return get_bytes("/v1/openapi.json")


def daemon_events(last_id: str | None) -> ApiStream[api.Event]:
    """Listen for what happens."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    return events("GET", "/v1/events", api.Event, headers=headers)


def failures() -> ApiStream[api.Failure]:
    """List files that cannot be searched."""
    return listing("/v1/failures", api.Failure)


def changes(since: str | None) -> ApiStream[api.Changes]:
    """List what happened to files."""
    # a clock consists of characters that need no quoting
    url = "/v1/changes" if since is None else f"/v1/changes?since={since}"
    return listing(url, api.Changes)


def sync(timeout_s: float) -> ApiCall[str]:
    """Wait until all that is on disk can be found."""
    wanted = request(api.SyncRequest, timeout_s=timeout_s)
    return post("/v1/sync", wanted, api.Done, timeout_s).then(_clock)


def rescan(folder: str | os.PathLike[str] | None) -> ApiCall[str]:
    """Have the disk looked at."""
    return post("/v1/rescan", api.RescanRequest.of(folder), api.Done).then(_clock)


def retry() -> ApiCall[api.Done]:
    """Have every failure tried again."""
    return _do("/v1/retry")


def pause(for_s: float | None) -> ApiCall[api.Pause | None]:
    """Have indexing rest."""
    return post("/v1/pause", request(api.PauseRequest, for_s=for_s), api.Pausing).then(_pause)


def resume(*, force: bool) -> ApiCall[api.Pause | None]:
    """Resume indexing."""
    return post("/v1/resume", request(api.ResumeRequest, force=force), api.Pausing).then(_pause)


def forget(older_than_s: float | None) -> ApiCall[api.Forgotten]:
    """Have what is of no use any more forgotten."""
    return post("/v1/forget", request(api.ForgetRequest, older_than_s=older_than_s), api.Forgotten)


def doctor(patience_s: float) -> ApiCall[api.Diagnosis]:
    """Have disk, catalog and index compared."""
    return post("/v1/doctor", api.Empty(), api.Diagnosis, patience_s)


def checkpoint() -> ApiCall[api.Done]:
    """Have the index written."""
    return _do("/v1/checkpoint")


def rebuild() -> ApiCall[api.Done]:
    """Rebuild the index."""
    return _do("/v1/rebuild")


def stop_move() -> ApiCall[api.Done]:
    """Stop moving to another model."""
    return _do("/v1/move/stop")


def resume_move() -> ApiCall[api.Done]:
    """Have a move to another model taken up."""
    return _do("/v1/move/resume")


def _do(url: str) -> ApiCall[api.Done]:
    return post(url, api.Empty(), api.Done)


def _clock(done: api.Done) -> str:
    return done.clock


def _pause(answer: api.Pausing) -> api.Pause | None:
    return answer.pause
