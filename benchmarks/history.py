"""Keeps what benchmarks measured, and compares two of their runs.

    python -m benchmarks.history compare end_to_end          # the two latest runs
    python -m benchmarks.history compare end_to_end 3f2a91c HEAD

Each run is one JSON line in `benchmarks/history/NAME.jsonl`: when, which commit, which machine, and
each figure by its name. Figures of different machines are not comparable; a comparison says so.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import tabulate

FOLDER = Path(__file__).parent / "history"

_NUMBER = re.compile(r"(?<![\w.])-?[\d,]*\.?\d+")


def record(benchmark: str, figures: dict[str, float]) -> None:
    """Add one run to the history of a benchmark."""
    FOLDER.mkdir(exist_ok=True)
    run = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit("HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "figures": figures,
    }
    with open(FOLDER / f"{benchmark}.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(run, ensure_ascii=False) + "\n")


def show_table(
    benchmark: str, rows: Sequence[Sequence[object]], headers: Sequence[str], **options: object
) -> None:
    """Print a table whose first column names what its others measured, and record these."""
    print(tabulate.tabulate(rows, headers, **options))
    record_shown(
        benchmark,
        {
            f"{name}, {header}": str(cell)
            for name, *cells in rows
            for header, cell in zip(headers[1:], cells, strict=True)
        },
    )


def record_shown(benchmark: str, shown: Mapping[str, str]) -> None:
    """Add one run to the history: of each text the first number, if it has one."""
    numbers = {name: _NUMBER.search(text) for name, text in shown.items()}
    found = {name: number.group() for name, number in numbers.items() if number}
    record(benchmark, {name: float(number.replace(",", "")) for name, number in found.items()})


def runs(benchmark: str) -> list[dict]:
    """Return the runs of a benchmark, the oldest first."""
    try:
        lines = (FOLDER / f"{benchmark}.jsonl").read_text("utf-8").splitlines()
    except FileNotFoundError:
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.jsonl"))) or "none yet"
        sys.exit(f"no run of {benchmark} is recorded; there are: {known}")
    return [json.loads(line) for line in lines]


def compare(before: dict, after: dict) -> list[str]:
    """Return lines that set two runs beside each other."""
    lines = [f"{before['commit'][:10]} ({before['at']}) → {after['commit'][:10]} ({after['at']})"]
    if before["machine"] != after["machine"]:
        lines.append(f"different machines: {before['machine']} → {after['machine']}")
    for name in before["figures"] | after["figures"]:
        old, new = before["figures"].get(name), after["figures"].get(name)
        ratio = f"× {new / old:.2f}" if old and new is not None else ""
        lines.append(f"  {name:<46}{_shown(old):>12} → {_shown(new):<12}{ratio}")
    return lines


def _shown(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.4g}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(FOLDER.parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _commit(name: str) -> str:
    return _git("rev-parse", name) or "unknown"


def _chosen(found: list[dict], name: str) -> dict:
    commit = _commit(name) if name == "HEAD" else name
    matching = [run for run in found if run["commit"].startswith(commit)]
    if not matching:
        sys.exit(f"no run is recorded of commit {name}")
    return matching[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("compare", help="set two runs beside each other")
    action.add_argument("benchmark", help="as its module is called: end_to_end")
    action.add_argument("commits", nargs="*", help="two commits; without: the two latest runs")
    options = parser.parse_args()
    found = runs(options.benchmark)
    if options.commits and len(options.commits) != 2:
        parser.error("give two commits, or none")
    if not options.commits and len(found) < 2:
        sys.exit(f"there is one run of {options.benchmark} only")
    chosen = [_chosen(found, name) for name in options.commits] or found[-2:]
    print("\n".join(compare(*chosen)))


if __name__ == "__main__":
    main()
