"""What a daemon answers of its state, for tests of what shows it."""

from imgvecd import api


def daemon_status(state="idle", **told):
    """Return a status with `told` in place of its fields; `files` are counts of them."""
    counts = told.pop("files", {})
    fields = {
        "version": "1",
        "pid": 1,
        "started_at": "2026-01-01T00:00:00Z",
        "clock": "c:x:1",
        "model": api.ModelStatus(name="m", pretrained="p"),
        "roots": (),
        "index": api.IndexStatus(),
    }
    return api.Status(state=state, files=api.FileCounts(**counts), **fields | told)
