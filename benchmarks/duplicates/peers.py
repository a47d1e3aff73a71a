"""Duplicates: the same pairs asked of imgvecd, imagededup's PHash and czkawka's hash, in one run.

    python -m benchmarks.duplicates.peers --peers PYTHON [--photos DIR …] [--skip 0] [--count 20]

Each photo is copied and edited as in `pairs`; of each pair of the photo and a file made from it,
all three say whether the two are one picture. Then pages that differ in a word, each against the
others, and photos of different things. PYTHON is an interpreter that has imagededup and czkawka,
which want other versions of libraries than imgvecd; both are asked at their own defaults: distances
of 10 of 64 bits, and of 5 of 256 ("High").
"""

import argparse
import collections
import itertools
import json
import subprocess
import tempfile
from pathlib import Path

from benchmarks import history
from benchmarks.duplicates.pages import FAMILIES, page
from benchmarks.duplicates.pairs import SHARED, SURE, Picture, originals
from benchmarks.duplicates.variants import COPIES, EDITS, changes, saved

_HASHES = """
import base64, json, sys
from pathlib import Path
from czkawka import ImageSimilarity
from imagededup.methods import PHash
phash, czkawka, found = PHash(verbose=False), ImageSimilarity(), {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        one = phash.encode_image(image_file=str(path))
    except Exception:
        one = None
    try:
        text = czkawka.hash_image(path)
        other = base64.b64decode(text + "=" * (-len(text) % 4)).hex()
    except Exception:
        other = None
    found[path.name] = [one, other]
print(json.dumps(found))
"""
_PEERS = {"imagededup PHash": 10, "czkawka": 5}


def made_files(options, folder):
    """Write the files; return [(sort, variant, name of one, name of the other)]."""
    asked, firsts = [], []
    for number, (_, data, image, chance) in enumerate(originals(options.photos, options.count)):
        if number < options.skip:
            continue
        first = f"{number}.jpg"
        (folder / first).write_bytes(data)
        firsts.append(first)
        variants = {("copy", name): (suffix, make) for name, (suffix, make) in COPIES.items()}
        for name, edit in EDITS.items():
            edited = edit(image, chance)
            if changes(image, edited):
                variants["edit", name] = ".jpg", lambda _, __, made=edited: saved(made, quality=90)
        for place, ((sort, name), (suffix, make)) in enumerate(variants.items()):
            if name == "down and up":  # a blur, as far as anybody can tell
                continue
            (folder / f"{number}-{place}{suffix}").write_bytes(make(image, chance))
            asked.append((sort, name, first, f"{number}-{place}{suffix}"))
    asked += [("other photos", "", *pair) for pair in itertools.combinations(firsts, 2)]
    for family in FAMILIES:
        pages = [f"{family}-{number}.png".replace(" ", "_") for number in range(options.pages)]
        for number, name in enumerate(pages):
            (folder / name).write_bytes(saved(page(family, number), "PNG"))
        asked += [("other pages", "", *pair) for pair in itertools.combinations(pages, 2)]
    return asked


def distance(one, other):
    """Return the bits by which two hashes differ; None if there is one only."""
    if not one or not other:
        return None
    return (int(one, 16) ^ int(other, 16)).bit_count()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", required=True, help="an interpreter that has them")
    folders = [SHARED / "library", SHARED / "captioned"]
    parser.add_argument("--photos", type=Path, nargs="*", default=folders)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--count", type=int, default=20, help="of the photos, those skipped too")
    parser.add_argument("--pages", type=int, default=4, help="of each family")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        asked = made_files(options, folder)
        told = subprocess.run(
            [options.peers, "-c", _HASHES, scratch], capture_output=True, check=True
        )
        hashes = json.loads(told.stdout.splitlines()[-1])
        pictures = {}
        tally = collections.defaultdict(collections.Counter)
        for sort, variant, *pair in asked:
            for name in pair:
                if name not in pictures and (sort != "copy" or name == pair[0]):
                    pictures[name] = Picture((folder / name).read_bytes())
            one = pictures[pair[0]]
            other = pictures.get(pair[1]) or Picture((folder / pair[1]).read_bytes())
            row = tally[sort, variant]
            row["pairs"] += 1
            row["imgvecd"] += one.kind_to(other) in SURE
            for place, (peer, most) in enumerate(_PEERS.items()):
                apart = distance(*(hashes[name][place] for name in pair))
                row[peer] += apart is not None and apart <= most
            if sort == "edit":
                del pictures[pair[1]]
    report(tally)


def report(tally):
    """Print a table in Markdown, and precision over all that was asked."""
    tools = ("imgvecd", *_PEERS)
    print(f"| | pairs | {' | '.join(tools)} |\n|---|---|{'---|' * len(tools)}")
    sums = collections.defaultdict(collections.Counter)
    for (sort, variant), row in tally.items():
        sums[sort].update(row)
        cells = " | ".join(f"{row[tool]}" for tool in tools)
        print(f"| {sort}: {variant} | {row['pairs']} | {cells} |")
    for sort, row in sums.items():
        cells = " | ".join(f"{row[tool]} ({row[tool] / row['pairs']:.1%})" for tool in tools)
        print(f"| **{sort}** | {row['pairs']} | {cells} |")
    for tool in tools:
        told = sum(row[tool] for row in sums.values())
        print(f"precision of {tool}: {sums['copy'][tool] / max(told, 1):.1%}")
    figures = {f"{sort}, {tool}": row[tool] for sort, row in sums.items() for tool in tools}
    figures |= {f"{sort}, pairs": row["pairs"] for sort, row in sums.items()}
    history.record("duplicates_peers", figures)


if __name__ == "__main__":
    main()
