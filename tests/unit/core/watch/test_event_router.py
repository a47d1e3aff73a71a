"""What is written to is looked at: what rests, and films now and then."""

import time

import pytest

from imgvecd.core.watch.debounce import OPEN_FACTOR, Debounce
from imgvecd.core.watch.event_router import EventRouter
from imgvecd.core.watch.scan_queue import ScanQueue
from imgvecd.types import Hint, HintKind

SETTLE_S = 0.5


@pytest.mark.parametrize(
    ("name", "wait_s"),
    [
        (b"a.jpg", SETTLE_S),
        (b"a.xmp", SETTLE_S),
        (b"a.mov", SETTLE_S * OPEN_FACTOR),
        (b"a.txt", SETTLE_S),  # another name of a picture, perhaps; who waits waits no longer
    ],
)
def test_a_file_that_nobody_closes_is_looked_at_all_the_same(name, wait_s):
    """A truncation closes nothing: whatever was known of the file's size would stay."""
    queue = ScanQueue(lambda: None)
    router = EventRouter(queue, Debounce(round(SETTLE_S * 1000)), lambda: None)
    router.use_roots({b"/photos": (1, False)})
    before = time.monotonic()
    for _ in range(3):
        router.route(Hint(HintKind.WRITTEN, b"/photos", name))
    ((due, _),) = queue._later.values()
    assert before + wait_s <= due <= time.monotonic() + wait_s
    assert not queue._soon
    router.route(Hint(HintKind.CLOSED, b"/photos", name))
    assert queue._soon
