"""Compare the libraries in `imgvecd/web/vendor` with npm's, and the page with its size limit.

`python tools/page/vendored.py` compares; with `--offline` by the hashes in `vendor.json` alone.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile

from land import land  # beside this file

WEB = pathlib.Path(__file__).parents[2] / "imgvecd" / "web"
MOST_BYTES = 60_000  # of JavaScript as it is sent at the least: gzipped; and of the coastline


def main() -> int:
    """Return 0 if everything is as it should be; say what is not."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--offline", action="store_true")
    offline = options.parse_args().offline
    libraries = json.loads((WEB / "vendor" / "vendor.json").read_text())
    wrong = [*_hashes(libraries), *_size()]
    if not offline:
        wrong += [line for name in libraries for line in _published(name, libraries[name])]
    print(*wrong, sep="\n")
    return bool(wrong)


def _hashes(libraries: dict) -> list[str]:
    files = {name: digest for each in libraries.values() for name, digest in each["files"].items()}
    there = {file.name for file in (WEB / "vendor").iterdir()} - {"vendor.json"}
    unknown = {name for name in there - set(files) if not name.endswith(".d.ts")}
    changed = [
        name
        for name, digest in files.items()
        if _digest((WEB / "vendor" / name).read_bytes()) != digest
    ]
    return [f"vendor/{name} is not as vendor.json says" for name in sorted({*unknown, *changed})]


def _size() -> list[str]:
    wrong = []
    for what, pattern in (("JavaScript", "*.js"), ("coastline", "land.json")):
        sent = sum(len(gzip.compress(file.read_bytes(), mtime=0)) for file in WEB.rglob(pattern))
        print(f"{sent:,} bytes of {what}, gzipped, of {MOST_BYTES:,}")
        if sent > MOST_BYTES:
            wrong.append(f"{sent:,} bytes of {what} are too many")
    return wrong


def _published(name: str, library: dict) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", "--silent", f"{name}@{library['version']}"],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        archive = pathlib.Path(folder, packed.stdout.strip().splitlines()[-1])
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        wrong = []
        if f"sha512-{digest}" != library["integrity"]:
            wrong.append(f"npm's {name} {library['version']} is not the one that vendor.json names")
        with tarfile.open(archive) as packed_files:
            for file, source in {**library["from"], **library.get("made", {})}.items():
                member = packed_files.extractfile(f"package/{source}")
                data = b"" if member is None else member.read()
                if file in library.get("made", {}):
                    data = land(json.loads(data))
                if data != (WEB / "vendor" / file).read_bytes():
                    wrong.append(f"vendor/{file} is not npm's {name}/{source}")
        return wrong


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
