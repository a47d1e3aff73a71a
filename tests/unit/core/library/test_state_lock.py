import pytest

from imgvecd.core.library.state_lock import StateLock
from imgvecd.errors import AlreadyRunningError


def test_only_one_holder_at_a_time(tmp_path):
    with StateLock(str(tmp_path)), pytest.raises(AlreadyRunningError, match="in use by process"):
        StateLock(str(tmp_path))
    StateLock(str(tmp_path)).close()
