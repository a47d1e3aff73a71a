"""Prints how much of each package tests reached: `python -m tools.coverage_by_room FILE.json`."""

from __future__ import annotations

import collections
import json
import sys
from pathlib import Path


def rooms(report: dict) -> dict[str, tuple[int, int]]:
    """Return, by folder, (lines and branches reached, lines and branches that there are)."""
    found: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0])
    for name, file in report["files"].items():
        summary = file["summary"]
        room = str(Path(name).parent)
        found[room][0] += summary["covered_lines"] + summary["covered_branches"]
        found[room][1] += summary["num_statements"] + summary["num_branches"]
    return {room: (reached, there) for room, (reached, there) in sorted(found.items())}


def main() -> None:
    """Print one line a room."""
    for room, (reached, there) in rooms(json.loads(Path(sys.argv[1]).read_text())).items():
        share = reached / there if there else 1
        print(f"{room:<40}{share:>7.1%}  of {there:,} lines and branches")


if __name__ == "__main__":
    main()
