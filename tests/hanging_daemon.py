"""`imgvecd` with one part that hangs for ever once somebody asks for /v1/stats.

Which part, says the environment variable HANGS: loop, catalog or index.
"""

import os
import sys
import time

from imgvecd.catalog.work.embeddings import Embeddings
from imgvecd.cli.main import main
from imgvecd.core.index import LibraryIndex
from imgvecd.daemon.service import DaemonService


def hang_for_ever(*_arguments, **_options):
    while True:
        time.sleep(3600)


async def stats(_self):
    part = os.environ["HANGS"]
    if part == "catalog":
        Embeddings.clock = hang_for_ever
    elif part == "index":
        LibraryIndex.search = hang_for_ever
    print("hangs from now on", flush=True)
    if part == "loop":
        hang_for_ever()


if __name__ == "__main__":
    DaemonService.stats = stats
    sys.exit(main())
