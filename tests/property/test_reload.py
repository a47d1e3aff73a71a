"""Whatever a reload changes, what is watched then is what a fresh start would watch."""

import asyncio
import contextlib
import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from memory import room_in_memory
from watching import watching

from imgvecd.config.schema import RootConfig, WatchConfig

TREES = ("one", "two", "elsewhere")
FOLDERS = tuple(f"{tree}{below}" for tree in TREES for below in ("", "/a", "/a/c", "/.hidden"))
ROOTS = ("one", "one/a", "one/a/c", "two", "two/a", "missing", "link to two")
EXCLUDES = ((), ("b.jpg",), ("c",), ("a/",))

places = st.builds(
    os.path.join, st.sampled_from(FOLDERS), st.sampled_from(("a.jpg", "b.jpg", ".h.jpg"))
)
roots = st.lists(
    st.tuples(
        st.sampled_from(ROOTS),
        st.sampled_from(EXCLUDES),
        st.sampled_from(("none", "inside", "outside")),
        st.sampled_from(("auto", "auto", "poll")),
    ),
    unique_by=lambda root: root[0],
    max_size=4,
)


class ReloadMachine(RuleBasedStateMachine):
    """Changes of the configuration and of files, under the real watcher and catalog."""

    def __init__(self):
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="imgvecd-reload-", dir=room_in_memory()))
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.numbers = iter(range(1, 1 << 24))
        self.config = ([], WatchConfig(settle_ms=0), ())
        self.context = None

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    @initialize()
    def begin(self):
        for folder in FOLDERS:
            (self.base / folder).mkdir(parents=True)
        (self.base / "one" / "inside").symlink_to("a")
        (self.base / "one" / "outside").symlink_to(self.base / "elsewhere")
        (self.base / "two" / "out.jpg").symlink_to(self.base / "elsewhere" / "a.jpg")
        (self.base / "link to two").symlink_to("two")
        for folder in FOLDERS:
            self.write(f"{folder}/a.jpg")
            self.write(f"{folder}/.h.jpg")
        self.context = watching(str(self.base / "state"), watch=self.config[1])
        self.watched = self.run(self.context.__aenter__())

    def teardown(self):
        try:
            if self.context is not None:
                self.run(self.context.__aexit__(None, None, None))
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
            self.loop.close()
            shutil.rmtree(self.base)

    @rule(place=places)
    def write(self, place):
        with contextlib.suppress(OSError):
            (self.base / place).write_bytes(b"%d" % next(self.numbers))

    @rule(place=places)
    def delete(self, place):
        with contextlib.suppress(OSError):
            (self.base / place).unlink()

    @rule(old=st.sampled_from(FOLDERS), new=st.sampled_from(FOLDERS))
    def move_folder(self, old, new):
        with contextlib.suppress(OSError):
            (self.base / old).rename(self.base / new)

    @rule(one=st.sampled_from(TREES), other=st.sampled_from(TREES))
    def swap_trees(self, one, other):
        with contextlib.suppress(OSError):
            (self.base / one).rename(self.base / "aside")
            if one != other:
                (self.base / other).rename(self.base / one)
            (self.base / "aside").rename(self.base / other)
        self.reload(self.roots_drawn, self.hidden, self.exclude)

    roots_drawn, hidden, exclude = (), False, ()

    @rule(drawn=roots, hidden=st.booleans(), exclude=st.sampled_from(EXCLUDES))
    def reload(self, drawn, hidden, exclude):
        self.roots_drawn, self.hidden, self.exclude = drawn, hidden, exclude
        configs = [
            RootConfig(
                path=str(self.base / name),
                exclude=excluded,
                watch=watch,
                follow_symlinks=links == "inside",
                follow_symlinks_outside=links == "outside",
            )
            for name, excluded, links, watch in drawn
        ]
        self.config = (configs, WatchConfig(settle_ms=0, hidden=hidden), exclude)
        self.run(self.watched.reload(*self.config))

    @rule()
    def reload_twice_at_once(self):
        """Everything goes and comes back before its files are removed."""
        before = self.roots_drawn, self.hidden, self.exclude
        self.reload((), False, ())
        self.reload(*before)

    @rule()
    def restart(self):
        self.run(self.context.__aexit__(None, None, None))
        self.context = watching(
            str(self.base / "state"), *self.config[0], watch=self.config[1], exclude=self.config[2]
        )
        self.watched = self.run(self.context.__aenter__())

    @invariant()
    def equals_a_fresh_start(self):
        if self.context is None:
            return
        if any(links == "outside" for _, _, links, _ in self.roots_drawn):
            self.run(self.watched.reconciler.rescan())  # nobody tells of changes behind links
        self.run(self.watched.reconciler.barrier())
        seen = self.seen(self.watched)
        fresh = self.run(self.seen_by_a_fresh_one())
        for root, (_, watching_by) in seen.items():
            if watching_by == "none" and os.path.isdir(root):
                fresh[root] = seen[root]  # another folder took its place: kept, until a person says
        assert seen == fresh

    async def seen_by_a_fresh_one(self):
        with tempfile.TemporaryDirectory(dir=room_in_memory()) as state:
            configs, watch, exclude = self.config
            async with watching(state, *configs, watch=watch, exclude=exclude) as fresh:
                return self.seen(fresh)

    def seen(self, watched):
        """Return each root's files as they were last seen, and how it is watched."""
        watched.read_all()
        status = watched.reconciler.status()
        return {
            root.path: (
                {path: row.stamp for path, row in watched.files(number).items() if row.content_id},
                status[root.id].watching,
            )
            for number, root in enumerate(watched.rows)
        }


SETTINGS = {
    "phases": (Phase.generate,),
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}

TestReload = ReloadMachine.TestCase
TestReload.settings = settings(max_examples=8, stateful_step_count=12, **SETTINGS)


@pytest.mark.nightly
@pytest.mark.timeout(2 * 3600)
class TestReloadForLong(ReloadMachine.TestCase):
    """The same, for longer."""

    settings = settings(max_examples=300, stateful_step_count=40, **SETTINGS)
