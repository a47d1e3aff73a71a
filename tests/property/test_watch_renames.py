"""Files change names in every pattern, and are recognised: no id and no content is lost."""

import asyncio
import random

import pytest
from watching import watching

LONG = (pytest.mark.nightly, pytest.mark.timeout(3600))
FOLDERS = ("", "x/", "x/y/", "z/")
PLACES = [f"{folder}{name}.jpg" for folder in FOLDERS for name in "abc"]


@pytest.mark.parametrize("rounds", [40, pytest.param(2000, marks=LONG)])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_any_cycle_of_renames(tmp_path, seed, rounds):
    chance = random.Random(seed)
    library = tmp_path / "library"
    for place in PLACES:
        (library / place).parent.mkdir(parents=True, exist_ok=True)
        (library / place).write_bytes(place.encode())
    async with watching(str(tmp_path / "state"), str(library)) as watched:
        watched.read_all()
        ids = {row.stamp.inode: row.id for row in watched.files().values()}
        contents = {row.id: row.content_id for row in watched.files().values()}
        for _ in range(rounds):
            cycle = chance.sample(PLACES, chance.randint(2, 5))
            for number, place in enumerate(cycle):
                (library / place).rename(library / f"aside-{number}")
            await asyncio.sleep(0)  # a long pause would rightly count as deleting and adding
            for number, place in enumerate(cycle[1:] + cycle[:1]):
                (library / f"aside-{number}").rename(library / place)
            await watched.reconciler.barrier()
            assert watched.agrees()
            assert {row.stamp.inode: row.id for row in watched.files().values()} == ids
            watched.read_all()
            assert {row.id: row.content_id for row in watched.files().values()} == contents
