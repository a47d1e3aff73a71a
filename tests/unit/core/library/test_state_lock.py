import pytest
from forks import Fork

from imgvecd.core.library.state_lock import StateLock
from imgvecd.errors import AlreadyRunningError, CatalogError


def test_only_one_holder_at_a_time(tmp_path):
    with StateLock(str(tmp_path)), pytest.raises(AlreadyRunningError, match="in use by process"):
        StateLock(str(tmp_path))
    StateLock(str(tmp_path)).close()


def test_a_process_forked_off_does_not_hold_it(tmp_path):
    lock = StateLock(str(tmp_path))
    fork = Fork(lambda: None, stays=True)
    fork.told()
    lock.close()
    StateLock(str(tmp_path)).close()
    fork.end()


def test_a_directory_that_took_its_place_is_noticed_and_one_that_is_gone_may_come_back(tmp_path):
    state, aside = tmp_path / "state", tmp_path / "aside"
    lock = StateLock(str(state))
    lock.require()
    state.rename(aside)
    lock.require()
    aside.rename(state)
    lock.require()
    state.rename(aside)
    other = StateLock(str(state))
    with pytest.raises(CatalogError, match="replaced"):
        lock.require()
    other.close()
    lock.close()
