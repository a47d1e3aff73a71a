"""Indexes the same photos with imgvecd and with others, in turn, and prints a table of Markdown.

    python -m benchmarks.peers [--quick] [--rclip PROGRAM] [--photos 240] [--rounds 5] [--avx2]
        [--work FOLDER] [--only WAY…]

Each runs as a whole program, from its start to all photos searchable, with the same architecture
(ViT-B-32-256) and the same random weights, which take as long as any:

- `imgvecd, first start`: nothing is kept yet, the towers are built from the checkpoint
- `imgvecd, later start`: of a library that was there with 40 other photos: its towers and what
  relevance is measured against are kept, none of the photos is known
- `rclip`: if the program is there (`pipx install rclip`); its models are exported from the weights,
  for which imgvecd has to be installed with the extra `bench`
- `one at a time`: open_clip as its README has it, one image after the other, into an IndexFlatIP
- `imgvecd-mini`: the model that comes with imgvecd, likewise on its first and on a later start
- `in int8`: either of them with `encode.precision: int8`

Processor seconds are those of all processes of a program. `--avx2` has torch and oneDNN make do
with AVX2 and computes in fp32, as on most people's processors; ONNX Runtime cannot be held back.
`--quick` is 40 photos, twice: some 4 minutes on two cores. `--work` keeps photos, weights and
exported models in a folder for later calls, and what was measured: the table is of all rounds, and
`--rounds 0` measures nothing. `--only` takes the ways whose names begin so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from benchmarks import history
from benchmarks.end_to_end import make_photos
from tests.running import RunningDaemon

MODEL = "ViT-B-32-256"
RCLIP_MODELS = "ViT-B-32-256-datacomp_s34b_b86k"
ONE_AT_A_TIME = """
import sys, pathlib, faiss, open_clip, torch
from PIL import Image
model, _, preprocess = open_clip.create_model_and_transforms(sys.argv[1], pretrained=sys.argv[2])
model.eval()
index = faiss.IndexFlatIP(model.visual.output_dim)
print("ready", flush=True)
for path in sorted(pathlib.Path(sys.argv[3]).iterdir()):
    with torch.no_grad():
        vector = model.encode_image(preprocess(Image.open(path)).unsqueeze(0))
    index.add(torch.nn.functional.normalize(vector, dim=-1).numpy())
    print(index.ntotal, flush=True)
"""
EXPORT = """
import sys, torch, open_clip
model = open_clip.create_model(sys.argv[1], pretrained=sys.argv[2]).eval()
class Part(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.model, self.function = model, function
    def forward(self, input):
        return self.function(input)
size = model.visual.image_size[0]
for name, part, example in [
    ("visual", Part(model.encode_image), torch.zeros(2, 3, size, size)),
    ("textual", Part(model.encode_text), open_clip.get_tokenizer(sys.argv[1])(["a", "b"])),
]:
    torch.onnx.export(part, (example,), f"{sys.argv[3]}/{name}.onnx", input_names=["input"],
        output_names=["output"], dynamic_axes={"input": {0: "n"}, "output": {0: "n"}}, dynamo=False)
"""
SAVE = """
import sys, open_clip, safetensors.torch, torch
torch.manual_seed(1)
safetensors.torch.save_model(open_clip.create_model(sys.argv[1]), sys.argv[2])
"""
LIMIT_S = 900
STATE = Path(".local", "state", "imgvecd")
OLDER = 40  # photos: enough for relevance to be told


@dataclass(frozen=True)
class Run:
    """One program's run over all photos.

    Attributes:
        steady: images per second from the first ones searchable to the last; None where all
            became searchable at once.
        memory_mb: the most that its encoder held at a time, if that is a process of its own.
    """

    wall_s: float
    processor_s: float
    steady: float | None
    memory_mb: float = 0.0


class Bench:
    """The photos, the weights, and one way after the other to index the ones with the others."""

    def __init__(self, work: Path, count: int, environment: dict[str, str], rclip: str) -> None:
        self.photos, self._older = work / "photos", work / "older"
        self.count = count
        self._work, self._environment, self._rclip = work, environment, rclip
        self._checkpoint = work / "random.safetensors"
        self._homes = 0
        for folder, photos, seed in [(self.photos, count, 1), (self._older, OLDER, 2)]:
            if not folder.exists():
                _whole(folder, lambda work, n=photos, seed=seed: make_photos(work, n, seed))
        if not self._checkpoint.exists():
            _whole(self._checkpoint, lambda path: self._python(SAVE, MODEL, path))
        if rclip and not (work / "rclip").exists():
            _whole(work / "rclip", self._export)

    def _python(self, code: str, *arguments: object) -> None:
        command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, timeout=LIMIT_S)

    def _export(self, folder: Path) -> None:
        import open_clip  # noqa: PLC0415  # seconds, for one file of it

        models = folder / RCLIP_MODELS
        models.mkdir(parents=True)
        self._python(EXPORT, MODEL, self._checkpoint, models)
        vocabulary = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
        (folder / "tokenizer").mkdir()
        shutil.copy(vocabulary, folder / "tokenizer")

    def imgvecd(self, *, mini: bool = False, kept: bool = False, int8: bool = False) -> Run:
        """Run the daemon in a new home; or with the state of a library of some older photos."""
        self._homes += 1
        home = self._work / f"home-{self._homes}"
        folders = [self.photos]
        if kept:
            shutil.copytree(self._library(mini=mini, int8=int8), home / STATE)
            folders.append(self._older)
        started = time.perf_counter()
        daemon = self._daemon(home, mini=mini, int8=int8, folders=folders)
        try:
            return self._watch(daemon, started, OLDER if kept else 0)
        finally:
            daemon.stop()
            shutil.rmtree(home)

    def _daemon(self, home: Path, *, mini: bool, int8: bool, folders: list[Path]) -> RunningDaemon:
        settings = {} if mini else {"model.name": MODEL, "model.pretrained": self._checkpoint}
        others = "fp32" if self._environment else "auto"
        settings["encode__precision"] = "int8" if int8 else others
        return RunningDaemon(home, folders, settings, env=self._environment)

    def _library(self, *, mini: bool, int8: bool) -> Path:
        """Return the state of a daemon that has indexed the older photos, and then was stopped."""
        home = self._work / f"library-{'mini' if mini else MODEL}{'-int8' if int8 else ''}"
        if not home.exists():
            daemon = self._daemon(home, mini=mini, int8=int8, folders=[self._older])
            try:
                daemon.wait_until(daemon.is_idle, LIMIT_S)
                daemon.wait_until(lambda: daemon.status()["model"]["runtime_note"], LIMIT_S)
                daemon.wait_until(lambda: _knows_relevance(daemon), LIMIT_S)
                print(f"{home.name}: {daemon.status()['model']['runtime_note']}", flush=True)
            finally:
                daemon.stop()
        return home / STATE

    def _watch(self, daemon: RunningDaemon, started: float, known: int) -> Run:
        process = psutil.Process(daemon.process.pid)
        first: tuple[float, int] | None = None
        memory_mb = 0.0

        def done() -> bool:
            nonlocal first, memory_mb
            time.sleep(0.2)  # looking costs, too
            memory_mb = max(memory_mb, _encoder_mb(process))
            indexed = daemon.status()["files"]["indexed"] - known
            if indexed > 0 and first is None:
                first = (time.perf_counter(), indexed)
            return indexed == self.count

        daemon.wait_until(done, LIMIT_S)
        ended = time.perf_counter()
        seconds = sum(
            sum(each.cpu_times()[:4]) for each in [process, *process.children(recursive=True)]
        )
        return Run(ended - started, seconds, self._steady(first, ended), memory_mb)

    def rclip(self) -> Run:
        """Run it in a data folder with nothing but its models."""
        data = self._work / "rclip-data"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(self._work / "rclip", data, copy_function=os.link)
        command = [self._rclip, "--filepath-only", "--top", "1", "a dog"]
        environment = {**os.environ, **self._environment, "RCLIP_DATADIR": str(data)}

        def progress() -> int:
            with contextlib.suppress(sqlite3.Error):
                database = sqlite3.connect(f"file:{data / 'db.sqlite3'}?mode=ro", uri=True)
                with contextlib.closing(database):
                    return database.execute("SELECT count(*) FROM images").fetchone()[0]
            return 0

        return self._program(command, environment, progress)

    def one_at_a_time(self) -> Run:
        """Run open_clip over the photos."""
        lines = self._work / "lines"
        command = [sys.executable, "-c", ONE_AT_A_TIME, MODEL, self._checkpoint, self.photos]
        environment = {**os.environ, **self._environment}
        return self._program(
            list(map(str, command)),
            environment,
            lambda: max(0, lines.read_text().count("\n") - 1),
            output=lines,
        )

    def _program(
        self,
        command: list[str],
        environment: dict[str, str],
        progress: Callable[[], int],
        output: Path | None = None,
    ) -> Run:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        first: tuple[float, int] | None = None
        with open(output or os.devnull, "wb") as file:
            process = subprocess.Popen(
                command, env=environment, cwd=self.photos, stdout=file, stderr=subprocess.DEVNULL
            )
            try:
                while process.poll() is None:
                    if time.perf_counter() - started > LIMIT_S:
                        raise TimeoutError(f"{command[0]} takes over {LIMIT_S} s")
                    done = progress() if first is None else 0
                    if done:
                        first = (time.perf_counter(), done)
                    time.sleep(0.05)
            finally:
                process.kill()
                process.wait()
        ended = time.perf_counter()
        if process.returncode:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Run(ended - started, seconds, self._steady(first, ended))

    def _steady(self, first: tuple[float, int] | None, ended: float) -> float | None:
        if first is None or first[1] >= self.count:
            return None
        return (self.count - first[1]) / (ended - first[0])


def _whole(path: Path, make: Callable[[Path], None]) -> None:
    """Make a file or folder under another name, so that it is there whole or not at all."""
    unfinished = path.with_name(f"unfinished-{path.name}")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that failed
    make(unfinished)
    unfinished.rename(path)


@contextlib.contextmanager
def _work_folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="imgvecd-peers-") as name:
        yield Path(name)


def _runs(lines: bytes) -> dict[str, list[Run]]:
    """Return what was measured, by way."""
    runs: dict[str, list[Run]] = {}
    for line in lines.splitlines():
        way, run = msgspec.json.decode(line, type=tuple[str, Run])
        runs.setdefault(way, []).append(run)
    return runs


def _knows_relevance(daemon: RunningDaemon) -> bool:
    hits = daemon.post("/v1/search", {"text": "a dog", "all": True})["hits"]
    return bool(hits) and hits[0].get("relevance") is not None


def _encoder_mb(daemon: psutil.Process) -> float:
    sizes = [0.0]
    for child in daemon.children():
        with contextlib.suppress(psutil.Error):
            if "imgvecd.workers.encode" in child.cmdline() and '"texts"' not in child.cmdline()[-1]:
                sizes.append(child.memory_info().rss / 1e6)
    return max(sizes)


def rows(runs: dict[str, list[Run]], against: str) -> Iterator[tuple[str, ...]]:
    """Yield a line of the table for each way; factors are ratios of medians."""

    def median(name: str, field: str) -> float:
        known = [value for run in runs[name] if (value := getattr(run, field)) is not None]
        return statistics.median(known or [float("nan")])

    for name, taken in runs.items():
        walls = [run.wall_s for run in taken]
        wall_s, processor_s = median(name, "wall_s"), median(name, "processor_s")
        yield (
            name,
            f"{wall_s:.1f} ({min(walls):.1f} to {max(walls):.1f})",
            f"{processor_s:.0f}",
            f"{median(name, 'steady'):.1f}",
            f"{median(against, 'wall_s') / wall_s:.2f}",
            f"{processor_s / median(against, 'processor_s'):.2f}",
            f"{median(name, 'memory_mb'):.0f}" if taken[0].memory_mb else "",
        )


def processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return "an unknown processor"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=240, help="12-megapixel JPEGs to make")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="40 photos, 2 rounds")
    parser.add_argument("--rclip", default=shutil.which("rclip") or "", help="the program")
    parser.add_argument("--avx2", action="store_true", help="as on a processor without AVX-512")
    parser.add_argument("--no-mini", action="store_true", help="leave imgvecd-mini out")
    parser.add_argument("--work", type=Path, help="folder that keeps what is made for later runs")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="WAY", help="ways whose names begin so"
    )
    options = parser.parse_args()
    count, rounds = (40, 2) if options.quick else (options.photos, options.rounds)
    avx2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"} if options.avx2 else {}
    with _work_folder(options.work) as folder:
        bench = Bench(folder, count, avx2, options.rclip)
        ways: dict[str, Callable[[], Run]] = {
            "imgvecd, first start": bench.imgvecd,
            "imgvecd, later start": lambda: bench.imgvecd(kept=True),
            "imgvecd in int8, first start": lambda: bench.imgvecd(int8=True),
            "imgvecd in int8, later start": lambda: bench.imgvecd(int8=True, kept=True),
            "one at a time": bench.one_at_a_time,
        }
        if options.rclip:
            ways["rclip"] = bench.rclip
        if not options.no_mini:
            ways["imgvecd-mini, first start"] = lambda: bench.imgvecd(mini=True)
            ways["imgvecd-mini, later start"] = lambda: bench.imgvecd(mini=True, kept=True)
            ways["imgvecd-mini in int8, first start"] = lambda: bench.imgvecd(mini=True, int8=True)
            ways["imgvecd-mini in int8, later start"] = lambda: bench.imgvecd(
                mini=True, int8=True, kept=True
            )
        ways = {way: run for way, run in ways.items() if way.startswith(tuple(options.only))}
        with open(folder / "runs.jsonl", "a+b", buffering=0) as file:
            for _ in range(rounds):
                for way, run in ways.items():
                    latest = run()
                    print(f"{way}: {latest}", flush=True)
                    file.write(msgspec.json.encode((way, latest)) + b"\n")
            file.seek(0)
            runs = _runs(file.read())
    if not runs:
        return
    against = next(way for way in ("rclip", "one at a time", *runs) if way in runs)
    taken = " and ".join(map(str, sorted({len(some) for some in runs.values()})))
    print(
        f"\n{count} JPEGs of 12 megapixels, {taken} rounds in turn, {os.cpu_count()} cores of "
        f"{processor()}{', AVX2 and fp32 only' if options.avx2 else ''}; {MODEL} unless mini\n"
    )
    headers = (
        "",
        "wall s (range)",
        "processor s",
        "images/s, steady",
        f"times as fast as {against}",
        "of its processor s",
        "encoder MB",
    )
    history.show_table(
        "peers", rows(runs, against), headers, tablefmt="github", disable_numparse=True
    )


if __name__ == "__main__":
    main()
